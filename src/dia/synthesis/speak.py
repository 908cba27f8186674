"""Any script, short or long, spoken in pieces as they come, or as one take.

Knows when a script is too long for a pass, what makes a speech another one, and what pieces add up to. Knows nothing
of how passes and parts are made.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any

from torch import Tensor

from dia.codec.identity import CodecRecord
from dia.runtime.background import ahead
from dia.runtime.progress import Progress
from dia.streaming import seconds
from dia.synthesis.joining import Piece, as_one, pieces
from dia.synthesis.long_form import Keeper, hear_long, speak_long
from dia.synthesis.request import Request
from dia.synthesis.resume import KeptParts, fingerprint
from dia.synthesis.stream import stream
from dia.synthesis.synthesizer import Audio, Speech
from dia.synthesis.takes import Care, Line, make_take
from dia.text.prompt_format import PromptFormat
from dia.text.script import Script, estimated_seconds, parse
from dia.text.tags import PAUSE_MARK
from dia.version import __version__

_AHEAD = 20  # pieces, most of them of a second, that are made before they are heard: the next part begins meanwhile


@dataclass(frozen=True)
class Reading:
    """What is to be spoken, by whom and how.

    Attributes:
        script: the turns.
        voice: a voice to speak with, as a line of codes and transcript without a text; None for the model's own.
        seed: of the first pass; None for a random one.
        settings: keywords of transformers' `generate`.
        care: retries and the like.
        long_form: part after part; None where the script asks for it, see `is_long`.
    """

    script: Script
    voice: Line | None = None
    seed: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    care: Care = field(default_factory=Care)
    long_form: bool | None = None


def reading_of(
    speech: Speech, request: Request, index: int = 0, care: Care | None = None, long_form: bool | None = None
) -> Reading:
    """One of the texts of a request, understood as a script.

    Raises:
        ValueError: the text cannot be spoken, or what is said in its prompt is not known.
    """
    prompt, transcript = request.prompts[index], request.transcripts[index]
    if prompt is not None and not transcript:
        raise ValueError(
            "audio_prompt_text is missing; say what is said in audio_prompt, so that the rest can be timed."
        )
    voice = None if prompt is None else Line("", prompt, transcript or "")
    script = parse(request.texts[index])
    speech.processor.tokenizer.spoken(script.spoken)  # phones that are none are told before the work
    return Reading(script, voice, request.seeds[index], request.settings, care or Care(), long_form)


def too_long(speech: Speech, request: Request, index: int = 0) -> bool:
    """Whether a text of a request is better spoken in the long form, and can be.

    It can where there is a codec, and where it is known which words a prompt has said already.
    """
    prompt, text = request.prompts[index], request.texts[index]
    if speech.processor.audio_tokenizer is None or (prompt is not None and not request.transcripts[index]):
        return False
    return estimated_seconds(text) > _room(speech, prompt) or PAUSE_MARK.search(text) is not None


def plan_of(speech: Speech, reading: Reading) -> dict[str, Any]:
    """Everything on which the parts of a speech depend, for `KeptParts`."""
    voice, care, codec = reading.voice, reading.care, speech.processor.audio_tokenizer
    defaults = speech.model.generation_config.to_diff_dict()
    codes = b"" if voice is None or voice.prompt is None else voice.prompt.numpy().tobytes()
    return {
        "script": str(reading.script),
        "seed": reading.seed,
        "settings": dict(reading.settings),
        "care": [care.retries, care.best_of, care.edge_seconds, care.recogniser is not None],
        "voice": sha256(codes + (voice.transcript if voice else "").encode()).hexdigest()[:16],
        "model": fingerprint(speech),
        "codec": None if codec is None else asdict(CodecRecord.of(codec)),
        "defaults": {name: value for name, value in defaults.items() if name != "transformers_version"},
        "version": __version__,
    }


def kept_in(folder: str | Path, speech: Speech, reading: Reading) -> tuple[Reading, KeptParts]:
    """A folder for the finished parts of a speech, and the speech with the seed that is kept there."""
    kept = KeptParts(folder, plan_of(speech, reading), speech, reading.care)
    return replace(reading, seed=kept.seed), kept


def is_long(speech: Speech, reading: Reading) -> bool:
    """Whether a script, with the voice before it, is longer than a pass speaks well, or has pauses in it."""
    seconds = sum(estimated_seconds(turn.text) for turn in reading.script.turns)
    room = _room(speech, reading.voice.prompt if reading.voice else None)
    return seconds > room or any(turn.pause for turn in reading.script.turns)


def _room(speech: Speech, prompt: Tensor | None) -> float:
    """How many seconds of new speech a pass has room for behind a prompt."""
    given = 0 if prompt is None else len(prompt)
    return PromptFormat.of(speech.model.generation_config).pass_seconds - given / speech.processor.frame_rate


def speak(speech: Speech, reading: Reading, keeper: Keeper | None = None, progress: bool = False) -> Iterator[Piece]:
    """The pieces of a speech as they are finished; a single one where one pass is enough.

    Args:
        speech: model, processor and codec.
        reading: what to say, and how.
        keeper: keeps the finished parts of a long form.
        progress: show a bar where there are several.

    Raises:
        ValueError: an argument is unusable; the message names it.
    """
    voice, script = reading.voice, reading.script
    if is_long(speech, reading) if reading.long_form is None else reading.long_form:
        rest = (voice, reading.seed, reading.settings, reading.care)
        return speak_long(speech, script, *rest, keeper=keeper, progress=progress)
    line = Line(script.spoken, voice.prompt, voice.transcript) if voice else Line(script.spoken)
    takes = (make_take(speech, line, reading.seed, reading.settings, reading.care) for _ in range(1))
    return pieces(takes, [0.0], reading.care.edge_seconds)


def streamed(
    speech: Speech, request: Request, long_form: bool | None = None, timeout: float | None = None
) -> Generator[Audio, None, object]:
    """The one text of a request, heard while it is generated, piece by piece; whoever leaves ends the work at the next
    row.

    Args:
        speech: model, processor and codec.
        request: what is asked for.
        long_form: by default where the text is too long for a pass.
        timeout: seconds to wait for the next piece; None waits for ever.

    Yields:
        Samples [N], float32; joined they are what `spoken_together` answers.

    Raises:
        ValueError: an argument is unusable; the message names it.
        TimeoutError: from the iterator, when a piece did not come in time.
    """
    if not (too_long(speech, request) if long_form is None else long_form):
        return stream(speech, request.scripts[0], request.prompts[0], request.seeds[0], request.settings, timeout)
    reading, left = reading_of(speech, request, long_form=True), Event()
    asked = replace(speech, left=left), reading.script, reading.voice, reading.seed, reading.settings, reading.care
    return ahead(lambda: hear_long(*asked), left, _AHEAD, seconds(timeout))


def spoken_together(
    speech: Speech, request: Request, long_form: bool | None = None, progress: bool = False
) -> list[Any]:
    """The texts of a request as waveforms [N], or without a codec as codes [T, C]: in one batch, but for the long.

    Args:
        speech: model, processor and, if there is one, codec.
        request: what is asked for.
        long_form: for all texts, or none; None for those that are too long for a pass.
        progress: show bars.

    Raises:
        ValueError: an argument is unusable; the message names it.
    """
    every = range(len(request.texts))
    wanted = (index for index in every if (too_long(speech, request, index) if long_form is None else long_form))
    long = {
        index: reading_of(speech, request, index, long_form=True) for index in wanted
    }  # what is unusable is told first
    short = [index for index in every if index not in long]
    answers: dict[int, Any] = {}
    if short or not long:
        answers |= zip(short, _in_one_batch(speech, request, short, progress), strict=True)
    answers |= {index: as_one(speak(speech, reading, progress=progress)).audio for index, reading in long.items()}
    return [answers[index] for index in every]


def _in_one_batch(speech: Speech, request: Request, chosen: Sequence[int], progress: bool) -> Sequence[Any]:
    scripts, prompts, seeds = (
        [request.scripts[index] for index in chosen],
        [request.prompts[index] for index in chosen],
        [request.seeds[index] for index in chosen],
    )
    bar = Progress(speech.processor.frame_rate) if progress else None
    codes = [one.codes for one in speech(scripts, prompts, seeds, request.settings, bar)]
    return codes if speech.processor.audio_tokenizer is None else speech.sounds(codes)


__all__ = [
    "Reading",
    "is_long",
    "kept_in",
    "plan_of",
    "reading_of",
    "speak",
    "spoken_together",
    "streamed",
    "too_long",
]
