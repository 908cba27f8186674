"""Decide by the whole text whether words that look like labels of speakers are labels.

Names cannot be known from a list, so what counts is how a text uses them: in a dialogue names come back, what follows
them is what people say, and most lines have one.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property

from dia.text.speakers.given_names import GIVEN_NAMES
from dia.text.speakers.labels import Form, Label
from dia.text.speakers.words import ASKING, LONE_ROLES, Name, is_greeting, may_be_name, talk_in

_ADDRESSED = 10  # names that are looked for in what others say
_SAID = 240  # characters of what is said that are examined
_ENDS = re.compile(r"[.!?…。！？؟:][\"'”’)*_»\]]{0,3}(?:\s*</[^<>\n]{1,40}>)?$")
_ASKS = re.compile(r"[?？؟][\"'”’)*_»\]]{0,3}(?:\s*</[^<>\n]{1,40}>)?$")
_DESCRIBES = re.compile(r"(?:He|She|They|His|Her|Their|Who|Is|Was|Born|Age|Aged)\b")  # Anna: She runs the shop.
_ARTICLE = re.compile(r"(?:An?|The)\b")  # Rose: A red flower.
_LONG_ENOUGH = 80  # a text of this length without a stop is no entry of a form
_TALKS = 0.75  # what is said then sounds like speech
_COVERED = 0.2  # the share of lines with a label below which a text is no dialogue
_SOME_TALK = 1 / 3  # of what is said, if a name comes back once
_MOST = 0.4
_ALL = 0.9  # nearly all lines have a label
_SURE = 3.0  # a score that decides
_DOUBTFUL = 1.5  # a score that is worth a warning


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
        closed: whether labels have an end, as `<Alice>…</Alice>`.
        strays: single labels that were left out because two other names come back and these do not look like names.
    """

    labels: Sequence[Label]
    others: int
    said: Sequence[str]
    lines: int
    closed: bool = False
    strays: tuple[str, ...] = ()

    @cached_property
    def count(self) -> Mapping[str, int]:
        """How many labels have each name, by key and by first appearance."""
        return Counter(label.name.key for label in self.labels)

    @property
    def names(self) -> list[str]:
        """The keys of the names by first appearance."""
        return list(self.count)

    @cached_property
    def returns(self) -> int:
        """How often a name comes back after another."""
        seen, last, found = set[str](), "", 0
        for label in self.labels:
            found += label.name.key in seen and label.name.key != last
            seen.add(label.name.key)
            last = label.name.key
        return found

    @cached_property
    def talk(self) -> float:
        """The share of labels that are followed by what people say to each other."""
        return sum(map(talk_in, self.said)) / len(self.said)

    @cached_property
    def entries(self) -> float:
        """The share of labels that are followed by an entry without a stop, as in a form or a list."""
        return sum(map(_is_entry, self.said)) / len(self.said)

    @cached_property
    def answered(self) -> bool:
        """Whether another name follows a question."""
        pairs = zip(self.labels, self.said, self.labels[1:], strict=False)
        return any(_ASKS.search(said) and label.name.key != after.name.key for label, said, after in pairs)

    @cached_property
    def addressed(self) -> bool:
        """Whether what is said mentions the name of another speaker."""
        names = [re.escape(name) for name in self.names if len(name) > 1][:_ADDRESSED]
        called = re.compile(rf"\b(?:{'|'.join(names) or '(?!)'})\b", re.IGNORECASE)
        return any(
            match[0].casefold() != label.name.key
            for label, said in zip(self.labels, self.said, strict=True)
            for match in called.finditer(said)
        )

    @cached_property
    def covered(self) -> float:
        """The share of lines that have a label; one that stands on a line of its own counts for two lines."""
        weight = 2 if self.form == "line" else 1
        return min(1.0, weight * len(self.labels) / max(1, self.lines))

    @cached_property
    def greets(self) -> bool:
        """Whether what is said begins with a greeting or an answer somewhere."""
        return any(map(is_greeting, self.said))

    @cached_property
    def roles(self) -> float:
        """The share of labels that name a role."""
        return sum(label.name.is_role for label in self.labels) / len(self.labels)

    def every(self, shape: Callable[[Label], bool]) -> bool:
        """Whether every label has a shape."""
        return all(map(shape, self.labels))

    @cached_property
    def complete(self) -> bool:
        """Whether every line is a sentence after one of two labels."""
        sentences = not self.entries and not any(said[:1].islower() for said in self.said)
        return len(self.count) == 2 and self.covered > _ALL and sentences

    @cached_property
    def upper(self) -> bool:
        """Whether every name is in capitals."""
        return self.every(lambda label: label.name.is_upper)

    @cached_property
    def lower(self) -> bool:
        """Whether most names are in small letters."""
        return sum(label.name.is_lower for label in self.labels) > len(self.labels) / 2

    @cached_property
    def is_company(self) -> bool:
        """Whether three or more people surely speak; the text is then refused, so more has to show it."""
        return self.talk > _MOST and self.covered > _MOST and not self.lower and self.entries < _COVERED

    @cached_property
    def timed(self) -> bool:
        """Whether a time stands beside every name."""
        return self.every(lambda label: label.timed)

    @cached_property
    def is_exchange(self) -> bool:
        """Whether more than words such as "I" shows that several people speak."""
        upper = self.form != "line" and self.upper and self.talk
        meant = any(label.directed or label.name.has_title for label in self.labels)
        talks = (
            self.returns > 1
            or (self.returns and self.talk > _SOME_TALK)
            or self.answered
            or self.addressed
            or self.greets
        )
        return bool(talks or self.roles or self.closed or upper or self.timed or meant)

    @property
    def are_people(self) -> bool:
        """Whether every line is a sentence after one of two given names, and none describes who has the name."""
        given = all(set(name.split()) & GIVEN_NAMES for name in self.names)
        defines = all(map(_ARTICLE.match, self.said))
        return given and self.complete and not defines and not any(map(_DESCRIBES.match, self.said))

    @property
    def form(self) -> Form:
        """How the labels are written."""
        return self.labels[0].form

    @cached_property
    def score(self) -> float:
        """How much speaks for a dialogue of two or more speakers."""
        names, line = len(self.names), self.form == "line"
        singles = max(0, names - 2) * (len(self.labels) < 1.5 * names)
        return (
            3.0 * min(self.returns, 3) * min(1.0, self.covered / _MOST)
            + 3.0 * self.talk
            + 1.5 * self.addressed
            + 1.5 * self.answered
            + 0.5 * self.greets
            + 2.0 * (self.roles > 0)
            + 0.5 * (self.roles == 1)
            + 2.0 * any(label.name.has_title for label in self.labels)
            + 2.0 * self.every(lambda label: label.name.is_numbered)
            + 3.0 * sum(label.directed for label in self.labels) / len(self.labels) * (not self.lower)
            + 2.5 * (self.closed and names == 2)
            + 3.0 * self.timed
            + 1.5 * self.upper
            + 1.5 * (self.complete and (self.upper or max(map(talk_in, self.said)) == 1))
            + 1.0 * any(label.name.key in LONE_ROLES for label in self.labels)
            - (1.0 if self.covered > _MOST else 6.0) * self.lower
            - (1.0 if self.returns else 1.5) * line
            - 0.5 * (line and not self.every(lambda label: label.marked or label.name.is_upper))
            - 2.0 * self.entries * (not self.timed)
            - 1.5 * singles
            - 3.0 * (self.others >= len(self.labels))
            - 2.0 * (self.covered < _COVERED)
        )


