"""What each part of a long script continues from: earlier parts, or a voice.

Knows lines and codes; knows nothing of models.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import torch
from torch import Tensor

from dia.synthesis.takes.take import Line
from dia.text.prompt_format import Carry, continue_transcript
from dia.text.script import Script
from dia.text.tags import speakers_in


@dataclass
class PromptMemory:
    """Remembers earlier parts and selects those that precede the next part, to continue their voices and tone.

    Takes with faults are not remembered, so that faults do not spread.

    Attributes:
        carry: what to continue from: the "first" part, the "last", "both" or "nothing".
        voice: a voice that always comes first, in place of the first part.
    """

    carry: Carry
    voice: Line | None = None
    _first: Line | None = None
    _last: Line | None = None
    _by_speaker: dict[str, Line] = field(default_factory=dict)
    _added: list[tuple[Script, Tensor]] = field(default_factory=list)

    def prompt_for(self, script: Script) -> Line | None:
        """The prompt for a part, as a line without text; None for no prompt."""
        wanted = [self.voice or (self._first if self.carry in ("first", "both") else None)]
        if self.carry in ("last", "both"):
            wanted.append(self._last)
        lines = list(dict.fromkeys(line for line in wanted if line is not None))
        if self.carry != "nothing":
            present = set(chain.from_iterable(speakers_in(line.transcript) for line in lines))
            missing = {turn.speaker for turn in script.turns} - present
            lines = [self._by_speaker[name] for name in sorted(missing) if name in self._by_speaker] + lines
        return _join_lines(lines)

    def is_settled(self, script: Script) -> bool:
        """Whether `prompt_for(script)` stays the same whatever parts are added."""
        constant = self.voice or self._first
        if self.carry == "nothing":
            return True
        if self.carry != "first" or constant is None:
            return False
        return {turn.speaker for turn in script.turns} <= set(speakers_in(constant.transcript))

    def copied(self) -> "PromptMemory":
        """A copy, whose additions can be passed to `add_all` of this memory."""
        return replace(self, _by_speaker=dict(self._by_speaker), _added=[])

    def add_all(self, other: "PromptMemory") -> None:
        """Remember what was added to a copy."""
        for script, codes in other._added:
            self._remember(script, codes)

    def add(self, script: Script, codes: Tensor) -> None:
        """Remember a part without faults; codes: [T, C], those of its audio."""
        self._added.append((script, codes))
        self._remember(script, codes)

    def _remember(self, script: Script, codes: Tensor) -> None:
        self._last = Line("", codes, script.spoken)
        self._first = self._first or self._last
        self._by_speaker |= {turn.speaker: self._last for turn in script.turns}


def _join_lines(lines: Sequence[Line]) -> Line | None:
    if not lines:
        return None
    transcript = ""
    for line in lines:
        transcript = continue_transcript(transcript, line.transcript)
    return Line("", torch.cat([line.prompt for line in lines if line.prompt is not None]), transcript)


__all__ = ["PromptMemory"]
