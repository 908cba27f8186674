"""`dia read`: show how a script is parsed, without a model. Parses options and prints; `dia.text` does the work."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dia.commands.options.scripts import add_script_options, parse_source, script_source
from dia.commands.options.speakers import add_speakers_option

if TYPE_CHECKING:
    from dia.synthesis.parts.planning import Part, VoiceInfo
    from dia.text.prompt_format import PromptFormat
    from dia.text.script import Script

_GUIDE = """examples:
  dia read "[S1] I owe you $5. [S2] Since May 17, 2024?"
  dia read book.txt
  dia read book.txt --voice ann
  dia read book.txt --json | jq '.parts[].seconds'
  dia read talk.srt --keep-timing
  echo "[S1] Good morning." | dia read -

Prints each turn as written and, if different, as spoken; its pauses and sounds; the parts of a long script with
their estimated length; and warnings. The exit code for an invalid script is 2. No model is loaded: only
generation_config.json is read from the folder MODEL. For a Hub id, the settings of Dia-1.6B are used.
"""
_SHORTENED_VOICE = (
    "the voice takes {:.1f} s and is shortened to at most {:.1f} s for speaking, so parts may be split elsewhere than "
    "shown. Use a shorter voice."
)


def add_command(subparsers: Any, notice: str = "") -> None:
    """Add `read` to the subparsers of `dia`; `notice` is appended to its help."""
    parser = subparsers.add_parser(
        "read",
        help="print how a script is parsed, without a model",
        description="Print how a script is parsed, without a model.",
        epilog="\n".join(part for part in (_GUIDE, notice) if part),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=_read)
    parser.add_argument("script", help="the script, a file that contains it, or - for standard input")
    parser.add_argument("--json", action="store_true", help="print a JSON object with turns, parts and warnings")
    parser.add_argument("--model", help="folder or Hub id of the model (default: the small embedded model)")
    parser.add_argument(
        "--voice",
        action="append",
        metavar="VOICE",
        help="name or file of the voice, which shortens every part; S1=VOICE or NAME=VOICE for one speaker",
    )
    parser.add_argument(
        "--text-frontend",
        choices=("en", "none"),
        help="normalize English text, or leave text of any language unchanged (default: the model's setting)",
    )
    parser.add_argument(
        "--no-normalize", dest="normalize", action="store_false", help="do not spell out numbers and abbreviations"
    )
    add_script_options(parser)
    add_speakers_option(parser)


def _read(arguments: argparse.Namespace) -> int:
    from dia.synthesis.parts.planning import plan_passes, reserved_seconds
    from dia.synthesis.parts.report import report_lines

    source, format = script_source(arguments), _format(arguments.model)
    if arguments.text_frontend is not None:
        format = replace(format, text_frontend=arguments.text_frontend)
    script = parse_source(source, arguments, format.text_frontend)
    voice = _voice_info(arguments.voice or (), script)
    max_seconds = format.pass_seconds - reserved_seconds(script)
    warnings = [*filter(None, [source.remark]), *script.warnings_for(format, voice.seconds)]
    if voice.seconds > max_seconds:
        warnings.append(_SHORTENED_VOICE.format(voice.seconds, max_seconds))
        voice = replace(voice, seconds=max_seconds)
    parts = plan_passes(script, format, voice)
    if arguments.json:
        print(_as_json(script, parts, warnings, format))
    else:
        print("\n".join(report_lines(script, parts, warnings, format)))
    return 0


def _format(source: str | None) -> "PromptFormat":
    """The prompt conventions of the model."""
    from dia.checkpoints.source import local_folder
    from dia.text.prompt_format import PromptFormat

    if (folder := local_folder(source, "generation_config.json")) is not None:
        return PromptFormat.in_folder(folder)
    name = str(source)
    if Path(name).expanduser().exists() or name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise ValueError(f"--model {source}: the folder does not exist. Pass a folder or a Hub id such as owner/name.")
    print(f"dia: {source} is not a local folder; using the prompt format of Dia-1.6B", file=sys.stderr)
    return PromptFormat()


def _voice_info(options: Sequence[str], script: "Script") -> "VoiceInfo":
    """The speakers and duration of the voices, from the metadata in their files."""
    from dia.synthesis.parts.planning import VoiceInfo
    from dia.text.speakers import by_speaker
    from dia.text.tags import SPEAKERS
    from dia.voices.description import describe
    from dia.voices.library import parse_voice_option, voice_file

    given = parse_voice_option(options)
    voices = by_speaker(given, script.names, "--voice") if isinstance(given, dict) else {None: given} if given else {}
    described = {speaker: describe(voice_file(name)) for speaker, name in voices.items()}
    tags = [f"[{speaker}]" if speaker else voice.transcript for speaker, voice in described.items()]
    speakers = frozenset(speaker for speaker in SPEAKERS if any(f"[{speaker}]" in text for text in tags))
    return VoiceInfo(speakers, sum(voice.seconds for voice in described.values()))


def _as_json(script: "Script", parts: "Sequence[Part]", warnings: Sequence[str], format: "PromptFormat") -> str:
    turns = [
        {"speaker": turn.speaker, "shown": turn.shown, "spoken": turn.text, "pause_seconds": turn.pause}
        | ({"cue": asdict(turn.cue)} if turn.cue else {})
        for turn in script.turns
    ]
    spoken = [
        {"spoken": format.end_turns(part.script.spoken), "seconds": round(part.script.seconds, 2)} for part in parts
    ]
    content = {"turns": turns, "names": dict(script.names), "parts": spoken, "warnings": list(warnings)}
    readable = json.dumps(content, ensure_ascii=False, indent=1)
    return readable if _printable(readable) else json.dumps(content, indent=1)


def _printable(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


__all__ = ["add_command"]
