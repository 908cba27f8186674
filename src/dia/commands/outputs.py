"""Where `dia say` writes to: what is refused before the work, and what is left of it when it is interrupted."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dia.runtime.files.atomic import check_file, sweep
from dia.runtime.files.locks import exclusive_writer
from dia.runtime.interruption import add_remark
from dia.runtime.standard_streams import is_closed
from dia.synthesis.parts.folder import finished_parts, parts_folder, remove_parts


def sound_file(arguments: argparse.Namespace) -> Path | None:
    """The sound file to write; None for standard output or none."""
    return None if arguments.output in (None, "-") else Path(arguments.output)


def check_places(arguments: argparse.Namespace) -> None:
    """Refuse before the work what could not be written after it.

    Raises:
        ValueError, OSError: the message says what, and what to do.
    """
    if arguments.output is None and not arguments.stream:
        raise ValueError("name a sound file with -o, or hear it with --stream.")
    if arguments.format is not None and arguments.output != "-":
        raise ValueError("--format is for -o -; the suffix of a file says its format.")
    if arguments.output == "-":
        _check_standard_output()
    files = {"--output": sound_file(arguments), "--srt": arguments.srt, "--vtt": arguments.vtt}
    taken: dict[Path, str] = {}
    for option, path in files.items():
        if path is None:
            continue
        place = check_file(path)
        if option == "--output":
            from dia.audio.files import file_format

            file_format(path)
        if (other := taken.setdefault(place, option)) != option:
            raise ValueError(f"{other} and {option} are the same file, {path}; name two.")


def _check_standard_output() -> None:
    if is_closed(sys.stdout):
        raise ValueError("standard output is closed; name a sound file with -o, or redirect: dia say … -o - > a.wav")
    if sys.stdout.isatty():
        raise ValueError("standard output is a terminal; pipe it into a player: dia say … -o - | ffplay -")


@contextmanager
def only_command_for(output: Path | None) -> Iterator[None]:
    """Write a sound file as the only process; where the work fails or is interrupted, report what remains of it.

    Finished parts of a long script stay, for the same command to continue; a folder without any is removed.

    Raises:
        BlockingIOError: another process writes the file.
        OSError: its folder may not be written to.
    """
    if output is None:
        yield
        return
    with exclusive_writer(output):
        before, parts = _identity(output), parts_folder(output)
        for folder in (parts.parent, parts):
            sweep(folder)
        try:
            yield
        except KeyboardInterrupt as interrupt:
            written = _identity(output) != before
            add_remark(interrupt, _left(output) or (f"{output} is written" if written else "nothing was written"))
            raise
        except Exception as error:
            left = _left(output)
            if left and not isinstance(error, ValueError | TypeError):  # which the same command would meet again
                add_remark(error, left)
            raise


def _left(output: Path) -> str:
    """What is kept of an unfinished speech; empty where nothing is."""
    folder = parts_folder(output)
    if count := finished_parts(folder):
        parts = "1 finished part is kept" if count == 1 else f"{count} finished parts are kept"
        return f"{parts}; the same command continues from there"
    remove_parts(folder)
    return ""


def _identity(output: Path) -> tuple[int, int] | None:
    """Tells a file from the one that replaces it."""
    try:
        about = output.stat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns


__all__ = ["check_places", "only_command_for", "sound_file"]
