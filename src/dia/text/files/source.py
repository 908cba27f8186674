"""Read a script from an argument, a text file or standard input. Independent of the script's syntax."""

import os
import re
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dia.text.files.decoding import decoded
from dia.text.files.suffixes import KNOWN_SUFFIXES, format_of
from dia.text.markup.formats import TextFormat
from dia.text.tags import PAUSE_MARK, SPEAKER_TAG

LARGEST_BYTES = 16 * 2**20  # twelve days of speech; a novel has less than 4 MB
_LONGEST_NAME, _LONGEST_PATH = 255, 4095  # bytes of one name and of a whole path, the limits of file systems

_PATH_BEGINNING = re.compile(r"(?:~|\.{1,2})?/\S|(?:\.{1,2}\\|\\\\)\S|[A-Za-z]:[\\/]")
_JOINED = re.compile(r"[/\\]|[^\W_]_+[^\W_]")
_FILE_SUFFIX = re.compile(r"[^.]\.[A-Za-z][A-Za-z0-9]{1,3}$")
_KNOWN_SUFFIX = re.compile(
    r"[^.\s]\.(?:txt|text|md|markdown|rst|srt|vtt|fountain|csv|tsv|jsonl?|ya?ml|xml|x?html?|tex|log|docx?|odt|rtf|pdf|epub|mobi"
    r"|pages|pptx?|xlsx?|wav|mp3|flac|ogg|oga|opus|m4a|aac|aiff?|webm|mp4|png|jpe?g|gif|zip|gz|safetensors)$",
    re.IGNORECASE,
)
_LONGEST_FILE_NAME = 5  # words; longer text that ends like a file name is a sentence about a file


@dataclass(frozen=True)
class ScriptSource:
    """A script as it was given.

    Attributes:
        text: the script.
        text_format: how it is written.
        name: the file or "standard input"; empty for a script that is the argument itself.
        remark: a fact about its encoding, with a remedy; empty if there is nothing to say.
    """

    text: str
    text_format: TextFormat = "plain"
    name: str = ""
    remark: str = ""


def script_text(given: str, text_format: TextFormat | None = None, encoding: str | None = None) -> ScriptSource:
    """The script that an argument refers to: the content of a file, or the argument itself.

    `-` is standard input. An existing file is read. An argument that looks like a path or a file name but does not
    exist is an error. Everything else is the script itself.

    Args:
        given: the argument.
        text_format: by default the format of the file's suffix, or "plain".
        encoding: by default Unicode, or detected.

    Raises:
        ValueError: the file does not exist, is a folder, too large, not text, or of an unknown format. The message
            explains how to speak the argument itself. Or an encoding is given for the argument itself.
        OSError: the file cannot be read.
    """
    if given == "-":
        return read_script("-", text_format, encoding)
    if not _may_be_a_path(given):
        return _itself(given, text_format, encoding)
    try:
        found = os.stat(given)
    except (FileNotFoundError, NotADirectoryError):
        found = None
    except OSError as error:
        if _looks_like_a_path(given):
            raise OSError(f"{given} cannot be read: {error.strerror}. {_to_speak(given)}") from error
        found = None
    if found is not None:
        if stat.S_ISDIR(found.st_mode):
            raise ValueError(f"{given} is a folder; give the path of a file. {_to_speak(given)}")
        return read_script(given, text_format, encoding)
    if _looks_like_a_path(given):
        raise ValueError(
            f"the file {given} does not exist; check its name and folder. Scripts are read from {KNOWN_SUFFIXES}. "
            f"{_to_speak(given)}"
        )
    return _itself(given, text_format, encoding)


def _itself(given: str, text_format: TextFormat | None, encoding: str | None) -> ScriptSource:
    if encoding is not None:
        raise ValueError("an encoding was chosen, but the script is the argument itself. Omit it, or give a file.")
    return ScriptSource(given, text_format or "plain")


def read_script(path: str | Path, text_format: TextFormat | None = None, encoding: str | None = None) -> ScriptSource:
    """Read a script from a file, or from standard input for `-`.

    If standard input is a terminal, a message on standard error explains how to end the input.

    Args:
        path: the file.
        text_format: by default the format of the file's suffix, or "plain".
        encoding: by default UTF-8, or UTF-16 with a byte order mark; any other is detected.

    Raises:
        ValueError: the file is not text, is larger than `LARGEST_BYTES`, of an unknown format, or in an encoding that
            cannot be detected.
        OSError: the file cannot be read.
    """
    if str(path) != "-":
        with open(path, "rb") as file:
            content = decoded(_limited(file, str(path)), str(path), encoding)
        return ScriptSource(content.text, text_format or format_of(str(path)), str(path), content.remark)
    name = "standard input"
    if sys.stdin is None:
        raise ValueError(f"{name} is closed. Give a file or the script itself as the argument.")
    source = getattr(sys.stdin, "buffer", None)
    if source is None:  # replaced, for example by io.StringIO
        return ScriptSource(str(sys.stdin.read()), text_format or "plain", name)
    if sys.stdin.isatty():
        end = "Ctrl-Z and Enter" if os.name == "nt" else "Ctrl-D"
        print(f"dia: type the script, then press {end} on an empty line", file=sys.stderr)
    content = decoded(_limited(source, name), name, encoding)
    return ScriptSource(content.text, text_format or "plain", name, content.remark)


def _may_be_a_path(given: str) -> bool:
    """Whether a file system accepts it as a path."""
    if not given.strip() or any(character in given for character in "\n\r\0"):
        return False
    if SPEAKER_TAG.search(given) or PAUSE_MARK.search(given):
        return False
    try:
        encoded = os.fsencode(given)
    except UnicodeEncodeError:
        return False
    names = re.split(rb"[/\\]" if os.name == "nt" else b"/", encoded)
    return len(encoded) <= _LONGEST_PATH and max(map(len, names)) <= _LONGEST_NAME


def _looks_like_a_path(given: str) -> bool:
    """Whether it is probably meant as a path."""
    if _PATH_BEGINNING.match(given):
        return True
    words = given.split()
    if len(words) > 1:
        return len(words) <= _LONGEST_FILE_NAME and _KNOWN_SUFFIX.search(given) is not None
    kinds = (_JOINED, _FILE_SUFFIX, _KNOWN_SUFFIX)
    return any(character.isalpha() for character in given) and any(kind.search(given) for kind in kinds)


def _to_speak(given: str) -> str:
    return f"To speak these words themselves, start with a speaker tag: '[S1] {given}'"


def _limited(file: BinaryIO, name: str) -> bytes:
    content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise ValueError(
            f"{name} is larger than {LARGEST_BYTES >> 20} MB, which is days of speech. Split it into several scripts."
        )
    return content


__all__ = ["LARGEST_BYTES", "ScriptSource", "read_script", "script_text"]
