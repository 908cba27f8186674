"""What can be seen to be wrong with a command to speak before a model is loaded, and before torch is imported.

Knows arguments, files, names of devices and models. Opens nothing for writing.
"""

import argparse
import os
import re
from pathlib import Path

from dia.runtime.files.atomic import check_file
from dia.runtime.spelling import did_you_mean

# The names that torch gives to kinds of devices, as far as models run on them.
_DEVICES = ("cpu", "cuda", "mps", "xpu", "hpu", "npu", "mlu", "musa", "mtia", "xla", "hip", "vulkan", "meta")


def check_speech(arguments: argparse.Namespace) -> None:
    """Refuse a voice, a recording, a device or a model of `dia say` that is not there.

    Raises:
        ValueError: options exclude each other, or a name is not known.
        OSError: a file is missing, nothing plays, or the model is not here and cannot be fetched.
        ImportError: what plays is not installed.
    """
    if arguments.voice and (arguments.audio_prompt or arguments.audio_prompt_text):
        raise ValueError("--voice brings a recording and its text; leave --audio-prompt and --audio-prompt-text out.")
    if arguments.audio_prompt_text and not arguments.audio_prompt:
        raise ValueError("--audio-prompt-text says what is said in a recording; name it with --audio-prompt.")
    if arguments.audio_prompt:
        check_recording(Path(arguments.audio_prompt), "--audio-prompt")
    if arguments.voice:
        from dia.voices.library import check_voices

        check_voices(arguments.voice)
    if arguments.stream and arguments.output != "-":
        check_device()
    kind, _, number = (arguments.device or "cpu").partition(":")
    if kind not in _DEVICES or not re.fullmatch(r"\d*", number):
        raise ValueError(f"--device {arguments.device} is not known{did_you_mean(kind, _DEVICES) or '.'}")
    check_model(arguments.model)


def check_output(path: Path | None) -> None:
    """Refuse a sound file that could not be written; None is none.

    Raises:
        ValueError: its suffix names no format, or it is no place for a file.
        OSError: its folder does not exist, or may not be written to.
    """
    if path is not None:
        from dia.audio.files import file_format

        check_file(path)
        file_format(path)


def check_recording(path: Path, option: str = "the recording") -> None:
    """Refuse a recording that is not there, or is no sound.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be read as sound.
    """
    if not path.is_file():
        what = "a folder, and no sound" if path.is_dir() else "not there"
        raise FileNotFoundError(f"{option}: {path} is {what}; name a sound file.")
    from dia.audio.files import check_readable

    check_readable(path, option)


def check_model(source: str | None) -> None:
    """Refuse a model that is not here and cannot be fetched; None is the embedded one.

    Where nothing has to be fetched, loading shows no bars: the only one is that of the speech.

    Raises:
        OSError: it is such a model; the message names what is here.
    """
    from dia.checkpoints.source import EMBEDDED, check_checkpoint

    if check_checkpoint(source or EMBEDDED) and "HF_HUB_DISABLE_PROGRESS_BARS" not in os.environ:
        from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

        disable_progress_bars()  # those of transformers, too, which is imported later


def check_device() -> None:
    """Refuse to play where nothing plays.

    Raises:
        ImportError: what plays is not installed; the message says how to.
        OSError: there is no sound device.
    """
    from dia.audio import playback

    playback.check_device()


__all__ = ["check_device", "check_model", "check_output", "check_recording", "check_speech"]
