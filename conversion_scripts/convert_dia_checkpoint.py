"""Converts a native Nari Labs Dia into a complete Hugging Face folder: the command `dia convert model`."""

import argparse
import sys
from collections.abc import Sequence

from dia import cli

COMMAND = ("convert", "model")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return cli.main([*COMMAND, *(sys.argv[1:] if arguments is None else arguments)])


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    return cli.build_parser().subparser_for(COMMAND)


if __name__ == "__main__":
    sys.exit(main())
