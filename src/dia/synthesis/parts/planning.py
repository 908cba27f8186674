"""How a script is cut into parts of one pass each: what `dia say` speaks, and `dia read` shows before.

Knows scripts and the conventions of a checkpoint. Loads no torch, and knows nothing of models, voices' sound or files.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from dia.text.prompt_format import Carry, PromptFormat
from dia.text.script import Script, Turn

_SHORTEST = 2.0  # seconds of a part; less has no melody
_ROOM_SECONDS = 5.0  # of new speech behind a voice; shorter parts have no melody, and cost as much


@dataclass(frozen=True)
class Part:
    """What one pass says of a script, and the digital silence asked for behind it, in seconds."""

    script: Script
    pause: float


@dataclass(frozen=True)
class Before:
    """What a voice brings to every part: who speaks in its recording, such as "S1", and for how many seconds."""

    speakers: Collection[str] = ()
    seconds: float = 0.0


NOBODY = Before()


def passes_of(script: Script, format: PromptFormat, before: Before = NOBODY) -> list[Part]:
    """The parts that a script is spoken in; a single one, the script, where one pass is enough."""
    if is_long(script, format, before.seconds):
        return plan(script, format, before=before)
    return [Part(script, 0.0)]


def is_long(script: Script, format: PromptFormat, before: float = 0.0) -> bool:
    """Whether a script, behind `before` seconds of a recording, is longer than a pass speaks well, or has pauses."""
    return script.has_pauses or is_over_a_pass(script, format, before)


def is_over_a_pass(script: Script, format: PromptFormat, before: float = 0.0) -> bool:
    """Whether a script, behind `before` seconds of a recording, is longer than a pass speaks well."""
    return script.seconds > format.pass_seconds - before


def plan(script: Script, format: PromptFormat, carry: Carry | None = None, before: Before = NOBODY) -> list[Part]:
    """The parts of the long form: shorter ones where a later speaker has to be carried beside the first part.

    Args:
        script: what to say.
        format: the conventions of the model.
        carry: what each part continues from; by default the model's.
        before: the voice that goes before every part.
    """
    carry, seconds = carry or format.carry, format.pass_seconds
    parts = parts_of(script, part_seconds(seconds, carry, before.seconds))
    heard = set(before.speakers) or {turn.speaker for turn in parts[0].script.turns}
    if carry == "nothing" or {turn.speaker for turn in script.turns} <= heard:
        return parts
    return parts_of(script, part_seconds(seconds, carry, before.seconds, more=1))


def parts_of(script: Script, seconds: float) -> list[Part]:
    """Cut a script into parts of at most about `seconds` each, and wherever a pause is asked for."""
    parts: list[Part] = []
    turns: list[Turn] = []
    for number, turn in enumerate(script.turns, 1):
        turns.append(replace(turn, pause=0.0))
        if turn.pause or number == len(script.turns):
            chunks = Script(tuple(turns), ()).chunks(seconds)
            parts += [Part(chunk, 0.0) for chunk in chunks[:-1]] + [Part(chunks[-1], turn.pause)]
            turns = []
    return parts


def room_for(script: Script) -> float:
    """The seconds of a pass that a voice is to leave free: those of the script, or enough to sound natural."""
    return min(_ROOM_SECONDS, script.seconds)


def part_seconds(pass_seconds: float, carry: Carry, voice_seconds: float = 0.0, more: int = 0) -> float:
    """How long a part may be so that it and what is carried, with `more` parts beside, fill a pass."""
    carried = {"nothing": 0, "first": 1, "last": 1, "both": 2}[carry] + more
    if voice_seconds and carry in ("first", "both"):
        carried -= 1
    return max(_SHORTEST, (pass_seconds - voice_seconds) / (1 + carried))


__all__ = [
    "NOBODY",
    "Before",
    "Part",
    "is_long",
    "is_over_a_pass",
    "part_seconds",
    "parts_of",
    "passes_of",
    "plan",
    "room_for",
]
