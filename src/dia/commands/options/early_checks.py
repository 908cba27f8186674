"""Checks of options that need neither a model nor torch: files, voices, devices and model names. Writes no files."""

import argparse
import os
import re
from pathlib import Path

from dia.runtime.files.atomic import check_file
from dia.runtime.files.reading import check_is_file
from dia.runtime.spelling import did_you_mean

# torch's names of device types that can run models.
_DEVICES = ("cpu", "cuda", "mps", "xpu", "hpu", "npu", "mlu", "musa", "mtia", "xla", "hip", "vulkan", "meta")


def check_speech(arguments: argparse.Namespace) -> None:
    """Check the options of `dia say`: voice, recording, device and model.

    Raises:
        ValueError: options conflict, or a name is unknown.
        OSError: a file is missing, there is no sound device, or the model is neither local nor downloadable.
        ImportError: the package for playback is not installed.
    """
    if arguments.voice and (arguments.audio_prompt or arguments.audio_prompt_text):
        raise ValueError(
            "--voice cannot be combined with --audio-prompt or --audio-prompt-text; pass one or the other."
        )
    if arguments.audio_prompt_text and not arguments.audio_prompt:
        raise ValueError("--audio-prompt-text is the transcript of --audio-prompt; pass --audio-prompt too.")
    if arguments.audio_prompt:
        check_recording(Path(arguments.audio_prompt), "--audio-prompt")
    if arguments.voice:
        from dia.voices.library import check_voices

        check_voices(arguments.voice)
    if arguments.stream and arguments.output != "-":
        check_device()
    check_place(arguments)


def check_place(arguments: argparse.Namespace) -> None:
    """Check the options that choose the model and its device.

    Raises:
        ValueError: the device is unknown.
        OSError: the model is neither local nor downloadable.
    """
    kind, _, number = (arguments.device or "cpu").partition(":")
    if kind not in _DEVICES or not re.fullmatch(r"\d*", number):
        raise ValueError(f"--device {arguments.device} is unknown{did_you_mean(kind, _DEVICES) or '.'}")
    check_model(arguments.model)


def check_output(path: Path | None) -> None:
    """Check that an audio file can be written; None is allowed.

    Raises:
        ValueError: the suffix is not an audio format, or the path cannot be a file.
        OSError: the folder does not exist or is not writable.
    """
    if path is not None:
        from dia.audio.files import file_format

        check_file(path)
        file_format(path)


def check_recording(path: Path, option: str = "the recording") -> None:
    """Check that a recording exists and is audio.

    Raises:
        FileNotFoundError: the file does not exist, or is a folder.
        ValueError: the file cannot be read as audio.
    """
    check_is_file(path, option)
    from dia.audio.files import check_readable

    check_readable(path, option)


def check_model(source: str | None) -> None:
    """Check that a model is local or can be downloaded; None is the embedded model.

    If nothing has to be downloaded, disables progress bars for loading.

    Raises:
        OSError: the model is neither local nor downloadable; the message lists local models.
    """
    from dia.checkpoints.source import EMBEDDED, check_checkpoint

    if check_checkpoint(EMBEDDED if source is None else source) and "HF_HUB_DISABLE_PROGRESS_BARS" not in os.environ:
        from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

        disable_progress_bars()  # also for transformers, which is imported later


def check_device() -> None:
    """Check that there is a sound device.

    Raises:
        ImportError: the package for playback is not installed; the message has the install command.
        OSError: there is no sound device.
    """
    from dia.audio import playback

    playback.check_device()


__all__ = ["check_device", "check_model", "check_output", "check_place", "check_recording", "check_speech"]
