"""The options of commands that read a script, and how its errors name the file."""

import argparse
from typing import TYPE_CHECKING, Any

from dia.commands.options.speakers import speakers_given
from dia.text.markup.formats import TEXT_FORMATS

if TYPE_CHECKING:
    from dia.text.files.source import ScriptSource
    from dia.text.prompt_format import Frontend
    from dia.text.script import Script


def add_script_options(parser: Any) -> None:
    """Add the options for script files to `dia say` and `dia read`."""
    group = parser.add_argument_group("script files (.txt, .md, .html, .srt, .vtt, .fountain)")
    group.add_argument(
        "--text-format", choices=TEXT_FORMATS, help="how the script is written (default: by the suffix of the file)"
    )
    group.add_argument(
        "--encoding", metavar="NAME", help="encoding of the file, such as cp1252 (default: UTF-8, or detected)"
    )
    group.add_argument(
        "--keep-timing",
        action="store_true",
        help="speak each cue of subtitles at its time, faster where it would not fit",
    )


def script_source(arguments: argparse.Namespace) -> "ScriptSource":
    """The script of a command, not yet parsed."""
    from dia.text.files.source import script_text

    return script_text(arguments.script, arguments.text_format, arguments.encoding)


def parse_source(source: "ScriptSource", arguments: argparse.Namespace, frontend: "Frontend") -> "Script":
    """Parse the script of a command. An error about a line names the file, too."""
    from dia.text.formats.lines import FormatError
    from dia.text.script import parse

    try:
        return parse(
            source.text,
            frontend=frontend,
            normalize=arguments.normalize,
            speakers=speakers_given(arguments.speakers),
            text_format=source.text_format,
            keep_timing=arguments.keep_timing,
        )
    except FormatError as error:
        raise ValueError(f"{source.name or 'the script'}, {error}") from None


__all__ = ["add_script_options", "parse_source", "script_source"]
