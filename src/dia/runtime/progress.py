"""A progress bar for speech, in frames and seconds. Knows streamers, nothing of what is said."""

from typing import Any

from torch import Tensor
from tqdm import tqdm
from transformers.generation.streamers import BaseStreamer


class Progress(BaseStreamer):
    """A streamer that draws a bar on standard error if that is a terminal; the total is not known before the end.

    Args:
        frame_rate: frames per second.
    """

    def __init__(self, frame_rate: float) -> None:
        self._bar: Any = None
        self._frame_rate = frame_rate

    def put(self, value: Tensor) -> None:
        """Count one row; the prompt's grid, which comes first, begins the bar."""
        if self._bar is None:
            self._bar = tqdm(unit=" frames", desc="speaking", leave=False, disable=None)
            return
        self._bar.update()
        if self._bar.n % 16 == 0:
            self._bar.set_postfix_str(f"{self._bar.n / self._frame_rate:.1f} s of speech")

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


__all__ = ["Progress"]
