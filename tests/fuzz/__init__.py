"""Fuzz tests with damaged folders, files and arguments: `python -m tests.fuzz.folders`, `… .arguments`."""
