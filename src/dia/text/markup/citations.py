"""Leave out footnotes and the marks that refer to sources and notes: `[1]`, `[4–6]`, `[^1]`, raised numbers."""

import re
from collections.abc import Iterator

from dia.text.characters.edited import Edit, EditedText

_NUMBER = r"[1-9]\d{0,2}"
_NUMBERS = rf"{_NUMBER}(?: ?[,;–—-] ?{_NUMBER}){{0,30}}"
_NOTE = r"(?:note|notes|nb|n|fn|lower-alpha|upper-alpha|footnote) ?\d{1,3}"
_PAGE = r"(?:, ?(?:pp?\. ?|§ ?)\d{1,4}(?:[–—-]\d{1,4})?)?"  # [3, p. 12]
_QUERY = (
    r"(?:citation|clarification|verification|attribution|page|year|date|better source|full citation|quotation|"
    r"additional citations?|example|original research\?|non-primary source|third-party source) ?(?:needed)|"
    r"(?:who|when|where|why|which|what|whose|how|by whom|according to whom|for whom|to whom|vague|dubious|"
    r"dead link|broken anchor|failed verification|unreliable source|original research|importance|weasel words|"
    r"discuss|opinion|relevant|specify|sic)\?|dubious – discuss|not verified in body|failed verification|"
    r"original research|permanent dead link|dead link|edit"
)
_REFERENCE = re.compile(rf"\[ ?(?:{_NUMBERS}{_PAGE}|{_NOTE}|[a-z]|(?:{_QUERY})) ?\]", re.IGNORECASE)
_BARE = re.compile(rf"\(?(?:{_NUMBERS}|[a-z]|[*†‡§¶↑↩^]+|{_NOTE})\)?", re.IGNORECASE)
# A mark in brackets, its neighbors, and the page after it: .[12]: 45 or .[12]:45–46
_MARKS = re.compile(
    rf" ?\[\^[^\[\]\s]{{1,40}}\]"
    rf"|( ?)((?:{_REFERENCE.pattern})(?: ?(?:[-–—,;]|and|&)? ?(?:{_REFERENCE.pattern})){{0,20}})"
    r"(:[\u2000-\u200a\u202f\xa0 ]?\d{1,4}(?:[–—-]\d{1,4})?(?:, ?\d{1,4}(?:[–—-]\d{1,4})?){0,5}(?![\d:]))?",
    re.IGNORECASE,
)
# Before these words a number in brackets is part of the sentence: "as in [5]", "the list [1, 2]".
_NOUN_BEFORE = re.compile(
    r"\b(?:in|see|of|by|from|to|with|and|or|cf\.?|per|following|refs?\.?|references?|array|list|vector|tuple|set|range|"
    r"interval|matrix|index|point|is|are|returns?|gives?|equals?|section|eq\.?|equation)$|[=(,]$",
    re.IGNORECASE,
)
_ONLY_NUMBERS = re.compile(r"[\d\s,;–—\[\]-]+")
_LETTER = re.compile(r"\[[A-Za-z]\]")
_CHANGED = re.compile(r"(?:[A-Za-z]\[[sd]|(?:^|[^A-Za-z])[A-Za-z]\[[a-z])\]$")
# Before these words a number in brackets is read: "as reference 5 shows".
_CITED_BEFORE = re.compile(r"\b(?:in|see|by|from|to|with|per|following|cf\.?)$", re.IGNORECASE)
# What an editor changed in a quotation: [T]he, work[ed], [sic], [...]
_EDITED = re.compile(
    r"(?<![A-Za-z])\[([A-Za-z])\](?=[a-z])|(?<=[a-z])\[(s|d|n|es|ed|er|ly|ing)\](?![A-Za-z])"
    r"| ?\[sic\]|\[(?:\.{3}|…)\]",
    re.IGNORECASE,
)
# What assistants leave in their answers: 【4†source】, :contentReference[oaicite:0]{index=0}
_ASSISTANT = re.compile(
    r"【\d{1,3}(?:[:†][^【】\n]{0,80})?】|\ue200[^\ue201\n]{0,80}\ue201"
    r"|:contentReference\[oaicite:\d{1,3}\]\{index=\d{1,3}\}"
)
_RAISED = re.compile(r"[¹²³⁰⁴-⁹]+(?:[⁻˒,–-][¹²³⁰⁴-⁹]+)*")
_UNITS = frozenset(["mol", "sec", "min", "rad", "bit", "yd", "mi", "ft", "in", "hr", "cal", "deg", "sq", "cu"])
_SHORT_WORDS = frozenset(
    {
        *("is", "it", "of", "to", "on", "at", "by", "we", "he", "so", "as", "an", "or", "us", "me", "my", "no"),
        *("up", "if", "do", "go", "be", "am"),
    }
)


