"""Damaged folders, files and arguments, tried by the thousand: `python -m tests.fuzz.folders`, `… .arguments`."""
