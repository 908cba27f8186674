"""The bodies of requests, with their ranges and examples; the OpenAPI document is made of them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from dia.runtime import limits
from dia.runtime.ranges import Range
from dia.serving.limits import (
    BATCH_ITEMS,
    BEST_OF,
    NAME_CHARACTERS,
    RECORDING_BYTES,
    RETRIES,
    SAMPLE_RATES,
    SPEED,
    TRANSCRIPT_CHARACTERS,
    TURNS,
)

Format = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
TextFormat = Literal["plain", "markdown", "html"]
_BASE64_CHARACTERS = RECORDING_BYTES * 4 // 3 + 100


def _check(allowed: Range) -> AfterValidator:
    """Check a number that has the right type."""

    def checked(value: float) -> float:
        if value not in allowed:
            raise ValueError(f"must be {allowed}")
        return value

    return AfterValidator(checked)


def _schema(allowed: Range) -> WithJsonSchema:
    """The range in the OpenAPI document."""
    bounds = {"exclusiveMinimum" if allowed.above else "minimum": allowed.least, "maximum": allowed.most}
    return WithJsonSchema({"type": "integer" if allowed.whole else "number", **bounds})


def _check_rate(value: int) -> int:
    if value not in SAMPLE_RATES:
        raise ValueError(f"must be one of {', '.join(map(str, SAMPLE_RATES))}")
    return value


SampleRate = Annotated[
    int, AfterValidator(_check_rate), WithJsonSchema({"type": "integer", "enum": list(SAMPLE_RATES)})
]
Speed = Annotated[float, _check(SPEED), _schema(SPEED)]
Seed = Annotated[int, _check(limits.SEED), _schema(limits.SEED)]
Temperature = Annotated[float, _check(limits.TEMPERATURE), _schema(limits.TEMPERATURE)]
Nucleus = Annotated[float, _check(limits.NUCLEUS), _schema(limits.NUCLEUS)]
Candidates = Annotated[int, _check(limits.FILTERED), _schema(limits.FILTERED)]
Guidance = Annotated[float, _check(limits.GUIDANCE), _schema(limits.GUIDANCE)]
Retries = Annotated[int, _check(RETRIES), _schema(RETRIES)]
BestOf = Annotated[int, _check(BEST_OF), _schema(BEST_OF)]


class Body(BaseModel):
    """Unknown names are errors, so that a misspelled option is not ignored; numbers are not read from strings."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _voice_name(given: Any) -> Any:
    """The name of a voice, which is a string, or an object with an id."""
    name = given.get("id") if isinstance(given, dict) and set(given) == {"id"} else given
    if not isinstance(name, str) or len(name) > NAME_CHARACTERS:
        raise ValueError('must be a name, or an object {"id": name}')
    return name


_VOICE_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
    ]
}
Voice: TypeAlias = Annotated[str, BeforeValidator(_voice_name), WithJsonSchema(_VOICE_SCHEMA)]
Speaker = Literal["S1", "S2"]


class Turn(Body):
    """What one voice says in a dialogue."""

    text: str
    voice: Voice | None = Field(None, description="By default the voice of the request.")


class Defaults(Body):
    """What the items of a batch may share."""

    voice: Voice | None = Field(None, description="A name of `GET /v1/audio/voices`.", examples=["alloy"])
    voices: dict[Speaker, Voice] | None = Field(
        None,
        description="Instead of `voice`, with `input`: a voice for each speaker of the script. One that is not named "
        "has the model's own voice.",
        examples=[{"S1": "clara", "S2": "bruno"}],
    )
    instructions: str | None = Field(None, max_length=4096, description="Accepted and ignored: Dia has no such input.")
    response_format: Format | None = Field(None, description="mp3 by default.")
    speed: Speed | None = Field(None, description="1 by default; the pitch stays the same.")
    seed: Seed | None = Field(
        None, description="The same seed gives the same bytes, whatever else the server does. Random by default."
    )
    sample_rate: SampleRate | None = Field(
        None, description="Hz. By default 24000 for pcm, and the model's rate, or the next that the format has."
    )
    temperature: Temperature | None = None
    top_p: Nucleus | None = None
    top_k: Candidates | None = None
    guidance_scale: Guidance | None = None
    ref_audio: str | None = Field(
        None,
        max_length=_BASE64_CHARACTERS,
        description="A recording to continue the voice of: base64 or a data URL. Addresses are not fetched.",
    )
    ref_text: str | None = Field(None, max_length=TRANSCRIPT_CHARACTERS, description="The words of `ref_audio`.")
    language: str | None = Field(None, max_length=20, description="`en` or `auto`, unless the model has another.")
    word_timestamps: bool | None = Field(
        None, description="Answer with JSON that holds the audio and the times of turns and words."
    )
    normalize: bool | None = Field(None, description="Spell out numbers and abbreviations. True by default.")
    text_format: TextFormat | None = Field(
        None, description="How the text is written; `html` is SSML, too. plain by default."
    )
    retries: Retries | None = Field(
        None, description="Generate a part with faults again, with other seeds. Audio then comes part by part."
    )
    best_of: BestOf | None = Field(
        None, description="Generate so many takes of each part and keep the best. Audio then comes part by part."
    )


