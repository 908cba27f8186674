"""Read a script from an argument, a text file or standard input. Independent of the script's syntax."""

import codecs
import os
import re
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from dia.text.tags import PAUSE_MARK, SPEAKER_TAG

LARGEST_BYTES = 16 * 2**20  # twelve days of speech; a novel has less than 4 MB
_LONGEST_NAME, _LONGEST_PATH = 255, 4095  # bytes of one name and of a whole path, the limits of file systems

_PATH_BEGINNING = re.compile(r"(?:~|\.{1,2})?/\S|(?:\.{1,2}\\|\\\\)\S|[A-Za-z]:[\\/]")
_JOINED = re.compile(r"[/\\]|[^\W_]_+[^\W_]")
_FILE_SUFFIX = re.compile(r"[^.]\.[A-Za-z][A-Za-z0-9]{1,3}$")
_KNOWN_SUFFIX = re.compile(
    r"[^.\s]\.(?:txt|text|md|markdown|rst|srt|vtt|csv|tsv|jsonl?|ya?ml|xml|html?|tex|log|docx?|odt|rtf|pdf|epub|mobi"
    r"|pages|pptx?|xlsx?|wav|mp3|flac|ogg|oga|opus|m4a|aac|aiff?|webm|mp4|png|jpe?g|gif|zip|gz|safetensors)$",
    re.IGNORECASE,
)
_LONGEST_FILE_NAME = 5  # words; longer text that ends like a file name is a sentence about a file
_KINDS = (  # the first bytes of common binary files
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive, such as .docx, .odt or .epub"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"{\\rtf", "an RTF document"),
    (b"RIFF", "a recording"),
    (b"ID3", "a recording"),
    (b"OggS", "a recording"),
    (b"fLaC", "a recording"),
    (b"FORM", "a recording"),
    (b"\x1aE\xdf\xa3", "a recording"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
)
_REMEDY = "Save the script as plain text, such as .txt or .md, in UTF-8 (or UTF-16 with a byte order mark)"


def script_text(given: str) -> str:
    """The script that an argument refers to: the content of a file, or the argument itself.

    `-` is standard input. An existing file is read. An argument that looks like a path or a file name but does not
    exist is an error. Everything else is the script itself.

    Raises:
        ValueError: the file does not exist, is a folder, too large, or not text. The message explains how to speak the
            argument itself.
        OSError: the file cannot be read.
    """
    if given == "-":
        return read_script("-")
    if not _may_be_a_path(given):
        return given
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
        return read_script(given)
    if _looks_like_a_path(given):
        raise ValueError(f"the file {given} does not exist; check its name and folder. {_to_speak(given)}")
    return given


def read_script(path: str | Path) -> str:
    """Read a script from a file, or from standard input for `-`.

    The encoding is UTF-8 with or without a byte order mark, or UTF-16 with one. If standard input is a terminal, a
    message on standard error explains how to end the input.

    Raises:
        ValueError: the file is not text, is larger than `LARGEST_BYTES`, or has another encoding; the message then
            gives the position of the first invalid byte.
        OSError: the file cannot be read.
    """
    if str(path) != "-":
        with open(path, "rb") as file:
            return _text(_limited(file, str(path)), str(path))
    if sys.stdin is None:
        raise ValueError("standard input is closed. Give a file or the script itself as the argument.")
    source = getattr(sys.stdin, "buffer", None)
    if source is None:  # replaced, for example by io.StringIO
        return str(sys.stdin.read())
    if sys.stdin.isatty():
        end = "Ctrl-Z and Enter" if os.name == "nt" else "Ctrl-D"
        print(f"dia: type the script, then press {end} on an empty line", file=sys.stderr)
    return _text(_limited(source, "standard input"), "standard input")


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


def _text(content: bytes, name: str) -> str:
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    kind = next((kind for beginning, kind in _KINDS if content.startswith(beginning)), None)
    if kind is None and encoding != "utf-16" and b"\0" in content:
        kind = "not text: it contains zero bytes"
    if kind is not None:
        raise ValueError(f"{name} is {kind}. {_REMEDY}.")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name} is not {error.encoding.upper()}: byte {error.start} is 0x{content[error.start]:02X}. {_REMEDY}."
        ) from None


__all__ = ["LARGEST_BYTES", "read_script", "script_text"]
