"""Jobs, short or long, spoken: as pieces when they are finished, as sound while it is made, or several at once.

Decides between one pass and the long form, and applies the speaking rate. Knows nothing of how passes are made.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from threading import Event

from dia.audio.waveform import Waveform
from dia.runtime.background import in_background
from dia.runtime.progress import Progress
from dia.streaming import checked_timeout
from dia.synthesis.job import SynthesisJob, is_long
from dia.synthesis.pacing import paced_pieces, paced_stream
from dia.synthesis.parts.joining import Piece, as_one, pieces, stream_joined
from dia.synthesis.parts.long_form import PartStore, speak_long, stream_long
from dia.synthesis.synthesizer import Synthesizer
from dia.synthesis.takes.checks import warn_of
from dia.synthesis.takes.generation import make_takes, stream_take
from dia.synthesis.takes.take import Take

_AHEAD = 20  # pieces, most of them of a second, that are made before they are heard: the next part begins meanwhile


def speak(
    synthesizer: Synthesizer, job: SynthesisJob, store: PartStore | None = None, progress: bool = False
) -> Iterator[Piece]:
    """The pieces of a job as they are finished; a single one where one pass is enough.

    Args:
        synthesizer: model, processor and codec.
        job: what to say, and how.
        store: keeps the finished parts of a long form.
        progress: show a bar.

    Raises:
        ValueError: an argument is unusable; the message names it.
    """
    if not is_long(synthesizer, job):
        return _finished(job, _short(synthesizer, [job], progress))
    if job.untranscribed:
        raise ValueError(
            "audio_prompt_text is missing: a script that is longer than a pass continues the recording part after "
            "part, so its words must be known. Pass audio_prompt_text."
        )
    rest = (job.voice, job.seed, job.settings, job.take_options)
    return _finished(job, speak_long(synthesizer, job.script, *rest, store=store, progress=progress))


def speak_together(synthesizer: Synthesizer, jobs: Sequence[SynthesisJob], progress: bool = False) -> list[Take]:
    """A take for each job: in one batch, but for those in the long form. All have the same settings and care.

    Raises:
        ValueError: an argument is unusable; the message names it.
    """
    long = {
        index: speak(synthesizer, job, progress=progress)
        for index, job in enumerate(jobs)
        if is_long(synthesizer, job)
    }
    short = [index for index in range(len(jobs)) if index not in long]
    spoken = zip(short, _short(synthesizer, [jobs[index] for index in short], progress), strict=True)
    made = {index: as_one(_finished(jobs[index], [piece])) for index, piece in spoken}
    made |= {index: as_one(parts) for index, parts in long.items()}
    return [made[index] for index in range(len(jobs))]


def stream_job(
    synthesizer: Synthesizer, job: SynthesisJob, timeout: float | None = None
) -> Generator[Waveform, None, object]:
    """A job, heard while it is generated in a thread of its own; closing the generator ends the work at the next row.

    Args:
        synthesizer: model, processor and codec.
        job: what to say, and how; its retries do not count.
        timeout: seconds to wait for the next piece; None waits for ever.

    Yields:
        Samples [N], float32; joined they are the audio of `speak`.

    Raises:
        ValueError: an argument is unusable; the message names it.
        TimeoutError: from the iterator, when a piece does not come in time.
    """
    if synthesizer.processor.audio_tokenizer is None:
        raise ValueError("a stream is sound, and there is no codec to make any; load the model with it.")
    timeout = checked_timeout(timeout)
    if is_long(synthesizer, job):
        cancel = Event()
        asked = replace(synthesizer, cancel=cancel), job.script, job.voice, job.seed, job.settings, job.take_options
        sound = in_background(lambda: stream_long(*asked), cancel, _AHEAD, timeout)
    else:
        sound = stream_joined(
            [_warned(stream_take(synthesizer, job.line, job.seed, job.settings, job.take_options, timeout))],
            [0.0],
            job.take_options.edge_seconds,
            synthesizer.processor.sampling_rate,
        )
    return sound if job.rate is None else paced_stream(sound, job.rate, synthesizer.processor.sampling_rate)


def _warned(take: Generator[Waveform, None, Take]) -> Generator[Waveform, None, Take]:
    made = yield from take
    warn_of(made.warnings, made.seed)
    return made


def _short(synthesizer: Synthesizer, jobs: Sequence[SynthesisJob], progress: bool) -> Iterator[Piece]:
    """A piece for each job, all of one pass."""
    if not jobs:
        return
    bar = Progress(synthesizer.processor.frame_rate) if progress else None
    lines, seeds = [job.line for job in jobs], [job.seed for job in jobs]
    for job, take in zip(
        jobs, make_takes(synthesizer, lines, seeds, jobs[0].settings, jobs[0].take_options, bar), strict=True
    ):
        if job.untranscribed and not len(take.codes):
            raise ValueError(
                "nothing new was said: the model took the text for the words of the recording. Pass what is said in "
                "audio_prompt as audio_prompt_text."
            )
        yield from pieces([take], [0.0], job.take_options.edge_seconds)


def _finished(job: SynthesisJob, spoken: Iterable[Piece]) -> Iterator[Piece]:
    """Pieces at the job's speaking rate, the first of them with the job's remarks."""
    paced = iter(spoken) if job.rate is None else paced_pieces(spoken, job.rate)
    for piece in paced:
        warn_of(piece.take.warnings, piece.take.seed, piece.number, piece.parts)
        yield replace(piece, take=replace(piece.take, remarks=job.remarks)) if piece.number == 0 else piece


__all__ = ["speak", "speak_together", "stream_job"]
