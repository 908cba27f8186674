"""Split a long text at sentences, clauses and words, and merge the pieces into groups of similar size.

Independent of speakers and durations.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence

from dia.text.english.lists import UNFINISHED
from dia.text.english.sentences import sentences as english_sentences
from dia.text.prompt_format import Frontend

# Of a text in any language.
_SENTENCE_END = re.compile(
    r"(?<=[.!?…؟।。！？]) (?![a-z])|(?<=[.!?…؟।。！？][\"'”»)]) |(?<=[^.]\.) (?=[a-z])|(?<=[!?]) (?=[a-z])"
)
_CLAUSE_END = re.compile(r"(?<=[,;:،、，；：]) ")
_WORD = re.compile(r"[^\s({]*(?:\([A-Za-z]+ [A-Za-z]+\)|\{[^{}]*\})\S*|\S+")
# Members below this share of the limit are merged before the search, so that it tries at most 80 members per group.
_SMALL = 1 / 40
# The costs of cutting after a sentence or a clause. The cost of an uneven group is (1 - its share of the limit)².
_COSTS = ((re.compile(r"[.!?…؟।。！？][\"'”»)]?$"), 0.1), (re.compile(r"[,;:،、，；：]$"), 0.2))
_COST_INSIDE_A_CLAUSE = 0.3
# After a word that belongs to the next, such as a first name or "the"; in English only.
_COST_INSIDE_A_PHRASE = 0.45
_NAME_OR_INITIAL = re.compile(r"\b[A-Z](?:\.|[\w'-]*)$")
_LONGEST_WORD = 24  # characters at the end of a piece that decide about its cost


def pieces(text: str, limit: float, size: Callable[[str], float], frontend: Frontend = "en") -> list[str]:
    """Split a text into sentences, sentences over the limit into clauses, and clauses over the limit into words.

    A single word over the limit stays whole. A piece without letters is merged into its neighbor. The pieces joined
    by spaces are the original text.

    Args:
        text: the text, with single spaces between words.
        limit: the maximum size of a piece.
        size: returns the size of a piece.
        frontend: with "en", sentences end as in English; with "none", at the punctuation of any language.
    """
    parts = (
        part
        for sentence in (english_sentences(text) if frontend == "en" else _SENTENCE_END.split(text))
        for clause in (_CLAUSE_END.split(sentence) if size(sentence) > limit else [sentence])
        for part in (_WORD.findall(clause) if size(clause) > limit else [clause])
    )
    return _with_words(parts)


def sentences_of(text: str, frontend: Frontend = "en") -> list[str]:
    """Split a text, with single spaces between words, into sentences. Joined by spaces, they are the original text."""
    return pieces(text, math.inf, len, frontend)


def _with_words(parts: Iterable[str]) -> list[str]:
    """Merge parts without letters into their neighbors, because they cannot be spoken alone."""
    groups: list[list[str]] = []
    has_words = False
    for part in parts:
        words = any(character.isalpha() for character in part)
        if groups and not (words and has_words):
            groups[-1].append(part)
            has_words = has_words or words
        else:
            groups.append([part])
            has_words = words
    return [" ".join(group) for group in groups]


def cut_cost(piece: str, frontend: Frontend = "en") -> float:
    """The cost of cutting after a piece inside a turn: lowest after a sentence, highest inside a phrase."""
    tail = piece[-_LONGEST_WORD:]
    if frontend == "en" and (UNFINISHED.search(tail) or _NAME_OR_INITIAL.search(tail)):
        return _COST_INSIDE_A_PHRASE
    return next((cost for end, cost in _COSTS if end.search(tail)), _COST_INSIDE_A_CLAUSE)


def even_groups(sizes: Sequence[float], limit: float, costs: Sequence[float]) -> list[range]:
    """Merge consecutive members into groups of at most `limit`, as few and as even as the costs of cutting allow.

    Minimizes the sum over groups of (1 - size / limit)², plus the costs of all cuts. A member over the limit forms its
    own group.

    Args:
        sizes: the sizes of the members, one or more.
        limit: the maximum size of a group.
        costs: the costs of cutting before each member; the first is ignored.
    """
    members = _merge_small(sizes, limit * _SMALL)
    totals = [sum(sizes[member.start : member.stop]) for member in members]
    starts = _best_starts(totals, limit, [costs[member.start] for member in members])
    groups, end = [], len(members)
    while end:
        start = starts[end]
        groups.append(range(members[start].start, members[end - 1].stop))
        end = start
    return groups[::-1]


def _merge_small(sizes: Sequence[float], limit: float) -> list[range]:
    members: list[range] = []
    remaining = 0.0
    for index, size in enumerate(sizes):
        if size <= remaining:
            members[-1] = range(members[-1].start, index + 1)
            remaining -= size
        else:
            members.append(range(index, index + 1))
            remaining = limit - size
    return members


def _best_starts(sizes: Sequence[float], limit: float, costs: Sequence[float]) -> list[int]:
    """For every end, from 1 to the number of members, the start of the last group before it; item 0 is unused."""
    least, starts = [0.0], [0]
    for end in range(1, len(sizes) + 1):
        best, best_start, total = float("inf"), end - 1, 0.0
        for start in range(end - 1, -1, -1):
            total += sizes[start]
            if total > limit and start < end - 1:
                break
            cost = least[start] + (1 - total / limit) ** 2 + (costs[start] if start else 0.0)
            if cost < best:
                best, best_start = cost, start
        least.append(best)
        starts.append(best_start)
    return starts


__all__ = ["cut_cost", "even_groups", "pieces", "sentences_of"]
