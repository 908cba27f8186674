"""Jobs, short or long, spoken: as pieces when they are finished, as sound while it is made, or several at once.

Decides between one pass and the long form, and applies the speaking rate. Knows nothing of how passes are made.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from threading import Event

from dia.runtime.background import ahead
from dia.runtime.progress import Progress
from dia.streaming import seconds
from dia.synthesis.job import SynthesisJob, is_long
from dia.synthesis.joining import Piece, as_one, heard_early, pieces
from dia.synthesis.long_form import Keeper, hear_long, speak_long
from dia.synthesis.pacing import paced_pieces, paced_stream
from dia.synthesis.synthesizer import Audio, Speech
from dia.synthesis.take import Take
from dia.synthesis.take_checks import warn_of
from dia.synthesis.takes import make_takes, stream_take

_AHEAD = 20  # pieces, most of them of a second, that are made before they are heard: the next part begins meanwhile


def speak(speech: Speech, job: SynthesisJob, keeper: Keeper | None = None, progress: bool = False) -> Iterator[Piece]:
    """The pieces of a job as they are finished; a single one where one pass is enough.

    Args:
        speech: model, processor and codec.
        job: what to say, and how.
        keeper: keeps the finished parts of a long form.
        progress: show a bar.

    Raises:
        ValueError: an argument is unusable; the message names it.
    """
    if not is_long(speech, job):
        return _finished(job, _short(speech, [job], progress))
    if job.untranscribed:
        raise ValueError(
            "audio_prompt_text is missing: a script that is longer than a pass continues the recording part after "
            "part, so its words must be known. Pass audio_prompt_text."
        )
    rest = (job.voice, job.seed, job.settings, job.care)
    return _finished(job, speak_long(speech, job.script, *rest, keeper=keeper, progress=progress))


def speak_together(speech: Speech, jobs: Sequence[SynthesisJob], progress: bool = False) -> list[Take]:
    """A take for each job: in one batch, but for those in the long form. All have the same settings and care.

    Raises:
        ValueError: an argument is unusable; the message names it.
    """
    long = {index: speak(speech, job, progress=progress) for index, job in enumerate(jobs) if is_long(speech, job)}
    short = [index for index in range(len(jobs)) if index not in long]
    spoken = zip(short, _short(speech, [jobs[index] for index in short], progress), strict=True)
    made = {index: as_one(_finished(jobs[index], [piece])) for index, piece in spoken}
    made |= {index: as_one(parts) for index, parts in long.items()}
    return [made[index] for index in range(len(jobs))]


def hear(speech: Speech, job: SynthesisJob, timeout: float | None = None) -> Generator[Audio, None, object]:
    """A job, heard while it is generated in a thread of its own; closing the generator ends the work at the next row.

    Args:
        speech: model, processor and codec.
        job: what to say, and how; its retries do not count.
        timeout: seconds to wait for the next piece; None waits for ever.

    Yields:
        Samples [N], float32; joined they are the audio of `speak`.

    Raises:
        ValueError: an argument is unusable; the message names it.
        TimeoutError: from the iterator, when a piece does not come in time.
    """
    if speech.processor.audio_tokenizer is None:
        raise ValueError("a stream is sound, and there is no codec to make any; load the model with it.")
    timeout = seconds(timeout)
    if is_long(speech, job):
        left = Event()
        asked = replace(speech, left=left), job.script, job.voice, job.seed, job.settings, job.care
        sound = ahead(lambda: hear_long(*asked), left, _AHEAD, timeout)
    else:
        sound = heard_early(
            [_warned(stream_take(speech, job.line, job.seed, job.settings, job.care, timeout))],
            [0.0],
            job.care.edge_seconds,
            speech.processor.sampling_rate,
        )
    return sound if job.rate is None else paced_stream(sound, job.rate, speech.processor.sampling_rate)


def _warned(take: Generator[Audio, None, Take]) -> Generator[Audio, None, Take]:
    made = yield from take
    warn_of(made.warnings, made.seed)
    return made


def _short(speech: Speech, jobs: Sequence[SynthesisJob], progress: bool) -> Iterator[Piece]:
    """A piece for each job, all of one pass."""
    if not jobs:
        return
    bar = Progress(speech.processor.frame_rate) if progress else None
    lines, seeds = [job.line for job in jobs], [job.seed for job in jobs]
    for job, take in zip(jobs, make_takes(speech, lines, seeds, jobs[0].settings, jobs[0].care, bar), strict=True):
        if job.untranscribed and not len(take.codes):
            raise ValueError(
                "nothing new was said: the model took the text for the words of the recording. Pass what is said in "
                "audio_prompt as audio_prompt_text."
            )
        yield from pieces([take], [0.0], job.care.edge_seconds)


def _finished(job: SynthesisJob, spoken: Iterable[Piece]) -> Iterator[Piece]:
    """Pieces at the job's speaking rate, the first of them with the job's remarks."""
    paced = iter(spoken) if job.rate is None else paced_pieces(spoken, job.rate)
    for piece in paced:
        warn_of(piece.take.warnings, piece.take.seed, piece.number, piece.parts)
        yield replace(piece, take=replace(piece.take, remarks=job.remarks)) if piece.number == 0 else piece


__all__ = ["hear", "speak", "speak_together"]
