"""`dia verify`: say whether recordings are marked as speech of Dia. Parses options and prints."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from dia.runtime.standard_streams import print_lines

if TYPE_CHECKING:
    from dia.audio.verification import Verification

_GUIDE = """examples:
  dia verify clip.mp3
  dia verify *.wav --json

Reads the tag in the file, and searches the sound for the watermark that `dia say --watermark` and `dia serve` add.
A file without either may be of another program, of a person, or changed too much: it proves nothing.

exit codes: 0 every file is marked, 1 a file is not marked, 2 a file cannot be read
"""
_UNMARKED, _INVALID = 1, 2


def add_command(subparsers: Any, notice: str = "") -> None:
    """Add `verify` to the subparsers of `dia`; `notice` is appended to its help."""
    parser = subparsers.add_parser(
        "verify",
        usage="dia verify FILE ... [--json]",
        help="say whether recordings are marked as speech of Dia",
        description="Say whether recordings are marked as speech of Dia, in the file or in the sound.",
        epilog="\n".join(part for part in (_GUIDE, notice) if part),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=_verify)
    parser.add_argument("files", nargs="+", metavar="FILE", help="audio files")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each file, one a line")


def _verify(arguments: argparse.Namespace) -> int:
    from dia.audio.verification import verify

    code = 0
    for path in arguments.files:
        try:
            found = verify(path)
        except (ValueError, OSError, ImportError) as error:
            code = _INVALID
            if arguments.json:
                print(json.dumps({"file": path, "error": str(error)}), flush=True)
            else:
                print_lines(str(error))
            continue
        if not found.synthetic:
            code = max(code, _UNMARKED)
        if arguments.json:
            print(json.dumps({"file": path, **found.as_dict()}), flush=True)
        else:
            print("\n".join(_lines(path, found)), flush=True)
    return code


def _lines(path: str, found: "Verification") -> list[str]:
    """The report on a file."""
    verdict = "marked as synthetic speech of Dia" if found.synthetic else "no mark of Dia found, which proves nothing"
    return [
        f"{path}: {verdict}",
        f"  tag: {'none' if found.tag is None else _known(found.tag.model, found.tag.seed)}",
        f"  watermark: {_watermark(found)}",
        *(["  tag and watermark disagree: one of them was changed"] if found.agree is False else []),
        *(f"  note: {remark}" for remark in found.remarks),
    ]


def _known(model: str, seed: int | None) -> str:
    return f"model {model or 'unknown'}, seed {'unknown' if seed is None else seed}"


def _watermark(found: "Verification") -> str:
    mark = found.watermark
    if not mark.found:
        return f"none (score {mark.score:.1f}; a chance of {mark.false_alarm:.1g} or less for sound without one)"
    chance = f"score {mark.score:.1f}; false alarm probability at most {mark.false_alarm:.1g}"
    if mark.payload is None:
        return f"found ({chance}), but too short or damaged to read model and seed"
    name = f"{found.model}" if found.model else f"unknown (fingerprint {mark.payload.model})"
    if found.agree is False:
        name = f"fingerprint {mark.payload.model}"
    return f"found ({chance}); {_known(name, mark.payload.seed)}"


__all__ = ["add_command"]
