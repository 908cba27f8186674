"""One request that generates: a thread makes the audio, and asyncio reads it from a bounded buffer.

Independent of protocols: what is read are bytes of an audio format.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dia.audio.dsp.time_stretch import FASTEST, SLOWEST, stretched_stream
from dia.audio.formats.live import LiveEncoder
from dia.audio.watermark.embedding import watermarked_stream
from dia.audio.waveform import Waveform
from dia.serving.errors import Code, ServingError
from dia.serving.limits import SLICE_BYTES
from dia.serving.metrics import Metrics, Playback
from dia.synthesis.parts.joining import Piece
from dia.synthesis.synthesizer import Cancelled

if TYPE_CHECKING:
    from dia.model import Dia
    from dia.synthesis.job import SynthesisJob

_NOTHING = np.zeros(0, np.float32)


class Buffer:
    """Bytes that one thread writes and one task of asyncio reads. Create it in the event loop.

    Args:
        limit: bytes; with more, the writer waits for the reader.
        stall_seconds: how long it waits.
    """

    def __init__(self, limit: int, stall_seconds: float) -> None:
        self._limit, self._stall_seconds, self._size = limit, stall_seconds, 0
        self._parts: deque[memoryview] = deque()
        self._ended = self._closed = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._loop, self._ready = asyncio.get_running_loop(), asyncio.Event()

    def put(self, data: bytes) -> None:
        """Append data, after waiting for room.

        Raises:
            Cancelled: the reader has closed the buffer.
            ServingError: the reader took nothing for too long.
        """
        with self._changed:
            room = self._changed.wait_for(lambda: self._size < self._limit or self._closed, self._stall_seconds)
            if self._closed:
                raise Cancelled("the reader has left.")
            if not room:
                raise ServingError(Code.reader_too_slow, f"nothing was read for {self._stall_seconds:g} s.")
            self._parts.append(memoryview(data))  # so that a slice is not a copy
            self._size += len(data)
        self._wake()

    def end(self, error: BaseException | None = None) -> None:
        """Mark the end. An error is raised after what was written before it."""
        with self._changed:
            self._ended, self._error = True, error
        self._wake()

    def close(self) -> None:
        """Stop: the writer gets `Cancelled`. For the reader."""
        with self._changed:
            self._closed = True
            self._parts.clear()
            self._changed.notify_all()

    async def read(self) -> bytes:
        """What is ready, up to 64 KiB, after waiting for it; b"" at the end. Raises the writer's error.

        It is sent before more is read, so that a slow reader makes room for the writer all the time.
        """
        while True:
            with self._changed:
                if self._parts:
                    return self._take()
                if self._ended:
                    if self._error is not None:
                        raise self._error
                    return b""
                self._ready.clear()
            await self._ready.wait()

    def _take(self) -> bytes:
        """The first 64 KiB, or all if there is less. Call it with the lock."""
        taken, size = list[memoryview](), 0
        while self._parts and size < SLICE_BYTES:
            part = self._parts.popleft()
            if rest := part[SLICE_BYTES - size :]:
                self._parts.appendleft(rest)
            taken.append(part[: SLICE_BYTES - size])
            size += len(taken[-1])
        self._size -= size
        self._changed.notify_all()
        return b"".join(taken)

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody reads any more
            self._loop.call_soon_threadsafe(self._ready.set)


class Generation:
    """Generates a job as bytes of an audio format. Create it in the event loop; `start` it once.

    Args:
        model: the model.
        job: the job, with its seed and without a rate.
        encoder: encodes the audio.
        buffer: receives the bytes.
        speed: relative to the model's.
        metrics: counts audio and times.
        watermark: whether to put an inaudible watermark into the audio.
        asked: the time of the request, as of `time.monotonic`; None for now.

    Attributes:
        pieces: those that are finished, for their times and codes, without their audio.
        seconds: of audio so far, at the speed of the request.
    """

    def __init__(
        self,
        model: "Dia",
        job: "SynthesisJob",
        encoder: LiveEncoder,
        buffer: Buffer,
        speed: float,
        metrics: Metrics,
        watermark: bool = False,
        asked: float | None = None,
    ) -> None:
        self._watermark = watermark
        self._model, self._job, self._encoder, self._speed, self._metrics = model, job, encoder, speed, metrics
        self.buffer, self.pieces, self.seconds = buffer, list[Piece](), 0.0
        self._cancel, self._playback = threading.Event(), Playback()
        self._asked = time.monotonic() if asked is None else asked

    def start(self, executor: Executor, done: Callable[[], None]) -> None:
        """Generate in a thread. `done` is called in the event loop once the thread has finished."""
        work = asyncio.get_running_loop().run_in_executor(executor, self._run)
        work.add_done_callback(lambda _: done())

    def cancel(self) -> None:
        """Stop before the next row. The slot is free then."""
        self._cancel.set()
        self.buffer.close()

    def _run(self) -> None:
        try:
            with closing(self._sound()) as chunks:
                for samples in chunks:
                    if self._cancel.is_set():
                        raise Cancelled("the client has left.")
                    self._emit(samples)
            if not self.seconds:
                raise ServingError(Code.speech_failed, "the model has spoken nothing; try another seed or text.")
            self.buffer.put(self._encoder.finish())
        except BaseException as error:
            cancelled = isinstance(error, Cancelled) or self._cancel.is_set()
            (self._metrics.cancelled if cancelled else self._metrics.failed).inc()
            self.buffer.end(error)
        else:
            self.buffer.end()

    def _emit(self, samples: Waveform) -> None:
        if not len(samples):
            return
        seconds = len(samples) / self._model.sample_rate
        if not self.seconds:
            self._metrics.first_audio.observe(time.monotonic() - self._asked)
        if self._playback.late(seconds):
            self._metrics.underruns.inc()
        self.seconds += seconds
        self._metrics.count_audio(seconds)
        if data := self._encoder.encode(samples):
            self.buffer.put(data)

    def _sound(self) -> Generator[Waveform, None, None]:
        """The audio at the speed of the request, with its watermark."""
        options = self._job.take_options
        checked = options.retries or options.best_of > 1
        sound = _closable(self._checked() if checked else self._streamed())
        for rate in stretches(self._speed):
            sound = stretched_stream(sound, rate, self._model.sample_rate)
        if self._watermark:
            sound = watermarked_stream(sound, self._model.watermarker(self._job.seed))
        return sound

    def _streamed(self) -> Iterator[Waveform]:
        return self._model.stream(self._job, cancel=self._cancel, on_piece=self._keep)

    def _checked(self) -> Iterator[Waveform]:
        """Part by part, since a part with faults is generated again."""
        for piece in self._model.pieces(self._job, cancel=self._cancel):
            self._keep(piece)
            yield piece.audio

    def _keep(self, piece: Piece) -> None:
        self.pieces.append(replace(piece, audio=_NOTHING, take=replace(piece.take, audio=_NOTHING)))


def _closable(chunks: Iterable[Waveform]) -> Generator[Waveform, None, None]:
    yield from chunks


def stretches(speed: float) -> list[float]:
    """The rates of one or two time stretches that together give a speed of 0.25 to 4; none for 1.

    >>> stretches(3.0), stretches(0.5), stretches(1.0)
    ([2.0, 1.5], [0.5], [])
    """
    if speed == 1:
        return []
    if SLOWEST <= speed <= FASTEST:
        return [speed]
    first = FASTEST if speed > 1 else SLOWEST
    return [first, speed / first]


__all__ = ["Buffer", "Generation", "stretches"]
