"""Sound while it is being generated. Knows delays, windows and threads; model and codec stay what they are.

streamer = DiaAudioStreamer(processor)
Thread(target=model.generate, kwargs={**inputs, "streamer": streamer}).start()
for samples in streamer:
    play(samples)

A frame is whole when its last channel has come, the longest delay after its first, and certain to sound as it does
when the codec has seen as many frames after it as its layers look ahead:

    rows       |---- first window ----|-- context --|-- delay --|
    sound      |--- the first chunk --|---- the second, longer ----|-- …
"""

import math
from collections.abc import Iterator
from queue import Empty, Queue
from threading import Event

import torch
from torch import Tensor
from transformers.generation.streamers import BaseStreamer

from dia.codec import dac as codec
from dia.decoding.delay import undelay
from dia.processing_dia import DiaProcessor
from dia.runtime.limits import WAIT_SECONDS, WINDOW_FRAMES

_FIRST, _MOST = 0.1, 1.0  # seconds of sound in the first window and in the largest
_GROWTH = 1.5  # from one window to the next: who speaks in two thirds of real time or less is never late


class DiaAudioStreamer(BaseStreamer):
    """Collects the rows of one clip, decodes them window by window, and is iterated over, usually in another thread.

    The chunks, float32 tensors [N], joined are sample for sample what `DiaProcessor.decode` makes of the whole grid.
    An error of the generating thread is raised by the iteration. Whoever leaves a `for` loop over the streamer before
    its end, by whatever way, closes it; `next(streamer)` takes a single chunk and leaves it open.

    Args:
        processor: has the codec and the delay pattern.
        first_frames: frames of the first window, by default 0.1 s; fewer are heard sooner.
        most_frames: frames that later windows grow to, by default 1 s; more mean less work.
        timeout: seconds to wait for the next chunk; None waits for ever.

    Attributes:
        cancel: an optional event; once it is set, `generate` stops at the next row.

    Raises:
        TypeError: a number is none.
        ValueError: the processor has no codec, or a number is out of range; from `put`, more than one clip is
            generated, or a second call is made with the same streamer.
    """

    def __init__(
        self,
        processor: DiaProcessor,
        first_frames: int | None = None,
        most_frames: int | None = None,
        timeout: float | None = None,
    ) -> None:
        if processor.audio_tokenizer is None:
            raise ValueError("the processor has no codec to make sound with; load it with its audio_tokenizer.")
        first = _frames(first_frames, _FIRST * processor.frame_rate, "first_frames")
        most = _frames(most_frames, max(_MOST * processor.frame_rate, first), "most_frames")
        if most < first:
            raise ValueError(f"most_frames={most} is less than first_frames={first}; windows grow.")
        self.timeout = seconds(timeout)
        self.cancel: Event | None = None
        self._samples = codec.ClipStream(processor.audio_tokenizer, processor.codec_dtype)
        self._pattern, self._eos = processor.delay_pattern, processor.eos_token_id
        self._window, self._most = float(first), float(most)
        self._ahead = codec.decode_context(processor.audio_tokenizer)[1]  # frames the codec waits for
        self._rows: list[Tensor] = []  # from frame `_read` on
        self._read = 0
        self._stop: int | None = None  # the frame before which the speech ends
        self._begun = self._over = self._closed = self._drained = False
        self._chunks: Queue[Tensor | BaseException | None] = Queue()

    @property
    def closed(self) -> bool:
        """Whether nobody listens any more; `generate` stops at the next row."""
        return self._closed or (self.cancel is not None and self.cancel.is_set())

    def put(self, value: Tensor) -> None:
        """Take the prompt's grid [1, R, C] first, which is not heard, then one row [1, C] after another."""
        if self._over:
            raise ValueError("this DiaAudioStreamer has played its clip; make one for every call.")
        if value.shape[0] != 1:
            raise ValueError(f"a DiaAudioStreamer plays one clip; {value.shape[0]} are being generated.")
        if self._begun and not self._closed:
            self._take(value[0])
        self._begun = True

    def fail(self, error: BaseException) -> None:
        """Let the iteration raise `error` after the chunks that are made already."""
        if not self._over:
            self._over = True
            self._chunks.put(None if self._closed else error)

    def end(self) -> None:
        """Decode the remaining rows and end the iteration, whatever happens: a consumer waits for the end."""
        if self._over:
            return
        try:
            if not self._closed and self._whole() > 0:
                self._decode(self._whole() - self._read, last=True)
        except BaseException as error:
            self.fail(error)
            raise
        self._over = True
        self._chunks.put(None)

    def close(self) -> None:
        """Stop listening, from any thread: the iteration ends at once, the generation at its next row."""
        self._closed = True
        self._chunks.put(None)

    def __iter__(self) -> Iterator[Tensor]:
        try:
            while (chunk := next(self, None)) is not None:
                yield chunk
        finally:
            self.close()

    def __next__(self) -> Tensor:
        """The next chunk [N].

        Raises:
            TimeoutError: it did not come in time.
            StopIteration: there is none.
        """
        if self._closed or self._drained:
            raise StopIteration
        try:
            chunk = self._chunks.get(timeout=self.timeout)
        except Empty:
            raise TimeoutError(
                f"no sound has come for {self.timeout} s; wait longer, or look what holds it up."
            ) from None
        if isinstance(chunk, Tensor):
            return chunk
        self._drained = True
        try:
            raise chunk or StopIteration
        finally:
            del chunk  # an error that is held by its own traceback is freed late

    def _take(self, row: Tensor) -> None:
        self._rows.append(row)
        if self._stop is None and int(row[0]) == self._eos:
            self._stop = self._read + len(self._rows) - 1
        waiting = self._whole() - self._read
        if waiting >= int(self._window) + (0 if self._read else self._ahead):
            self._decode(waiting)
            self._window = min(self._window * _GROWTH, self._most)

    def _whole(self) -> int:
        """One past the last frame whose every channel is there."""
        whole = self._read + len(self._rows) - max(self._pattern)
        return whole if self._stop is None else min(whole, self._stop)

    def _decode(self, frames: int, last: bool = False) -> None:
        """Read the next frames; what they make certain is a chunk."""
        grid = torch.stack(self._rows[: frames + max(self._pattern)])[None]
        chunk = self._samples.push(undelay(grid, self._pattern)[0], last).cpu()
        del self._rows[:frames]
        self._read += frames
        if len(chunk):
            self._chunks.put(chunk)


def _frames(given: int | None, default: float, name: str) -> int:
    if given is None:
        return math.ceil(default)
    WINDOW_FRAMES.check(name, given)
    return given


def seconds(timeout: float | None) -> float | None:
    """A timeout as it was given.

    Raises:
        TypeError, ValueError: it is no length of time.
    """
    if timeout is not None:
        WAIT_SECONDS.check("timeout", timeout)
    return timeout


__all__ = ["DiaAudioStreamer", "seconds"]
