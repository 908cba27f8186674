"""The option `--speakers` of the commands that read a script."""

import argparse
from collections.abc import Sequence

_NONE = "none"


def add_speakers_option(parser: argparse._ActionsContainer) -> None:
    """Add `--speakers`, which may be repeated; `speakers_given` joins the values."""
    parser.add_argument(
        "--speakers",
        action="append",
        type=_speakers,
        metavar="NAME=S1",
        help="speaker, S1 or S2, of a name in the script, repeated or separated by commas; several names may share a "
        "speaker; none if the script has no names (default: the first two names)",
    )


def speakers_given(options: Sequence[dict[str, str]] | None) -> dict[str, str] | None:
    """The speaker of each name, as `dia.text.script.parse` takes it; None if the option is not given.

    Raises:
        ValueError: a name has two speakers.
    """
    if options is None:
        return None
    found: dict[str, str] = {}
    for name, speaker in (pair for option in options for pair in option.items()):
        if found.setdefault(name, speaker) != speaker:
            raise ValueError(f"--speakers gives {name} two speakers; give each name one.")
    return found


def _speakers(text: str) -> dict[str, str]:
    from dia.text.speakers import checked_speakers

    if text.strip().lower() == _NONE:
        return {}
    found = {}
    for pair in text.split(","):
        name, sign, speaker = (part.strip() for part in pair.rpartition("="))
        try:
            if not sign:
                raise ValueError
            checked_speakers({name: speaker})
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"{pair.strip()!r} is not NAME=S1 or NAME=S2. Separate several by commas, or write none"
            ) from None
        found[name] = speaker.upper()
    return found


__all__ = ["add_speakers_option", "speakers_given"]
