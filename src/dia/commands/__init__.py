"""The subcommands of `dia`. Each parses its options and calls the facade or the package that does the work."""
