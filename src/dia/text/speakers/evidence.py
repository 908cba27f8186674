"""Decide by the whole text whether words that look like labels of speakers are labels.

Names cannot be known from a list, so what counts is how a text uses them: in a dialogue names come back, what follows
them is what people say, and most lines have one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from dia.text.speakers.labels import Label
from dia.text.speakers.words import LONE_ROLES, may_be_name, talk_in

_SAID = 240  # characters of what is said that are examined
_ENDS = re.compile(r"[.!?…。！？؟:][\"'”’)*_»\]]{0,3}(?:\s*</[^<>\n]{1,40}>)?$")
_ASKS = re.compile(r"[?？؟][\"'”’)*_»\]]{0,3}(?:\s*</[^<>\n]{1,40}>)?$")
_LONG_ENOUGH = 80  # a text of this length without a stop is no entry of a form
_TALKS = 0.75  # what is said then sounds like speech
_SURE = 3.0
_DOUBTFUL = 1.5


class Verdict(Enum):
    """What labels are: names of speakers, probably names, perhaps names, or other words."""

    NAMES = 3
    PROBABLY = 2
    PERHAPS = 1
    WORDS = 0


@dataclass(frozen=True)
class Evidence:
    """What a text shows about labels of one form.

    Attributes:
        labels: those that may be names, in order.
        others: the number of labels of this form that are no names by themselves, such as `Note:`.
        said: the beginning of what follows each label.
        lines: the number of lines of the text that are not blank.
        strays: single labels that were left out because two other names come back and these do not look like names.
    """

    labels: Sequence[Label]
    others: int
    said: Sequence[str]
    lines: int
    strays: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The keys of the names by first appearance."""
        return list(dict.fromkeys(label.name.key for label in self.labels))

    def count(self, key: str) -> int:
        """How many labels have a name."""
        return sum(label.name.key == key for label in self.labels)

    @property
    def returns(self) -> int:
        """How often a name comes back after another."""
        seen, last, found = set[str](), "", 0
        for label in self.labels:
            found += label.name.key in seen and label.name.key != last
            seen.add(label.name.key)
            last = label.name.key
        return found

    @property
    def talk(self) -> float:
        """The share of labels that are followed by what people say to each other."""
        return sum(map(talk_in, self.said)) / len(self.said)

    @property
    def entries(self) -> float:
        """The share of labels that are followed by an entry without a stop, as in a form or a list."""
        return sum(map(_is_entry, self.said)) / len(self.said)

    @property
    def answered(self) -> bool:
        """Whether another name follows a question."""
        pairs = zip(self.labels, self.said, self.labels[1:], strict=False)
        return any(_ASKS.search(said) and label.name.key != after.name.key for label, said, after in pairs)

    @property
    def addressed(self) -> bool:
        """Whether what is said mentions the name of another speaker."""
        names = [name for name in self.names if len(name) > 1]
        return any(
            re.search(rf"\b{re.escape(name)}\b", said, re.IGNORECASE)
            for label, said in zip(self.labels, self.said, strict=True)
            for name in names[:4]
            if name != label.name.key
        )

    @property
    def covered(self) -> float:
        """The share of lines that have a label; one that stands on a line of its own counts for two lines."""
        weight = 2 if self.labels[0].form == "line" else 1
        return min(1.0, weight * len(self.labels) / max(1, self.lines))

    @property
    def score(self) -> float:
        """How much speaks for a dialogue of two or more speakers."""
        labels, names = self.labels, self.names
        written = [label.name for label in labels]
        roles = [name.is_role for name in written]
        found = (
            2.5 * min(self.returns, 3) + 3 * self.talk - 2 * self.entries + 1.5 * self.addressed + 1.5 * self.answered
        )
        found += 2 * any(roles) + 0.5 * all(roles) + 2 * all(name.number is not None for name in written)
        found += all(name.is_upper for name in written) + 2 * all(label.timed for label in labels)
        found -= all(name.is_lower for name in written) + 1.5 * (len(labels) < 1.5 * len(names)) * (len(names) - 2)
        found -= 3 * (self.others >= len(labels)) + 2 * (self.covered < 0.2)
        form = labels[0].form
        return found - (form == "line") * (
            2 - all(label.marked or name.is_upper for label, name in zip(labels, written, strict=True))
        )


def evidence(text: str, labels: Sequence[Label]) -> Evidence | None:
    """The evidence for labels of one form; None if none of them may be a name."""
    opening = [label for label in labels if not label.closes]
    kept = [label for label in opening if may_be_name(label.name)]
    if not kept:
        return None
    ends = [*(label.start for label in kept[1:]), len(text)]
    said = [_first_line(text[label.end : min(end, label.end + _SAID)]) for label, end in zip(kept, ends, strict=True)]
    lines = sum(1 for line in text.splitlines() if line.strip())
    return _without_strays(Evidence(kept, len(opening) - len(kept), said, lines))


def _without_strays(found: Evidence) -> Evidence:
    """Leave out single labels such as `Later:` among those of two speakers who return."""
    core = [key for key in found.names if found.count(key) > 1]
    if len(core) != 2 or len(found.names) == 2:
        return found
    upper = all(label.name.is_upper for label in found.labels if label.name.key in core)
    pairs = list(zip(found.labels, found.said, strict=True))
    strays = [label for label, said in pairs if label.name.key not in core and not _speaks(label, said, upper)]
    kept = [(label, said) for label, said in pairs if label not in strays]
    labels, said = [label for label, _ in kept], [said for _, said in kept]
    return replace(found, labels=labels, said=said, strays=tuple(label.name.written for label in strays))


def _speaks(label: Label, said: str, upper: bool) -> bool:
    return label.name.is_role or (label.name.is_upper == upper and talk_in(said) >= _TALKS)


def _is_entry(said: str) -> bool:
    ends = _ENDS.search(said) or len(said) >= _LONG_ENOUGH
    return not ends and (said[:1].islower() or not talk_in(said))


def _first_line(said: str) -> str:
    return said.strip().partition("\n")[0].rstrip()


def verdict(found: Evidence) -> Verdict:
    """What the labels are."""
    if found.labels[0].form == "stop":
        return Verdict.NAMES if found.names == ["q", "a"] else Verdict.WORDS
    if len(found.names) == 1:
        return _verdict_on_one(found)
    if found.score >= _SURE:
        return Verdict.NAMES
    return Verdict.PERHAPS if found.score >= _DOUBTFUL else Verdict.WORDS


def _verdict_on_one(found: Evidence) -> Verdict:
    """What the labels of a text are that has only one name."""
    first = found.labels[0]
    if first.form in ("line", "dash", "bracket"):
        return Verdict.WORDS
    if first.name.number in (0, 1, 2) or (first.name.key in LONE_ROLES and found.covered > 0.2):
        return Verdict.NAMES
    talks = found.talk >= _TALKS and not found.entries
    if len(found.labels) > 1:
        often = found.covered > 0.5 and (talks or len(found.labels) > 2) and not found.entries
        return Verdict.PROBABLY if often else Verdict.WORDS
    if first.inline or found.others or not talks or found.covered < 0.5 or first.name.is_lower:
        return Verdict.WORDS
    return Verdict.PROBABLY if first.name.is_upper else Verdict.PERHAPS


__all__ = ["Evidence", "Verdict", "evidence", "verdict"]
