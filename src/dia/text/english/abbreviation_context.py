"""An abbreviation with its full stop and the text around it, by which rules decide what is said.

Independent of the abbreviations: `dia.text.english.abbreviations`, `references` and `titles_and_places` contain
the rules.
"""

import re
from typing import NamedTuple

from dia.text.english import abbreviation_table as table

REACH = 48  # characters on each side that decide about an abbreviation
Said = str | None  # the words with or without a full stop; None leaves the text as it is

_LAST_WORD = re.compile(r"(?<![\w.])([\w'-]+\.?),? ?$")
_FIRST_WORD = re.compile(r"[\"')\]]* ?[\"'(]*([A-Za-z][\w'-]*)")
_END = re.compile(r"[\"')\]]* *(?:\n|$)")
_QUOTED = re.compile(r" [\"'][A-Z]")
_CAPITAL = re.compile(r"[\"')\]]* [\"'(]*[A-Z]")
_CAPITAL_AFTER_QUOTE = re.compile(r"[\"')\]]+ [\"'(]*[A-Z]")
NAME = re.compile(r" ?[\"']?[A-Z]")


class Found(NamedTuple):
    """An abbreviation with its full stop, and the text on both sides of it."""

    word: str
    before: str
    after: str

    @classmethod
    def of(cls, match: re.Match[str], word: str) -> "Found":
        """A match, with the characters that decide about it."""
        start, end = match.span()
        return cls(word, match.string[max(0, start - REACH) : start], match.string[end : end + REACH])

    @property
    def previous(self) -> str:
        """The word before; empty at the start of a sentence."""
        match = _LAST_WORD.search(self.before)
        return match[1] if match else ""

    @property
    def next(self) -> str:
        """The word after, with its first letter as in the text; empty if there is none."""
        match = _FIRST_WORD.match(self.after)
        return match[1] if match else ""

    @property
    def is_last(self) -> bool:
        """Whether the text, or its line, ends here."""
        return bool(_END.match(self.after))

    def starts(self, words: frozenset[str] = table.STARTERS) -> bool:
        """Whether a quotation follows, or one of the words that often begin a sentence."""
        follows = self.next
        if self.after.startswith(" ") and _QUOTED.match(self.after):
            return True
        return bool(follows) and follows[0].isupper() and (follows.capitalize() in words)

    @property
    def ends_if_any_capital_follows(self) -> bool:
        return self.is_last or bool(_CAPITAL.match(self.after))

    @property
    def ends_if_starter_follows(self) -> bool:
        return self.is_last or self.starts() or bool(_CAPITAL_AFTER_QUOTE.match(self.after))


def stop(ends: bool) -> str:
    """The full stop of an abbreviation: kept if a sentence ends."""
    return "." if ends else ""


def weak(found: Found, spoken: str) -> Said:
    """`Inc.`: a sentence ends only before a word that often begins one, as names may follow."""
    return spoken + stop(found.ends_if_starter_follows)


__all__ = ["NAME", "REACH", "Found", "Said", "stop", "weak"]
