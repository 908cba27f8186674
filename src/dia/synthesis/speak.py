"""Speak jobs: as finished pieces, as a stream, or in a batch.

Chooses between one pass and the long form, and applies the timbre of a voice and the speaking rate. Independent of
how passes are made.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from threading import Event

from dia.audio.waveform import Waveform
from dia.runtime.background import in_background
from dia.runtime.events import AnyEvent, Flag
from dia.runtime.progress import Progress
from dia.streaming import checked_timeout
from dia.synthesis.job import SynthesisJob
from dia.synthesis.pacing import matched_pieces, paced_pieces
from dia.synthesis.parts.joining import Piece, join_pieces, pieces, stream_joined
from dia.synthesis.parts.long_form import PartStore, speak_long, stream_long
from dia.synthesis.synthesizer import Cancelled, Synthesizer
from dia.synthesis.takes.checks import warn_about
from dia.synthesis.takes.generation import make_takes, stream_take
from dia.synthesis.takes.take import Take
from dia.synthesis.timing import timed_pieces

_QUEUE_SIZE = 20  # chunks, mostly of a second, generated ahead of playback so that the next part can start in time


def speak(
    synthesizer: Synthesizer, job: SynthesisJob, store: PartStore | None = None, progress: bool = False
) -> Iterator[Piece]:
    """The pieces of a job as they are finished; a single one if the job takes one pass.

    Args:
        synthesizer: model, processor and codec.
        job: the job.
        store: stores the finished parts of the long form.
        progress: show a progress bar.

    Raises:
        ValueError: an argument is invalid; the message names it.
    """
    if not job.long_form:
        return _with_rate_and_remarks(job, _speak_short(synthesizer, [job], progress))
    rest = (job.voice, job.seed, job.settings, job.take_options)
    return _with_rate_and_remarks(job, speak_long(synthesizer, job.script, *rest, store=store, progress=progress))


def speak_batch(synthesizer: Synthesizer, jobs: Sequence[SynthesisJob], progress: bool = False) -> list[Take]:
    """A take for each job: short jobs run in one batch, long ones in turn.

    All jobs must have the same settings and take options.

    Raises:
        ValueError: an argument is invalid; the message names it.
    """
    long = {index: speak(synthesizer, job, progress=progress) for index, job in enumerate(jobs) if job.long_form}
    short = [index for index in range(len(jobs)) if index not in long]
    spoken = zip(short, _speak_short(synthesizer, [jobs[index] for index in short], progress), strict=True)
    made = {index: join_pieces(_with_rate_and_remarks(jobs[index], [piece])) for index, piece in spoken}
    made |= {index: join_pieces(parts) for index, parts in long.items()}
    return [made[index] for index in range(len(jobs))]


def stream_job(
    synthesizer: Synthesizer,
    job: SynthesisJob,
    timeout: float | None = None,
    on_piece: Callable[[Piece], object] | None = None,
) -> Generator[Waveform, None, object]:
    """Generate a job in a thread and yield its audio meanwhile. Closing the generator stops the work at the next row.

    Args:
        synthesizer: model, processor and codec.
        job: the job; its retries are ignored.
        timeout: seconds to wait for the next chunk; None waits indefinitely.
        on_piece: receives each piece of `speak` when it is finished.

    Yields:
        Samples [N], float32. Concatenated, they equal the audio of `speak`. After `synthesizer.cancel` is set, the
        work stops at the next row, and so does the generator.

    Raises:
        ValueError: an argument is invalid; the message names it.
        TimeoutError: from the iterator, if a chunk does not arrive in time.
    """
    if synthesizer.processor.audio_tokenizer is None:
        raise ValueError("there is no codec, so audio cannot be streamed; load the model with its codec.")
    timeout = checked_timeout(timeout)
    if job.script.is_timed:
        return _stream_timed(synthesizer, job, timeout, on_piece)
    if on_piece is not None:
        on_piece = _as_heard(on_piece, job)
    if job.long_form:
        stop, cancellable = _stoppable(synthesizer)
        rest = job.seed, job.settings, job.take_options, on_piece, job.rate, job.timbre
        arguments = cancellable, job.script, job.voice, *rest
        return in_background(lambda: _until(cancellable.cancel, stream_long(*arguments)), stop, _QUEUE_SIZE, timeout)
    return stream_joined(
        [_stream_checked(stream_take(synthesizer, job.line, job.seed, job.settings, job.take_options, timeout))],
        [0.0],
        job.take_options.edge_seconds,
        synthesizer.processor.sampling_rate,
        on_piece,
        job.rate,
        job.timbre,
    )


def _as_heard(on_piece: Callable[[Piece], object], job: SynthesisJob) -> Callable[[Piece], object]:
    """Pass pieces on with the timbre of the job's voice and at its rate."""
    if job.rate is None and job.timbre is None:
        return on_piece
    start = 0.0

    def heard(piece: Piece) -> None:
        nonlocal start
        (one,) = _heard([piece], job)
        on_piece(replace(one, start=start))
        start += len(one.audio) / one.sampling_rate

    return heard


