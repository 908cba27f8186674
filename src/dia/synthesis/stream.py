"""Stream a single pass: generate in a thread and yield audio as it is made. Independent of scripts."""

import math
from collections.abc import Callable, Generator, Mapping
from functools import partial
from threading import Thread
from typing import Any
from weakref import WeakKeyDictionary, finalize

from torch import Tensor
from transformers import DacModel

from dia.audio.waveform import Waveform
from dia.decoding.step.sampler import PlainLoopNeeded
from dia.runtime.forks import after_fork
from dia.runtime.resources.threads import join, start
from dia.runtime.worker import Worker
from dia.streaming import DiaAudioStreamer
from dia.synthesis.synthesizer import PassResult, Synthesizer

_NO_SETTINGS: Mapping[str, Any] = {}
_small: "WeakKeyDictionary[DacModel, bool]" = WeakKeyDictionary()
_SMALL_CODEC = 10_000_000  # parameters; a smaller codec is not faster with several threads
# They decode the rows of all streams, of small codecs and of others.
_workers = {small: Worker("dia.codec", alone=small) for small in (True, False)}


def stream(
    synthesizer: Synthesizer,
    text: str,
    prompt: Tensor | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] = _NO_SETTINGS,
    timeout: float | None = None,
    first_seconds: float | None = None,
) -> Generator[Waveform, None, PassResult]:
    """Speak one script in a thread, and yield the audio while it is generated.

    The work starts with the first `next`. Closing or dropping the generator, or an exception in its consumer, stops
    the work at the next row; the generator waits for the thread to end.

    Args:
        synthesizer: runs the pass.
        text: the script; with a prompt, its transcript precedes the new text.
        prompt: int64 codes [T, C] to continue.
        seed: seed for a reproducible result.
        settings: keyword arguments of transformers' `generate`.
        timeout: seconds to wait for the next chunk; None waits indefinitely.
        first_seconds: length of the first chunk, by default that of `DiaAudioStreamer`.

    Yields:
        Samples [N], float32. Concatenated, they equal `synthesizer.sound` of the returned codes.

    Returns:
        The result of the pass, as the value of `yield from`.

    Raises:
        ValueError: immediately, if there is no codec or `timeout` is out of range.
        TimeoutError: from the generator, if a chunk does not arrive in time.
        Exception: from the generator, any error raised during generation.
    """
    decoder = synthesizer.processor.audio_tokenizer  # the streamer raises if there is none
    worker = _workers[decoder is not None and _is_small(decoder)]
    first = None if first_seconds is None else math.ceil(first_seconds * synthesizer.processor.frame_rate)
    streamer = DiaAudioStreamer(synthesizer.processor, first, timeout=timeout, decode_in=worker.submit)
    streamer.cancel = synthesizer.cancel
    return _streamed(synthesizer, streamer, (text, prompt, seed, settings))


def _is_small(codec: DacModel) -> bool:
    """Whether a codec is not faster with several threads. Counting its parameters takes a millisecond."""
    if (known := _small.get(codec)) is None:
        known = _small[codec] = codec.num_parameters() < _SMALL_CODEC
    return known


def _streamed(
    synthesizer: Synthesizer, streamer: DiaAudioStreamer, script: tuple[Any, ...]
) -> Generator[Waveform, None, PassResult]:
    text, prompt, seed, settings = script
    try:
        running = synthesizer.start(text, prompt, seed, settings, streamer)
    except PlainLoopNeeded:
        work = partial(synthesizer, [text], [prompt], [seed], settings, streamer)
        return (yield from _streamed_by_thread(work, streamer))
    try:
        for chunk in streamer:
            yield chunk.numpy()
        return running.result()
    finally:
        streamer.close()
        running.stop(streamer.timeout)


def _streamed_by_thread(
    work: Callable[[], list[PassResult]], streamer: DiaAudioStreamer
) -> Generator[Waveform, None, PassResult]:
    results: list[PassResult] = []

    def speak() -> None:
        try:
            results.extend(work())
        except BaseException as error:  # re-raised in the consuming thread
            streamer.fail(error)
        streamer.end()

    after_fork(streamer, DiaAudioStreamer.abandon)
    thread = start(speak, "dia.stream")
    # Also stops the thread at exit: computing while the interpreter shuts down can crash it.
    stop = finalize(streamer, _stop, streamer, thread)
    try:
        for chunk in streamer:
            yield chunk.numpy()
        thread.join()
    finally:
        stop()
    return results[0]


def _stop(streamer: DiaAudioStreamer, thread: Thread) -> None:
    streamer.close()
    join(thread, streamer.timeout)


__all__ = ["stream"]