_NOTE_LINES = re.compile(  # [^1]: a footnote as Markdown writes it, with the indented lines after it
    r"^ {0,3}\[\^[^\[\]\s]{1,40}\]:[^\n]*(?:\n(?:[ \t]{1,9}\S[^\n]*|(?=\n {4}\S)))*\n?",
    re.MULTILINE,
)
_NOTE_REFERENCE = re.compile(r"[ \t]?\[\^[^\[\]\s]{1,40}\](?!:)")
_NOTES_LEFT_OUT = (
    "the words of a footnote are left out. To have it spoken, write its words where they are to be heard."
)


def is_reference(words: str, *, bare: bool = False) -> bool:
    """Whether words are only a mark that refers to a source or a note.

    Args:
        words: such as `[1]`.
        bare: accept marks without square brackets: `1`, `†`.
    """
    mark = words.strip()
    return bool(_REFERENCE.fullmatch(mark) or (bare and _BARE.fullmatch(mark)))


def without_notes(source: EditedText) -> tuple[EditedText, list[str]]:
    """Leave out footnotes as Markdown writes them, and the marks that refer to them."""
    if "[^" not in source.text:
        return source, []
    left = source.sub(_NOTE_LINES, "")
    if not left.text.strip():
        return source, []
    return left.sub(_NOTE_REFERENCE, ""), [] if left is source else [_NOTES_LEFT_OUT]


def without_citations(source: EditedText, *, english: bool = True) -> tuple[EditedText, list[str]]:
    """Leave out citation marks and superscripts that refer to notes. Powers, as in m², stay.

    Args:
        source: the text.
        english: also leave out marks that could be words in other languages: `[a]`, `[citation needed]`.
    """
    if any(sign in source.text for sign in ("【", "\ue200", "oaicite")):
        source = source.sub(_ASSISTANT, "")
    if "[" in source.text:
        source = source.edited(_bracketed(source.text, english))
        source = source.sub(_EDITED, _as_meant) if english else source
    if _RAISED.search(source.text):
        source = source.edited(_raised(source.text))
    return source, []


def _bracketed(text: str, english: bool) -> Iterator[Edit]:
    for mark in _MARKS.finditer(text):
        if mark[2] is None:
            yield Edit(mark.start(), mark.end(), "")
        elif _is_citation(text, mark, english):
            yield Edit(mark.start(), mark.end(), _between(text, mark))
        elif english and _CITED_BEFORE.search(text[max(0, mark.start() - 20) : mark.start()]):
            numbers = ", ".join(re.findall(r"\d+(?: ?[–—-] ?\d+)?", mark[2]))
            if numbers and "[0" not in mark[2]:
                name = "reference" if numbers.isdecimal() else "references"
                yield Edit(mark.start(), mark.end(), f"{mark[1]}{name} {numbers}")


def _as_meant(edited: re.Match[str]) -> str:
    return edited[1] or edited[2] or ("" if edited[0].strip().lower() == "[sic]" else "...")


def _is_citation(text: str, mark: re.Match[str], english: bool) -> bool:
    if not english and not _ONLY_NUMBERS.fullmatch(mark[2]):
        return False
    before, follows = text[max(0, mark.start() - 20) : mark.start()], text[mark.end() : mark.end() + 1]
    apart = bool(mark[1]) or not before or before[-1].isspace()
    if _LETTER.fullmatch(mark[2]):  # "[t]he", "work[s]" and "x[i]" are words
        return not apart and not follows.isalpha() and not _CHANGED.search(before + mark[2])
    return not _NOUN_BEFORE.search(before.rstrip()) if apart else before[-1] not in "([={"


def _between(text: str, mark: re.Match[str]) -> str:
    """A space if words follow a mark directly: `known[1]and`."""
    return " " if mark.start() and text[mark.end() : mark.end() + 1].isalnum() else ""


def _raised(text: str) -> Iterator[Edit]:
    for mark in _RAISED.finditer(text):
        before = re.search(r"([A-Za-z]*)([^\sA-Za-z]?)$", text[max(0, mark.start() - 20) : mark.start()])
        word, sign = (before[1], before[2]) if before else ("", "")
        refers = bool(sign) and sign in ".,;:!?\"'”’…»" if sign else _takes_notes(word)
        if refers:
            yield Edit(mark.start(), mark.end(), "")


def _takes_notes(word: str) -> bool:
    """Whether a raised number after a word refers to a note, and is not a power of a unit."""
    return (len(word) > 2 and word.lower() not in _UNITS) or word.lower() in _SHORT_WORDS


__all__ = ["is_reference", "without_citations", "without_notes"]
