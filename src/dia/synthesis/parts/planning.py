"""Split a script into parts of one pass each, for both `dia say` and `dia read`.

Independent of models, voice recordings and files. Does not import torch.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from dia.text.prompt_format import Carry, Frontend, PromptFormat
from dia.text.script import Script, Turn
from dia.text.turns import CueTime

_MIN_SECONDS = 2.0  # of a part; shorter parts lack natural intonation
_RESERVED_SECONDS = 5.0  # of new speech after a voice; shorter parts lack natural intonation and cost as much


@dataclass(frozen=True)
class Part:
    """A part of a script for one pass.

    Attributes:
        script: the turns.
        pause: the length in seconds of the digital silence after it; 0 at the end of a cue.
        cue: when it is to be spoken, if that is given.
        ends_cue: whether it is the last part of its cue.
    """

    script: Script
    pause: float
    cue: CueTime | None = None
    ends_cue: bool = True


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
    """Whether a script needs the long form: it is too long for a pass after its voice, or has pauses or times."""
    return script.has_pauses or script.is_timed or exceeds_pass(script, format, voice_seconds)


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
    """Split a script into parts of at most about `seconds` each, and at every pause and every cue."""
    cues = groupby(script.turns, lambda turn: turn.cue)
    return [part for cue, turns in cues for part in _split_cue(cue, list(turns), seconds, script.frontend)]


def _split_cue(cue: CueTime | None, cue_turns: Sequence[Turn], seconds: float, frontend: Frontend) -> list[Part]:
    """Split the turns of one cue, or all turns of a script without times."""
    parts: list[Part] = []
    turns: list[Turn] = []
    for number, turn in enumerate(cue_turns, 1):
        turns.append(replace(turn, pause=0.0))
        if turn.pause or number == len(cue_turns):
            chunks = Script(tuple(turns), frontend=frontend).chunks(seconds)
            parts += [Part(chunk, 0.0, cue, False) for chunk in chunks[:-1]] + [
                Part(chunks[-1], turn.pause, cue, False)
            ]
            turns = []
    last = parts[-1]
    return [*parts[:-1], Part(last.script, last.pause if cue is None else 0.0, cue)]


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
