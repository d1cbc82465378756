"""This machine: its variables, folders, files, programs and shells."""
