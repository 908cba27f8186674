"""Split English into sentences, in written or in spoken form.

`dia.text.english.abbreviations` decides about the full stops of abbreviations, `dia.text.english.lines` about line
breaks. This module decides about the other punctuation: quotations and who says them, ellipses, calls.
"""

import re
from itertools import pairwise

from dia.text.characters.edited import EditedText
from dia.text.english.abbreviation_table import STARTERS
from dia.text.english.abbreviations import expanded_in_place
from dia.text.english.lines import with_line_ends

_CANDIDATE = re.compile(r"([.!?…]+(?: [.…])*)([\"'”’»)\]]*)(\s+)(?=\S)|[^\s.!?…]\n")
_WINDOW = 80  # characters after a stop that decide about it
_OPENED = re.compile(r"[\"'“‘«(\[]")
_SAYS = (
    "said|says|asked|asks|cried|cries|called|shouted|whispered|replied|answered|exclaimed|yelled|screamed|muttered"
    "|demanded|added|inquired|wondered|laughed|sighed|murmured|repeated|continued|roared|begged|began|snapped|growled"
)
_WHO_SAYS_IT = re.compile(rf"(?:I|(?:[A-Z][\w'-]*\.? ){{0,2}}([A-Z][\w'-]*)) (?:{_SAYS})\b")


def sentences(text: str) -> list[str]:
    """The sentences of an English text, without white space at their ends.

    Lines of a list or of verse and headings are sentences, the lines of wrapped prose are not. The running time is
    linear.
    """
    read = expanded_in_place(with_line_ends(EditedText.of(text)))
    cuts = [read.position(match.end() - 1) for match in _CANDIDATE.finditer(read.text) if _ends_sentence(match)]
    bounds = [0, *(cut + 1 for cut in cuts), len(text)]
    parts = (text[start:end].strip() for start, end in pairwise(bounds))
    return [part for part in parts if part]


def _ends_sentence(match: re.Match[str]) -> bool:
    if "\n" in match[0]:
        return True
    stops, closers = match[1], match[2]
    if match.string[max(0, match.start() - 1) : match.start()] == "[":  # an omission: [...]
        return False
    after = match.string[match.end() : match.end() + _WINDOW]
    if after[0].islower():
        return not closers and (stops == "." or (stops[-1] in "!?" and not _is_name(match)))
    if stops == "…" or (len(stops) > 1 and stops[-1] in ".…"):
        return not re.match(r"I\b", after)
    if closers and stops != ".":
        says = _WHO_SAYS_IT.match(after)
        return not (says and says[1] not in STARTERS)
    return True


def _is_name(match: re.Match[str]) -> bool:
    """Whether a capitalized word inside a sentence is before the mark: `He watched Jeopardy! every night.`"""
    before = match.string[max(0, match.start() - _WINDOW) : match.start()].split()
    return len(before) > 1 and before[-1][0].isupper() and before[-2][-1].isalnum()


__all__ = ["sentences"]
