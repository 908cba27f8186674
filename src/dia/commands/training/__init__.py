"""The subcommands that train: `dia train` and `dia train-codec`."""
