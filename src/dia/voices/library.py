"""Find, save and remove voices by name: the user's own and the examples of the embedded model.

Independent of the contents of a voice; imports torch only to load one.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dia import MINI
from dia.runtime.files.folders import data_folder
from dia.runtime.files.locks import exclusive_writer
from dia.runtime.spelling import did_you_mean
from dia.text.tags import SPEAKERS
from dia.voices.description import SUFFIX, describe

if TYPE_CHECKING:
    from dia.voices.voice import Voice

EXAMPLES = MINI / "voices"

_NAME = re.compile(r"\w[\w-]{0,63}")
_PAIR = re.compile(r"([^=/\\]{1,80})=(.+)")


def voices_folder() -> Path:
    """The folder of the user's voices: `$DIA_VOICES`, or dia/voices in the system's folder for user data.

    Raises:
        OSError: DIA_VOICES is not set and the user has no home directory.
    """
    if chosen := os.environ.get("DIA_VOICES"):
        return Path(chosen).expanduser()
    if (folder := data_folder()) is None:
        raise OSError("there is no home directory to store voices in; set DIA_VOICES to a folder.")
    return folder / "voices"


def voice_files() -> dict[str, Path]:
    """All voices, sorted by name. A voice of the user takes precedence over an example with the same name."""
    found = {path.stem: path for folder in (EXAMPLES, voices_folder()) for path in folder.glob(f"*{SUFFIX}")}
    return {name: found[name] for name in sorted(found) if _NAME.fullmatch(name)}


def find_voice(given: Any) -> "Voice":
    """Load a voice by name or path.

    Args:
        given: a `Voice`, a name, the path of a file, or a dict {"S1": …, "S2": …} of these, which are joined.

    Raises:
        TypeError: `given` has another type.
        ValueError: the name is unknown, or the file is damaged.
        FileNotFoundError: the file does not exist.
    """
    from dia.voices.voice import Voice, joined

    if isinstance(given, Voice):
        return given
    if isinstance(given, Mapping):
        return joined({speaker: find_voice(one) for speaker, one in given.items()})
    if not isinstance(given, str | Path):
        raise TypeError(
            f"voice is {type(given).__name__}; expected a Voice, a name, a path, or a dict of these for S1 and S2."
        )
    return Voice.load(voice_file(given))


def voice_file(given: str | Path) -> Path:
    """The path of a voice's file, from its name or path.

    Raises:
        ValueError: the name is unknown.
    """
    if isinstance(given, Path) or given.endswith(SUFFIX) or Path(given).parts[1:]:
        return Path(given)
    files = voice_files()
    if given not in files:
        name = given if _NAME.fullmatch(given) else "NAME"
        raise ValueError(
            f"there is no voice {given!r}{did_you_mean(given, files) or '.'} Choose one of these "
            f"({', '.join(files) or 'none'}), or make one: dia voice make {name} RECORDING "
            f"--transcript TEXT --consent STATEMENT"
        )
    return files[given]


def check_voices(options: Sequence[str]) -> None:
    """Check the names and files of voice options without loading torch.

    Raises:
        ValueError, FileNotFoundError: as `find_voice`.
    """
    for path in files_given(options):
        describe(path)


def files_given(options: Sequence[str]) -> list[Path]:
    """The files of voice options. Raises ValueError as `find_voice`."""
    given = parse_voice_option(options)
    return [voice_file(one) for one in (given.values() if isinstance(given, dict) else filter(None, [given]))]


def parse_voice_option(options: Sequence[str]) -> Any:
    """Convert command line options to an argument of `find_voice`: a name or file, or S1=… and S2=…; None for none.

    Names of the script are allowed in place of S1 and S2. A path that contains `=` needs a folder: `./a=b`.

    >>> parse_voice_option(["S1=clara", "S2=bruno"])
    {'S1': 'clara', 'S2': 'bruno'}

    Raises:
        ValueError: a speaker is given twice, or a voice for all is combined with another.
    """
    pairs = [_PAIR.fullmatch(one) for one in options]
    found = {_speaker(pair[1]): pair[2] for pair in pairs if pair is not None}
    if len(found) < len(options) and len(options) > 1:
        raise ValueError(f"voice is {', '.join(options)}; pass one voice for all, or S1=VOICE and S2=VOICE.")
    return found or (options[0] if options else None)


def _speaker(written: str) -> str:
    return written.upper() if written.upper() in SPEAKERS else written


def keep_voice(voice: "Voice", name: str, overwrite: bool = False) -> Path:
    """Save a voice under a name in the user's folder, creating the folder if necessary. Returns the path.

    Raises:
        ValueError: the name is invalid, or a voice of that name exists and `overwrite` is false.
        OSError: the file cannot be written.
    """
    path = check_free(name, overwrite)
    with exclusive_writer(path, parents=True):
        check_free(name, overwrite)  # another process may have written one in the meantime
        voice.save(path)
    return path


def check_free(name: str, overwrite: bool = False) -> Path:
    """Check that a voice can be saved under a name, and return its path. Raises ValueError as `keep_voice`."""
    path = _path(name)
    if path.exists() and not overwrite:
        raise ValueError(f"a voice {name!r} already exists; choose another name or allow overwriting (--overwrite).")
    return path


def remove_voice(name: str) -> Path:
    """Delete a voice of the user, and return the path that it had.

    Raises:
        ValueError: the name is unknown, or belongs to an example.
        OSError: the file cannot be deleted.
    """
    path = _path(name)
    if not path.is_file() and voice_file(name).parent == EXAMPLES:
        raise ValueError(f"{name!r} is an example voice of the embedded model and cannot be removed.")
    path.unlink()
    return path


def _path(name: str) -> Path:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a valid voice name. Use at most 64 letters, digits, - and _.")
    return voices_folder() / f"{name}{SUFFIX}"


__all__ = [
    "EXAMPLES",
    "check_free",
    "check_voices",
    "files_given",
    "find_voice",
    "keep_voice",
    "parse_voice_option",
    "remove_voice",
    "voice_file",
    "voice_files",
    "voices_folder",
]