def evidence(text: str, labels: Sequence[Label]) -> Evidence | None:
    """The evidence for labels of one form; None if none of them may be a name."""
    opening = [label for label in labels if not label.closes]
    counted = _without_values(opening, _said(text, opening))
    kept = [label for label in counted if _may_be_speaker(label)]
    if not kept:
        return None
    lines = sum(1 for line in text.splitlines() if line.strip())
    closed = len(opening) < len(labels)
    return _without_strays(Evidence(kept, len(counted) - len(kept), _said(text, kept), lines, closed))


def _said(text: str, labels: Sequence[Label]) -> list[str]:
    """The beginning of what follows each label."""
    ends = [*(label.start for label in labels[1:]), len(text)]
    return [
        _first_line(text[label.end : min(end, label.end + _SAID)]) for label, end in zip(labels, ends, strict=True)
    ]


def _without_values(labels: Sequence[Label], said: Sequence[str]) -> list[Label]:
    """Leave out labels before a figure, `Width: 20`, unless their name shows elsewhere that it is a speaker's.

    It does if words follow it elsewhere. In a text with two such speakers or more, names of people may be followed by
    figures only; in a text with one, one other name: that of a person, or of who answers a question.
    """
    alone = len({label.name.key for label in labels if _may_be_speaker(label)}) == 1
    values = [_is_value(label, words, alone) for label, words in zip(labels, said, strict=True)]
    named = [(label.name.key, value) for label, value in zip(labels, values, strict=True) if _may_be_speaker(label)]
    speakers = {key for key, value in named if not value}
    silent = {key for key, _ in named} - speakers
    if len(speakers) == len(silent) == 1:
        answers = any(
            _ASKS.search(words) and label.name.key in speakers and after.name.key in silent
            for label, words, after in zip(labels, said, labels[1:], strict=False)
        )
        if answers or any(label.name.key in silent and _is_person(label) for label in labels):
            speakers |= silent
    if len(speakers) > 1:
        speakers |= {label.name.key for label in labels if label.name.key in silent and _is_person(label)}
    return [label for label, value in zip(labels, values, strict=True) if not value or label.name.key in speakers]