def _heard(spoken: Iterable[Piece], job: SynthesisJob) -> Iterator[Piece]:
    """Pieces with the timbre of the job's voice and at its rate."""
    matched = iter(spoken) if job.timbre is None else matched_pieces(spoken, job.timbre)
    return matched if job.rate is None else paced_pieces(matched, job.rate)


def _stream_timed(
    synthesizer: Synthesizer,
    job: SynthesisJob,
    timeout: float | None,
    on_piece: Callable[[Piece], object] | None,
) -> Generator[Waveform, None, object]:
    """The audio of cues at given times, cue by cue: the speed of a cue depends on the length of its speech."""
    stop, cancellable = _stoppable(synthesizer)
    once = replace(job, take_options=replace(job.take_options, retries=0, best_of=1))

    def sound() -> Iterator[Waveform]:
        with suppress(Cancelled):
            for piece in speak(cancellable, once):
                if on_piece is not None:
                    on_piece(piece)
                yield piece.audio

    return in_background(sound, stop, _QUEUE_SIZE, timeout)


def _stoppable(synthesizer: Synthesizer) -> tuple[Event, Synthesizer]:
    """An event, and a synthesizer that also stops once it is set."""
    stop = Event()
    flags = [stop] if synthesizer.cancel is None else [stop, synthesizer.cancel]
    return stop, replace(synthesizer, cancel=AnyEvent(*flags))


def _until(cancel: Flag | None, chunks: Iterator[Waveform]) -> Iterator[Waveform]:
    """The chunks up to the one after which `cancel` is set, so that no further part begins."""
    for chunk in chunks:
        yield chunk
        if cancel is not None and cancel.is_set():
            return


def _stream_checked(take: Generator[Waveform, None, Take]) -> Generator[Waveform, None, Take]:
    made = yield from take
    warn_about(made.warnings, made.seed)
    return made


def _speak_short(synthesizer: Synthesizer, jobs: Sequence[SynthesisJob], progress: bool) -> Iterator[Piece]:
    """A piece for each job, from a single pass."""
    if not jobs:
        return
    bar = Progress(synthesizer.processor.frame_rate) if progress else None
    lines, seeds = [job.line for job in jobs], [job.seed for job in jobs]
    for job, take in zip(
        jobs, make_takes(synthesizer, lines, seeds, jobs[0].settings, jobs[0].take_options, bar), strict=True
    ):
        if job.untranscribed and not len(take.codes):
            raise ValueError(
                "nothing new was spoken: the model took the text for the transcript of the recording. Pass the "
                "transcript of audio_prompt as audio_prompt_text."
            )
        yield from pieces([take], [0.0], job.take_options.edge_seconds)


def _with_rate_and_remarks(job: SynthesisJob, spoken: Iterable[Piece]) -> Iterator[Piece]:
    """Pieces as heard, with the job's timbre, rate and times of cues; the first one has the job's remarks."""
    if job.script.is_timed:
        natural = _heard(spoken, replace(job, rate=None))
        heard = timed_pieces(natural, job.rate or 1.0, job.take_options.edge_seconds)
    else:
        heard = _heard(spoken, job)
    for piece in heard:
        warn_about(piece.take.warnings, piece.take.seed, piece.number, piece.parts)
        yield replace(piece, take=replace(piece.take, remarks=job.remarks)) if piece.number == 0 else piece


__all__ = ["speak", "speak_batch", "stream_job"]
