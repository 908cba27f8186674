"""Turn the body of a request into a job of the facade, with everything that its answer needs. Independent of HTTP."""

import base64
import binascii
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dia.audio.formats.live import rate_for, rates_of
from dia.serving.errors import Code, ServingError, input_error
from dia.serving.http.schema import Item, Turn
from dia.serving.limits import PCM_RATE, Limits
from dia.serving.voices import (
    DEFAULT,
    OwnVoice,
    ServedVoice,
    VoiceCatalogue,
    decoded_recording,
    plain,
    recording_error,
)
from dia.text.prompt_format import PromptFormat
from dia.text.tags import SPEAKER_TAG, SPEAKERS

if TYPE_CHECKING:
    from dia.model import Dia
    from dia.synthesis.job import SynthesisJob

_DATA_URL = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_ENGLISH = re.compile(r"auto|en([-_].*)?|english", re.IGNORECASE)
_SAMPLING = (("temperature", "temperature"), ("top_p", "top_p"), ("top_k", "cfg_filter_top_k"))


@dataclass(frozen=True, eq=False)
class Order:
    """What to generate and how to send it.

    Attributes:
        job: the job, with its seed.
        format: of the audio.
        rate: Hz of the audio that is sent.
        speed: relative to the model's.
        turns: start of each turn of the request in the text of the job; empty for a text.
        voices: the names of the voices by turn of the request; empty for a text.
        speakers: the names of the voices by speaker; empty for a dialogue.
        input_tokens: token ids that the model reads.
        offset: characters that precede the text of the request in the text of the job.
    """

    job: "SynthesisJob"
    format: str
    rate: int
    speed: float
    turns: tuple[int, ...]
    voices: tuple[str, ...]
    speakers: Mapping[str, str]
    input_tokens: int
    offset: int = 0

    @property
    def seed(self) -> int:
        """The seed of the job."""
        assert self.job.seed is not None
        return self.job.seed


@dataclass(frozen=True)
class _Words:
    """A script for the facade, and the voices of its speakers."""

    script: str
    options: dict[str, Any]
    starts: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    speakers: Mapping[str, str] = field(default_factory=dict)


def order(model: "Dia", voices: VoiceCatalogue, item: Item, limits: Limits) -> Order:
    """Check a request and read its script and its recordings. Takes compute time; run it in a thread.

    Raises:
        ServingError: the request is invalid; the error names the parameter.
    """
    text = "input" if item.turns is None else "turns"
    check_length(_texts(item), limits.input_characters, text)
    _check_language(model, item)
    format = item.response_format or "mp3"
    rate = _rate(format, item.sample_rate, model.sample_rate)
    try:
        words = _words(model, voices, item)
        job = model.job(words.script, **words.options, **_options(item))
    except (TypeError, ValueError) as error:
        if str(error).startswith("audio_prompt"):
            raise recording_error(error, "ref_audio", "ref_text") from error
        raise input_error(error, text) from error
    job = replace(job, seed=secrets.randbelow(2**31) if job.seed is None else job.seed)
    if item.turns is not None:  # consecutive turns of one voice are what the client wants
        job = replace(job, remarks=tuple(one for one in job.remarks if one not in job.script.advice))
    offset = 0 if item.input is None else len(words.script) - len(item.input)
    speed, tokens = item.speed or 1.0, _tokens(model, job)
    return Order(job, format, rate, speed, words.starts, words.names, words.speakers, tokens, offset)


def check_length(texts: Iterable[str], most: int, param: str) -> None:
    """Check the length of all texts of a request together.

    Raises:
        ServingError: they are too long.
    """
    if (characters := sum(map(len, texts))) > most:
        raise ServingError(
            Code.input_too_long,
            f"the text has {characters} characters, but {most} are allowed. Send it in several requests.",
            param,
        )


def texts_of(items: Sequence[Item]) -> list[str]:
    """All texts of the items of a batch."""
    return [text for item in items for text in _texts(item)]


def _texts(item: Item) -> list[str]:
    return [item.input or "", *(turn.text for turn in item.turns or ())]


def _options(item: Item) -> dict[str, Any]:
    options = {ours: getattr(item, theirs) for theirs, ours in _SAMPLING}
    options |= {"cfg_scale": item.guidance_scale, "seed": item.seed}
    return options | _reading(item) | {"retries": item.retries or 0, "best_of": item.best_of or 1}