def _is_value(label: Label, said: str, alone: bool) -> bool:
    """Whether a figure follows a colon, and nothing that only people say."""
    if label.form != "colon" or not said[:1].isdigit():
        return False
    tells = label.name.key in LONE_ROLES and len(said.split()) > 2 and _ENDS.search(said)  # Narrator: 20 years later.
    return not tells and (alone or talk_in(said) < 1)


def _is_person(label: Label) -> bool:
    """Whether it shows by itself that it names a person; after other words, `Mark: 4:5` may be anything."""
    words = label.name.key.split()
    return not label.inline and (label.name.is_role or label.name.has_title or bool(set(words) & GIVEN_NAMES))


def _may_be_speaker(label: Label) -> bool:
    return may_be_name(label.name) or _is_user(label)


def _is_user(label: Label) -> bool:
    """Whether it is the name of a user in a chat, `[19:02] kim_dev: Hi.`, and not of a variable."""
    return label.timed and may_be_name(Name.of(label.name.written.replace("_", "")))


def _without_strays(found: Evidence) -> Evidence:
    """Leave out single labels such as `Later:` among those of two speakers who return."""
    core = {key for key, times in found.count.items() if times > 1}
    if len(core) != 2 or len(found.names) == 2:
        return found
    upper = all(label.name.is_upper for label in found.labels if label.name.key in core)
    pairs = list(zip(found.labels, found.said, strict=True))
    kept = [pair for pair in pairs if pair[0].name.key in core or _speaks(*pair, upper)]
    labels, said = [label for label, _ in kept], [said for _, said in kept]
    keys = {label.name.key for label in labels}
    strays = tuple(label.name.written for label in found.labels if label.name.key not in keys)
    return replace(found, labels=labels, said=said, strays=strays)


def _speaks(label: Label, said: str, upper: bool) -> bool:
    return label.name.is_role or (label.name.is_upper == upper and talk_in(said) >= _TALKS)


def _is_entry(said: str) -> bool:
    ends = _ENDS.search(said) or len(said) >= _LONG_ENOUGH
    return not ends and (said[:1].islower() or not talk_in(said))


def _first_line(said: str) -> str:
    return said.strip().partition("\n")[0].rstrip()


def verdict(found: Evidence) -> Verdict:
    """What the labels are."""
    if found.form == "mark" and found.labels[0].inline:
        return Verdict.WORDS
    if found.form == "stop" and found.names != ["q", "a"] and not found.returns:
        return Verdict.WORDS
    if len(found.names) == 1:
        return _verdict_on_one(found)
    if found.form in ("colon", "mark") and found.every(lambda label: label.name.number is not None):
        return Verdict.NAMES
    if found.score >= _SURE and (len(found.names) == 2 or found.is_company):
        if found.is_exchange:
            return Verdict.NAMES
        return Verdict.PROBABLY if found.form != "line" or found.returns else Verdict.PERHAPS
    if found.are_people and found.form in ("colon", "dash"):
        return Verdict.PROBABLY
    doubtful = found.score >= _DOUBTFUL or (found.complete and found.form != "line" and not found.others)
    return Verdict.PERHAPS if doubtful else Verdict.WORDS


def _verdict_on_one(found: Evidence) -> Verdict:
    """What the labels of a text are that has only one name."""
    first = found.labels[0]
    if first.form in ("line", "dash", "bracket", "stop") or first.name.key in ASKING:
        return Verdict.WORDS
    if first.name.number in (0, 1, 2) or (first.name.key in LONE_ROLES and found.covered > _COVERED):
        return Verdict.NAMES
    talks = found.talk >= _TALKS and not found.entries
    if len(found.labels) > 1:
        often = found.covered > 0.5 and (talks or len(found.labels) > 2) and not found.entries
        return Verdict.PROBABLY if often else Verdict.WORDS
    if first.inline or found.others or not talks or found.covered < 0.5 or first.name.is_lower:
        return Verdict.WORDS
    return Verdict.PROBABLY if first.name.is_upper else Verdict.PERHAPS


__all__ = ["Evidence", "Verdict", "evidence", "verdict"]
