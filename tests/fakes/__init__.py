"""Stand-ins shared by several areas of the tests."""
