"""`python -m sgnas_cli`, the same as `sgnas`."""

from sgnas_cli.main import main

if __name__ == "__main__":
    main()
