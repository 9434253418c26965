"""The `sgnas` command: parses, calls the toolchain, prints."""
