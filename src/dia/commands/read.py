"""`dia read`: how a script is understood, without a model. Parses options and prints; `dia.text` does the reading."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dia.synthesis.parts.planning import Before, Part
    from dia.text.prompt_format import PromptFormat
    from dia.text.script import Script

_GUIDE = """examples:
  dia read "[S1] I owe you $5. [S2] Since May 17, 2024?"
  dia read book.txt
  dia read book.txt --voice ann
  dia read book.txt --json | jq '.parts[].seconds'
  echo "[S1] Good morning." | dia read -

It prints each turn as it was written and, where that differs, as it is spoken; pauses, sounds, the parts that a long
script is spoken in with their estimated length, and warnings. A script that cannot be read ends the command with code
2. No model is loaded: of MODEL only generation_config.json is read.
"""
_EMBEDDED = (None, "mini")
_SHORTENED = (
    "the voice takes {:.1f} s and is shortened to at most {:.1f} s when it speaks: parts may be cut at other places. "
    "Use a shorter voice."
)


def add_command(subparsers: Any, notice: str = "") -> None:
    """Add `read` to the subparsers of `dia`; `notice` ends its help."""
    parser = subparsers.add_parser(
        "read",
        help="print how a script is understood, without a model",
        description="Print how a script is understood, without a model.",
        epilog="\n".join(part for part in (_GUIDE, notice) if part),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=_read)
    parser.add_argument("script", help="the script, a file that holds it, or - for standard input")
    parser.add_argument("--json", action="store_true", help="print one object: turns, parts and warnings")
    parser.add_argument("--model", help="folder or Hub id of the model that is to speak (default: the embedded one)")
    parser.add_argument(
        "--voice",
        action="append",
        metavar="VOICE",
        help="the voice that is to speak, which takes room in every part: name or file; S1=VOICE for one speaker",
    )
    parser.add_argument(
        "--text-frontend",
        choices=("en", "none"),
        help="read English, or leave words of any language as they are (default: the model's own)",
    )
    parser.add_argument(
        "--no-normalize", dest="normalize", action="store_false", help="leave the words as they are, English too"
    )


def _read(arguments: argparse.Namespace) -> int:
    from dia.synthesis.parts.planning import passes_of, room_for
    from dia.text.script import parse
    from dia.text.source import script_text

    text, format = script_text(arguments.script), _format(arguments.model)
    if arguments.text_frontend is not None:
        format = replace(format, text_frontend=arguments.text_frontend)
    script = parse(text, frontend=format.text_frontend, normalize=arguments.normalize)
    before = _voice(arguments.voice or ())
    most = format.pass_seconds - room_for(script)
    warnings = list(script.warnings_for(format, before.seconds))
    if before.seconds > most:
        warnings.append(_SHORTENED.format(before.seconds, most))
        before = replace(before, seconds=most)
    parts = passes_of(script, format, before)
    if arguments.json:
        print(_as_json(script, parts, warnings, format))
    else:
        print("\n".join(_as_text(script, parts, warnings, format)))
    return 0


def _format(source: str | None) -> "PromptFormat":
    """The conventions of the model that is to speak."""
    from dia import MINI
    from dia.text.prompt_format import PromptFormat

    folder = MINI if source in _EMBEDDED else Path(str(source)).expanduser()
    if folder.is_dir():
        return PromptFormat.in_folder(folder)
    if folder.exists() or str(source).count("/") != 1 or str(source).startswith((".", "/", "~")):
        raise ValueError(f"--model {source}: there is no such folder. Name a folder, or an id of the Hub: owner/name.")
    print(f"dia: {source} is no folder here; the script is read as for Dia-1.6B", file=sys.stderr)
    return PromptFormat()


def _voice(told: Sequence[str]) -> "Before":
    """What a voice brings to every part, by what its file says of itself."""
    from dia.synthesis.parts.planning import Before
    from dia.text.tags import SPEAKERS
    from dia.voices.description import describe
    from dia.voices.library import parse_voice_option, voice_file

    given = parse_voice_option(told)
    voices = given if isinstance(given, dict) else {None: given} if given else {}
    described = {speaker: describe(voice_file(name)) for speaker, name in voices.items()}
    heard = [f"[{speaker}]" if speaker else voice.transcript for speaker, voice in described.items()]
    speakers = frozenset(speaker for speaker in SPEAKERS if any(f"[{speaker}]" in one for one in heard))
    return Before(speakers, sum(voice.seconds for voice in described.values()))


def _as_json(script: "Script", parts: "Sequence[Part]", warnings: Sequence[str], format: "PromptFormat") -> str:
    turns = [
        {"speaker": turn.speaker, "shown": turn.shown, "spoken": turn.text, "pause_seconds": turn.pause}
        for turn in script.turns
    ]
    spoken = [
        {"spoken": format.end_turns(part.script.spoken), "seconds": round(part.script.seconds, 2)} for part in parts
    ]
    content = {"turns": turns, "parts": spoken, "warnings": list(warnings)}
    readable = json.dumps(content, ensure_ascii=False, indent=1)
    return readable if _printable(readable) else json.dumps(content, indent=1)


def _as_text(
    script: "Script", parts: "Sequence[Part]", warnings: Sequence[str], format: "PromptFormat"
) -> Iterator[str]:
    for turn in script.turns:
        yield f"{turn.speaker}  {turn.shown}"
        if turn.text != turn.shown:
            yield f"    spoken: {turn.text}"
        if turn.sounds:
            yield f"    sounds: {', '.join(turn.sounds)}"
        if turn.pause:
            yield f"    pause: {turn.pause:g} s"
    yield ""
    if len(parts) > 1:
        yield from (
            f"part {number}, about {part.script.seconds:.1f} s: {format.end_turns(part.script.spoken)}"
            for number, part in enumerate(parts, 1)
        )
        yield ""
    pauses = sum(turn.pause for turn in script.turns)
    yield f"about {script.seconds + pauses:.1f} s in {len(parts)} part{'s' if len(parts) > 1 else ''}"
    yield from (f"warning: {warning}" for warning in warnings)


def _printable(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


__all__ = ["add_command"]
