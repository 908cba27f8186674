"""The result of reading a file format: a script, with the times that the file gives."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from dia.text.characters.edited import EditedText
from dia.text.turns import CueTime, Turn


@dataclass(frozen=True)
class Content:
    """A script from a file.

    Attributes:
        text: the script; its positions refer to the file.
        text_format: the format of `text`.
        warnings: each states a fact and its remedy.
        names: the speaker, S1 or S2, of each name that the format itself marks as one; `text` has tags instead.
        times: the time of each cue with words; empty if times are not kept.
        starts: the position in the file of the first word of each of these cues.
    """

    text: EditedText
    text_format: str = "plain"
    warnings: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    times: Sequence[CueTime] = ()
    starts: Sequence[int] = ()

    def timed(self, turns: Iterable[Turn]) -> tuple[Turn, ...]:
        """The turns of the script, each with the time of its cue if times are kept."""
        if not self.times:
            return tuple(turns)
        return tuple(replace(turn, cue=self._cue_at(turn.span[0])) for turn in turns)

    def _cue_at(self, position: int) -> CueTime:
        return self.times[max(0, bisect_right(self.starts, position) - 1)]


__all__ = ["Content"]
