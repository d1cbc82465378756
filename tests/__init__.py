"""The tests, one file a module."""
