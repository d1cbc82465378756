"""Hold the tests, one file a module."""