def _reading(item: Item) -> dict[str, Any]:
    """How the text is read."""
    return {"normalize": item.normalize is not False, "text_format": item.text_format or "plain"}


def _check_language(model: "Dia", item: Item) -> None:
    english = PromptFormat.of(model.model.generation_config).text_frontend == "en"
    if english and item.language and not _ENGLISH.fullmatch(item.language.strip()):
        raise ServingError(Code.invalid_value, "this model speaks English; use language 'en' or 'auto'.", "language")


def _rate(format: str, asked: int | None, own: int) -> int:
    if asked is None:
        return PCM_RATE if format == "pcm" else rate_for(format, own)
    if asked not in (rates_of(format) or (asked,)):
        known = ", ".join(map(str, rates_of(format)))
        raise ServingError(
            Code.invalid_value, f"{format} does not have {asked} Hz; use one of {known}.", "sample_rate"
        )
    return asked


def _words(model: "Dia", voices: VoiceCatalogue, item: Item) -> _Words:
    if (item.input is None) == (item.turns is None):
        code = Code.missing_parameter if item.input is None else Code.invalid_value
        raise ServingError(code, "pass either input or turns.", "input")
    if item.turns is not None:
        return _dialogue(voices, item, item.turns)
    assert item.input is not None
    if not item.input.strip():
        raise ServingError(Code.invalid_value, "input is empty; pass the text to speak.", "input")
    if item.ref_audio is not None or item.ref_text is not None:
        return _Words(item.input, _reference(item), speakers=dict.fromkeys(SPEAKERS, "ref_audio"))
    if item.voices is not None:
        return _cast(voices, item, item.voices)
    if item.voice is None:
        raise ServingError(Code.missing_parameter, "voice is missing; GET /v1/audio/voices lists them.", "voice")
    name = item.voice
    voice = voices.find(name)
    if not isinstance(voice, OwnVoice):
        return _Words(item.input, {"voice": voice}, speakers=dict.fromkeys(SPEAKERS, name))
    return _Words(_spoken_by(model, voice, item), {}, speakers=dict.fromkeys(SPEAKERS, name))


def _cast(voices: VoiceCatalogue, item: Item, given: Mapping[Any, str]) -> _Words:
    """A text whose speakers have voices of their own; a speaker that is not named has the model's own voice."""
    assert item.input is not None
    if item.voice is not None:
        raise ServingError(Code.invalid_value, "voice and voices cannot be combined; omit one.", "voices")
    found = {speaker: voices.find(name, f"voices.{speaker}") for speaker, name in given.items()}
    for speaker, voice in found.items():
        if isinstance(voice, OwnVoice):
            if voice.speaker != speaker and plain(given[speaker]) != DEFAULT:
                message = (
                    f"{given[speaker]} is the model's own voice of the other speaker; omit it, or choose another."
                )
                raise ServingError(Code.invalid_value, message, f"voices.{speaker}")
        elif len(voice.speakers) > 1:
            message = f"the voice {given[speaker]!r} has two speakers; use it as voice."
            raise ServingError(Code.invalid_value, message, f"voices.{speaker}")
    recorded = {speaker: voice for speaker, voice in found.items() if not isinstance(voice, OwnVoice)}
    names = {speaker: given.get(speaker, DEFAULT) for speaker in SPEAKERS}
    return _Words(item.input, {"voice": recorded or None}, speakers=names)


def _spoken_by(model: "Dia", voice: OwnVoice, item: Item) -> str:
    """The text, with a tag if the voice is not the one of a text without tags. A text with speakers keeps them."""
    assert item.input is not None
    if voice.speaker == SPEAKERS[0] or SPEAKER_TAG.search(item.input):
        return item.input
    script = model.read(item.input, **_reading(item))
    own = bool(script.names) or any(turn.speaker != SPEAKERS[0] for turn in script.turns)
    return item.input if own else f"[{voice.speaker}] {item.input}"


