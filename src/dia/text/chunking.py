"""Cuts a long text into pieces at sentences, clauses and words, and gathers pieces into groups of even size.

Knows sizes and punctuation. Knows nothing of speakers or seconds.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence

# Beside the English ones the ends of other languages, for models whose text is not brought into ASCII.
_SENTENCE_END = re.compile(
    r"(?<=[.!?…؟।。！？]) (?![a-z])|(?<=[.!?…؟।。！？][\"'”»)]) |(?<=[^.]\.) (?=[a-z])|(?<=[!?]) (?=[a-z])"
)
_CLAUSE_END = re.compile(r"(?<=[,;:،、，；：]) ")
_WORD = re.compile(r"[^\s({]*(?:\([A-Za-z]+ [A-Za-z]+\)|\{[^{}]*\})\S*|\S+")
# Members under this share of the limit are not worth a place to cut at: 80 at most are tried for a group.
_CRUMB = 1 / 40
# Beside the unevenness of a group, (1 - its share of the limit)².
_COSTS = ((re.compile(r"[.!?…؟।。！？][\"'”»)]?$"), 0.1), (re.compile(r"[,;:،、，；：]$"), 0.2))
_COST_INSIDE_A_CLAUSE = 0.3


def pieces(text: str, limit: float, size: Callable[[str], float]) -> list[str]:
    """Cut a text at blanks: into its sentences, of those over the limit the clauses, of those in turn the words.

    A single word over the limit stays whole, and what holds no letters stays with its neighbour.

    Args:
        text: with single blanks between words; the pieces joined by blanks are the text again.
        limit: the size that a piece may have.
        size: measures a piece.
    """
    parts = (
        part
        for sentence in _SENTENCE_END.split(text)
        for clause in (_CLAUSE_END.split(sentence) if size(sentence) > limit else [sentence])
        for part in (_WORD.findall(clause) if size(clause) > limit else [clause])
    )
    return _with_words(parts)


def sentences_of(text: str) -> list[str]:
    """The sentences of a text with single blanks between words; joined by blanks they are the text again."""
    return pieces(text, math.inf, len)


def _with_words(parts: Iterable[str]) -> list[str]:
    """Parts that hold letters; those that do not stay with their neighbours, for nobody could speak them alone."""
    groups: list[list[str]] = []
    worded = False
    for part in parts:
        words = any(character.isalpha() for character in part)
        if groups and not (words and worded):
            groups[-1].append(part)
            worded = worded or words
        else:
            groups.append([part])
            worded = words
    return [" ".join(group) for group in groups]


def cost_after(piece: str) -> float:
    """What it costs to cut after a piece that is not the end of a turn: least after a sentence."""
    return next((cost for end, cost in _COSTS if end.search(piece)), _COST_INSIDE_A_CLAUSE)


def even_groups(sizes: Sequence[float], limit: float, costs: Sequence[float]) -> list[range]:
    """Gather neighbours into groups of at most `limit`, as few and as even as the costs of cutting allow.

    Least is the sum over groups of (1 - size / limit)², plus the costs of the places cut at. A member over the limit
    makes a group of its own.

    Args:
        sizes: of the members, one or more.
        limit: the most that a group may sum to.
        costs: of cutting before each member; the first counts for nothing.
    """
    members = _without_crumbs(sizes, limit * _CRUMB)
    totals = [sum(sizes[member.start : member.stop]) for member in members]
    starts = _best_starts(totals, limit, [costs[member.start] for member in members])
    groups, end = [], len(members)
    while end:
        start = starts[end]
        groups.append(range(members[start].start, members[end - 1].stop))
        end = start
    return groups[::-1]


def _without_crumbs(sizes: Sequence[float], crumb: float) -> list[range]:
    members: list[range] = []
    room = 0.0
    for index, size in enumerate(sizes):
        if size <= room:
            members[-1] = range(members[-1].start, index + 1)
            room -= size
        else:
            members.append(range(index, index + 1))
            room = crumb - size
    return members


def _best_starts(sizes: Sequence[float], limit: float, costs: Sequence[float]) -> list[int]:
    """For every end, 1 to the number of members, where the last group before it begins; [0] means nothing."""
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


__all__ = ["cost_after", "even_groups", "pieces", "sentences_of"]
