"""The argument parser, and the options that several subcommands share: types, checks, outputs."""
