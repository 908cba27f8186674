"""Voices by name: the user's own, in a folder, and those that come with the embedded model.

Knows names and files. Knows nothing of what is in a voice, and imports torch only to load one.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dia import MINI
from dia.runtime.folders import data_folder
from dia.runtime.locks import exclusive_writer
from dia.runtime.spelling import did_you_mean
from dia.voices.description import SUFFIX, describe

if TYPE_CHECKING:
    from dia.voices.voice import Voice

EXAMPLES = MINI / "voices"

_NAME = re.compile(r"\w[\w-]{0,63}")
_PAIR = re.compile(r"(S[12])=(.+)", re.IGNORECASE)


def voices_folder() -> Path:
    """The folder of the user's voices: `$DIA_VOICES`, or dia/voices in the system's folder for user data.

    Raises:
        OSError: neither is known.
    """
    if chosen := os.environ.get("DIA_VOICES"):
        return Path(chosen).expanduser()
    if (folder := data_folder()) is None:
        raise OSError("the user has no home directory to keep voices in; set DIA_VOICES to a folder.")
    return folder / "voices"


def voice_files() -> dict[str, Path]:
    """All voices by name, in order. One of the user's hides an example of the same name."""
    found = {path.stem: path for folder in (EXAMPLES, voices_folder()) for path in folder.glob(f"*{SUFFIX}")}
    return {name: found[name] for name in sorted(found) if _NAME.fullmatch(name)}


def find_voice(given: Any) -> "Voice":
    """A voice from whatever names it.

    Args:
        given: a `Voice`, a name, the path of a file, or {"S1": …, "S2": …} of these, which are joined into one.

    Raises:
        TypeError: it is none of these.
        ValueError: there is no voice of that name, or its file is damaged.
        FileNotFoundError: a path leads to no file.
    """
    from dia.voices.voice import Voice, joined

    if isinstance(given, Voice):
        return given
    if isinstance(given, Mapping):
        return joined({speaker: find_voice(one) for speaker, one in given.items()})
    if not isinstance(given, str | Path):
        raise TypeError(f"voice is {type(given).__name__}; expected a Voice, a name, a path, or S1's and S2's.")
    return Voice.load(voice_file(given))


def voice_file(given: str | Path) -> Path:
    """The file of a voice, by name or path.

    Raises:
        ValueError: there is no voice of that name.
    """
    if isinstance(given, Path) or given.endswith(SUFFIX) or Path(given).parts[1:]:
        return Path(given)
    files = voice_files()
    if given not in files:
        near = did_you_mean(given, files)
        raise ValueError(
            f"there is no voice {given!r}{f'{near} There' if near else '; there'} are: {', '.join(files) or 'none'}. "
            f"Make one: dia voice make {given!r} RECORDING"
        )
    return files[given]


def check_voices(options: Sequence[str]) -> None:
    """Refuse, without loading torch, what `find_voice` refuses for its name or its file.

    Raises:
        ValueError, FileNotFoundError: as these.
    """
    given = parse_voice_option(options)
    for one in given.values() if isinstance(given, dict) else filter(None, [given]):
        describe(voice_file(one))


def parse_voice_option(options: Sequence[str]) -> Any:
    """What `find_voice` takes, from options of a command line: one name or file, or S1=… and S2=…; None for none.

    >>> parse_voice_option(["S1=clara", "S2=bruno"])
    {'S1': 'clara', 'S2': 'bruno'}

    Raises:
        ValueError: a speaker is given twice, or one voice for all stands beside another.
    """
    pairs = [_PAIR.fullmatch(one) for one in options]
    found = {pair[1].upper(): pair[2] for pair in pairs if pair is not None}
    if len(found) < len(options) and len(options) > 1:
        raise ValueError(f"voices are {', '.join(options)}; give one for all, or S1=NAME and S2=NAME.")
    return found or (options[0] if options else None)


def keep_voice(voice: "Voice", name: str, overwrite: bool = False) -> Path:
    """Save a voice under a name, into the user's folder, which is made if need be; returns its path.

    Raises:
        ValueError: it is no name, or there is a voice of that name and `overwrite` is false.
        OSError: it cannot be written.
    """
    path = check_free(name, overwrite)
    with exclusive_writer(path, parents=True):
        check_free(name, overwrite)  # another process may have made one meanwhile
        voice.save(path)
    return path


def check_free(name: str, overwrite: bool = False) -> Path:
    """Where a voice of that name will lie; to be asked before it is made. Raises ValueError as `keep_voice`."""
    path = _place(name)
    if path.exists() and not overwrite:
        raise ValueError(f"there is a voice {name!r} already; choose another name or allow overwriting (--overwrite).")
    return path


def remove_voice(name: str) -> Path:
    """Delete a voice of the user's; returns where it was.

    Raises:
        ValueError: there is none of that name, or it is an example.
        OSError: it cannot be deleted.
    """
    path = _place(name)
    if not path.is_file() and voice_file(name).parent == EXAMPLES:
        raise ValueError(f"{name!r} is an example that comes with the embedded model; it is not removed.")
    path.unlink()
    return path


def _place(name: str) -> Path:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a voice: use letters, digits, - and _, at most 64, no folders.")
    return voices_folder() / f"{name}{SUFFIX}"


__all__ = [
    "EXAMPLES",
    "check_free",
    "check_voices",
    "find_voice",
    "keep_voice",
    "parse_voice_option",
    "remove_voice",
    "voice_file",
    "voice_files",
    "voices_folder",
]
