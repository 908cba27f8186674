"""The subcommands of `dia`: each parses options and calls the facade."""