def _reference(item: Item) -> dict[str, Any]:
    """The options for a recording in the request."""
    if item.voices is not None:
        raise ServingError(Code.invalid_value, "voices and ref_audio cannot be combined; omit one.", "voices")
    if item.voice is not None and plain(item.voice) != DEFAULT:
        raise ServingError(Code.invalid_value, "voice and ref_audio cannot be combined; omit one.", "ref_audio")
    for name, other in (("ref_audio", "ref_text"), ("ref_text", "ref_audio")):
        if not (getattr(item, name) or "").strip():
            raise ServingError(Code.missing_parameter, f"{name} is missing; pass it together with {other}.", name)
    assert item.ref_audio is not None
    head = _DATA_URL.match(item.ref_audio[:300])
    try:
        content = base64.b64decode(item.ref_audio[head.end() if head else 0 :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise ServingError(
            Code.invalid_audio, "ref_audio is not base64. Send the file in base64 or as a data URL.", "ref_audio"
        ) from error
    return {"audio_prompt": decoded_recording(content, "ref_audio"), "audio_prompt_text": item.ref_text}


def _dialogue(voices: VoiceCatalogue, item: Item, turns: Sequence[Turn]) -> _Words:
    """A script of a dialogue: each voice becomes a speaker."""
    if item.voices is not None:
        raise ServingError(Code.invalid_value, "turns have a voice each; omit voices.", "voices")
    if item.ref_audio is not None or item.ref_text is not None:
        raise ServingError(Code.invalid_value, "turns cannot be combined with ref_audio; upload a voice.", "ref_audio")
    if not turns:
        raise ServingError(Code.invalid_value, "turns is empty; pass one turn or more.", "turns")
    names = tuple(_turn_voice(item, turn, number) for number, turn in enumerate(turns))
    found = {name: voices.find(name, f"turns.{names.index(name)}.voice") for name in dict.fromkeys(names)}
    speakers = _speakers(found)
    script, starts = "", []
    for number, (turn, name) in enumerate(zip(turns, names, strict=True)):
        if SPEAKER_TAG.search(turn.text) or not turn.text.strip():
            message = "the text of a turn is words of one voice, without speaker tags."
            raise ServingError(Code.invalid_value, message, f"turns.{number}.text")
        starts.append(len(script))
        script += f"[{speakers[name]}] {' '.join(turn.text.split())}\n"
    given = {speakers[name]: voice for name, voice in found.items() if not isinstance(voice, OwnVoice)}
    return _Words(script, {"voice": given or None, "speakers": {}}, tuple(starts), names)


def _turn_voice(item: Item, turn: Turn, number: int) -> str:
    voice = turn.voice if turn.voice is not None else item.voice
    if voice is None:
        raise ServingError(
            Code.missing_parameter, "the turn has no voice, nor has the request.", f"turns.{number}.voice"
        )
    return voice


def _speakers(voices: dict[str, ServedVoice]) -> dict[str, str]:
    """S1 or S2 for the name of each voice: the model's own keep theirs. Several names may stand for one voice."""
    own = {name: voice.speaker for name, voice in voices.items() if isinstance(voice, OwnVoice)}
    others = {name: id(voice) for name, voice in voices.items() if name not in own}
    free = [speaker for speaker in SPEAKERS if speaker not in own.values()]
    recorded = list(dict.fromkeys(others.values()))
    if len(recorded) > len(free):
        message = (
            f"a dialogue has up to {len(SPEAKERS)} voices, but this one has {len(set(own.values())) + len(recorded)}"
        )
        raise ServingError(Code.invalid_value, f"{message}. Send it in several requests.", "turns")
    for name in others:
        voice = voices[name]
        if not isinstance(voice, OwnVoice) and len(voice.speakers) > 1:
            raise ServingError(Code.invalid_value, f"the voice {name!r} has two speakers; use it with input.", "turns")
    speakers = dict(zip(recorded, free, strict=False))
    return own | {name: speakers[voice] for name, voice in others.items()}


def _tokens(model: "Dia", job: "SynthesisJob") -> int:
    """The number of token ids of the text. The tokenizer itself refuses a text that is too long for one pass."""
    tokenizer = model.processor.tokenizer
    ids = tokenizer.backend_tokenizer.encode(tokenizer.spoken(job.script.spoken), add_special_tokens=False).ids
    return len(ids)


__all__ = ["Order", "check_length", "order", "texts_of"]
