"""The outputs of `dia say`: checks before the work, a lock during it, and a report of what is kept if it fails."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dia.runtime.files.atomic import check_file, check_not_input, sweep
from dia.runtime.files.locks import exclusive_writer
from dia.runtime.interruption import add_remark
from dia.runtime.standard_streams import is_closed
from dia.synthesis.parts.folder import finished_parts, parts_folder, remove_parts

if TYPE_CHECKING:
    from dia.audio.formats.tags import Tags


def sound_file(arguments: argparse.Namespace) -> Path | None:
    """The audio file to write; None if there is none, or for standard output."""
    return None if arguments.output in (None, "-") else Path(arguments.output)


def check_outputs(arguments: argparse.Namespace) -> None:
    """Reject outputs that cannot be written, before the work starts.

    Raises:
        ValueError, OSError: an output is invalid; the message gives the remedy.
    """
    if arguments.output is None and not arguments.stream:
        raise ValueError("there is no output; pass an audio file with -o, or play the speech with --stream.")
    if arguments.format is not None and arguments.output != "-":
        raise ValueError("--format is only allowed with -o -; for a file, the suffix selects the format.")
    tags = _checked_tags(arguments)
    if arguments.output == "-":
        _check_standard_output()
    files = _files(arguments)
    used: dict[Path, str] = {}
    for option, path in files.items():
        if path is None:
            continue
        place = check_file(path)
        if option == "--output":
            from dia.audio.files import file_format

            file_format(path, tags)
        if (other := used.setdefault(place, option)) != option:
            raise ValueError(f"{other} and {option} are the same file, {path}; use different files.")


def check_inputs_kept(arguments: argparse.Namespace) -> None:
    """Reject an output that would replace the script, the recording or a voice.

    Raises:
        ValueError: an output is one of them.
    """
    from dia.voices.library import files_given

    standard_input = 0
    inputs = {"the script": standard_input if arguments.script == "-" else arguments.script}
    inputs["the recording of --audio-prompt"] = arguments.audio_prompt
    inputs |= {f"the voice {path}": path for path in files_given(arguments.voice or ())}
    for option, path in _files(arguments).items():
        if path is not None:
            check_not_input(path, inputs, option)


def _files(arguments: argparse.Namespace) -> dict[str, Path | None]:
    """The files to write, by option."""
    return {"--output": sound_file(arguments), "--srt": arguments.srt, "--vtt": arguments.vtt}


def metadata(arguments: argparse.Namespace) -> dict[str, str]:
    """The metadata for the audio file."""
    given = {name: getattr(arguments, name) for name in ("title", "artist", "comment")}
    return {name: text for name, text in given.items() if text is not None}


def _checked_tags(arguments: argparse.Namespace) -> "Tags":
    from dia.audio.formats.tags import Tags

    given = metadata(arguments)
    if given and sound_file(arguments) is None:
        raise ValueError(f"--{next(iter(given))} is only allowed with an audio file; pass one with -o.")
    return Tags.of(given)


def _check_standard_output() -> None:
    if is_closed(sys.stdout):
        raise ValueError("standard output is closed; pass an audio file with -o, or redirect: dia say … -o - > a.wav")
    if sys.stdout.isatty():
        raise ValueError("standard output is a terminal; pipe the audio into a player: dia say … -o - | ffplay -")


@contextmanager
def exclusive_output(output: Path | None, others: Sequence[Path] = ()) -> Iterator[None]:
    """Reserve an audio file for this process. If the work fails or is interrupted, report what remains of it.

    Finished parts of a long script are kept so that the same command can resume. If the audio file and `others`, which
    are made of the same parts, are complete, or if there are no parts, their folder is removed.

    Raises:
        BlockingIOError: another process is writing the file.
        OSError: its folder is not writable.
    """
    if output is None:
        yield
        return
    with exclusive_writer(output):
        made = (output, *others)
        before, parts = [_identity(path) for path in made], parts_folder(output)
        for folder in (parts.parent, parts):
            sweep(folder)
        try:
            yield
        except KeyboardInterrupt as interrupt:
            written = [_identity(path) != old for path, old in zip(made, before, strict=True)]
            if all(written):
                remove_parts(parts)
            what = f"{output} is written" if written[0] else "nothing was written"
            add_remark(interrupt, _kept_parts_message(output) or what)
            raise
        except Exception as error:
            kept = _kept_parts_message(output)
            if kept and not isinstance(error, ValueError | TypeError):  # these would occur again on resuming
                add_remark(error, kept)
            raise


def _kept_parts_message(output: Path) -> str:
    """How many finished parts are kept; empty if there are none."""
    folder = parts_folder(output)
    if count := finished_parts(folder):
        parts = "1 finished part is kept" if count == 1 else f"{count} finished parts are kept"
        return f"{parts}; the same command continues from there"
    remove_parts(folder)
    return ""


def _identity(output: Path) -> tuple[int, int] | None:
    """Values that change when the file is replaced."""
    try:
        about = output.stat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns


__all__ = ["check_inputs_kept", "check_outputs", "exclusive_output", "metadata", "sound_file"]