def _given(*names: str) -> dict[str, Any]:
    """The schema of a body in which all fields of `names` have a value."""
    return {"required": list(names), "properties": {name: {"not": {"type": "null"}} for name in names}}


# What `jobs` refuses, in the OpenAPI document.
_APART = (("voice", "voices"), ("turns", "voices"), ("turns", "ref_audio"), ("voices", "ref_audio"))
_RULES: list[Any] = [
    {"oneOf": [_given("input"), _given("turns")]},
    *({"not": _given(*pair)} for pair in _APART),
    {"if": _given("ref_audio"), "then": _given("ref_text")},
    {"if": _given("ref_text"), "then": _given("ref_audio")},
]
_VOICE_RULE: Any = {
    "if": _given("input"),
    "then": {"anyOf": [_given(name) for name in ("voice", "voices", "ref_audio")]},
}


class Item(Defaults):
    """A text or a dialogue."""

    model_config = ConfigDict(json_schema_extra={"allOf": _RULES})

    input: str | None = Field(None, description="The text, or a script with [S1] and [S2].")
    turns: list[Turn] | None = Field(
        None,
        max_length=TURNS,
        validation_alias=AliasChoices("turns", "inputs"),
        description="A dialogue of up to two voices, instead of `input`.",
    )

    def with_defaults(self, defaults: Defaults) -> "Item":
        """The item with the values of `defaults` where it has none. A voice of its own replaces theirs of any kind."""
        own = any(one is not None for one in (self.voice, self.voices, self.ref_audio, self.turns))
        kept = {"ref_audio", "ref_text", "voices"} | ({"voice"} if self.turns is None else set()) if own else set()
        given = {name: getattr(defaults, name) for name in Defaults.model_fields if name not in kept}
        return self.model_copy(update={name: one for name, one in given.items() if getattr(self, name) is None})


class SpeechRequest(Item):
    """The body of `POST /v1/audio/speech`."""

    model_config = ConfigDict(json_schema_extra={"allOf": [*_RULES, _VOICE_RULE]})

    model: str = Field(max_length=NAME_CHARACTERS, description="A name of `GET /v1/models`.", examples=["tts-1"])
    stream_format: Literal["audio", "sse"] = "audio"


class BatchRequest(Defaults):
    """The body of `POST /v1/audio/speech/batch`: items, and values for those that have none of their own."""

    model: str = Field(max_length=NAME_CHARACTERS)
    items: list[Item] = Field(min_length=1, max_length=BATCH_ITEMS)


SPEECH_EXAMPLES: Mapping[str, Any] = {
    "a text": {"value": {"model": "tts-1", "input": "Good morning.", "voice": "alloy"}},
    "a script": {"value": {"model": "tts-1", "input": "[S1] Hello. [S2] Hi! (laughs)", "voice": "default", "seed": 7}},
    "a dialogue with times": {
        "value": {
            "model": "tts-1",
            "turns": [{"text": "How are you?", "voice": "clara"}, {"text": "Very well.", "voice": "bruno"}],
            "word_timestamps": True,
        }
    },
    "events": {"value": {"model": "tts-1", "input": "Good morning.", "voice": "echo", "stream_format": "sse"}},
}
BATCH_EXAMPLES: Mapping[str, Any] = {
    "two texts": {
        "value": {"model": "tts-1", "voice": "nova", "items": [{"input": "One moment."}, {"input": "Thank you."}]}
    }
}

PREVIEW_EXAMPLES: Mapping[str, Any] = {
    "a script": {"value": {"input": "[S1] It costs $5. [S2] Really? (laughs)", "voice": "default"}}
}

__all__ = [
    "BATCH_EXAMPLES",
    "PREVIEW_EXAMPLES",
    "SPEECH_EXAMPLES",
    "BatchRequest",
    "Defaults",
    "Item",
    "SpeechRequest",
    "Turn",
]
