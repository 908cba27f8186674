"""Show progress in ComfyUI and stop when the user interrupts a run. Outside ComfyUI both are left out."""

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

from dia.audio.waveform import Waveform

_STEPS = 10  # of the progress bar in a second of speech


def watched(chunks: Iterable[Waveform], rate: int, seconds: float) -> Iterator[Waveform]:
    """Yield chunks of audio, with a progress bar. After an interruption the next chunk raises an exception.

    Args:
        chunks: audio, [N] each.
        rate: Hz.
        seconds: the estimated length of all chunks.

    Raises:
        comfy.model_management.InterruptProcessingException: the user interrupts the run.
    """
    check = _of_comfy("model_management", "throw_exception_if_processing_interrupted")
    make_bar, total, samples = _of_comfy("utils", "ProgressBar"), max(1, round(_STEPS * seconds)), 0
    bar = make_bar and make_bar(total)
    for chunk in chunks:
        if check:
            check()
        samples += len(chunk)
        if bar:
            bar.update_absolute(min(total, _STEPS * samples // rate), total)
        yield chunk


def _of_comfy(module: str, name: str) -> Any:
    """A name of ComfyUI; None outside it."""
    try:
        return getattr(import_module(f"comfy.{module}"), name, None)
    except ImportError:
        return None


__all__ = ["watched"]
