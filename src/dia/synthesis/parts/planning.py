"""Split a script into parts of one pass each, for both `dia say` and `dia read`.

Independent of models, voice recordings and files. Does not import torch.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from dia.text.prompt_format import Carry, PromptFormat
from dia.text.script import Script, Turn

_MIN_SECONDS = 2.0  # of a part; shorter parts lack natural intonation
_RESERVED_SECONDS = 5.0  # of new speech after a voice; shorter parts lack natural intonation and cost as much


@dataclass(frozen=True)
class Part:
    """A part of a script for one pass, and the length in seconds of the digital silence after it."""

    script: Script
    pause: float


@dataclass(frozen=True)
class VoiceInfo:
    """The voice that precedes every part: its speakers, such as "S1", and its duration in seconds."""

    speakers: Collection[str] = ()
    seconds: float = 0.0


NO_VOICE = VoiceInfo()


def plan_passes(script: Script, format: PromptFormat, voice: VoiceInfo = NO_VOICE) -> list[Part]:
    """The parts of a script; the script itself as a single part if one pass is enough."""
    if is_long(script, format, voice.seconds):
        return plan(script, format, voice=voice)
    return [Part(script, 0.0)]


def is_long(script: Script, format: PromptFormat, voice_seconds: float = 0.0) -> bool:
    """Whether a script needs the long form: it is too long for a pass after its voice, or contains pauses."""
    return script.has_pauses or exceeds_pass(script, format, voice_seconds)


def exceeds_pass(script: Script, format: PromptFormat, voice_seconds: float = 0.0) -> bool:
    """Whether a script after its voice is longer than the model speaks well in one pass."""
    return script.seconds > format.pass_seconds - voice_seconds


def plan(script: Script, format: PromptFormat, carry: Carry | None = None, voice: VoiceInfo = NO_VOICE) -> list[Part]:
    """The parts of the long form. They are shorter if a later speaker must be carried in addition to the first part.

    Args:
        script: the script.
        format: the prompt conventions of the model.
        carry: what each part continues from; by default the model's setting.
        voice: the voice that precedes every part.
    """
    carry, seconds = carry or format.carry, format.pass_seconds
    parts = split_script(script, part_seconds(seconds, carry, voice.seconds))
    speakers = set(voice.speakers) or {turn.speaker for turn in parts[0].script.turns}
    if carry == "nothing" or {turn.speaker for turn in script.turns} <= speakers:
        return parts
    return split_script(script, part_seconds(seconds, carry, voice.seconds, more=1))


def split_script(script: Script, seconds: float) -> list[Part]:
    """Split a script into parts of at most about `seconds` each, and at every pause."""
    parts: list[Part] = []
    turns: list[Turn] = []
    for number, turn in enumerate(script.turns, 1):
        turns.append(replace(turn, pause=0.0))
        if turn.pause or number == len(script.turns):
            chunks = Script(tuple(turns), frontend=script.frontend).chunks(seconds)
            parts += [Part(chunk, 0.0) for chunk in chunks[:-1]] + [Part(chunks[-1], turn.pause)]
            turns = []
    return parts


def reserved_seconds(script: Script) -> float:
    """Seconds of a pass that a voice must leave for new speech: the whole script, or enough to sound natural."""
    return min(_RESERVED_SECONDS, script.seconds)


def part_seconds(pass_seconds: float, carry: Carry, voice_seconds: float = 0.0, more: int = 0) -> float:
    """The maximum length of a part that fits in a pass with what is carried, including `more` additional parts."""
    carried = {"nothing": 0, "first": 1, "last": 1, "both": 2}[carry] + more
    if voice_seconds and carry in ("first", "both"):
        carried -= 1
    return max(_MIN_SECONDS, (pass_seconds - voice_seconds) / (1 + carried))


__all__ = [
    "NO_VOICE",
    "Part",
    "VoiceInfo",
    "exceeds_pass",
    "is_long",
    "part_seconds",
    "plan",
    "plan_passes",
    "reserved_seconds",
    "split_script",
]
