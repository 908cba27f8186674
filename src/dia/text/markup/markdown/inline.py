"""Markdown in plain text, as far as it is unmistakable: emphasis, code, links, headings, rules, quotes, tasks.

`5 * 3`, `snake_case` and `2 * x * y` are not markup. Sounds and actions such as `*sighs*` keep their marks.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from dia.text.actions import is_action
from dia.text.characters.edited import Edit, EditedText
from dia.text.sounds import is_marked_sound
from dia.text.tags import PAUSE_MARK, SPEAKER_TAG, listed_sound

_TRIGGERS = frozenset("*_~`[#>|-=")
_LABEL = r"\[((?:[^\[\]\n]|\[[^\[\]\n]{0,80}\]|\n(?!\s*\n)){0,400})\]"
_ADDRESS = r"(?:<[^<>\n]{0,2000}>|[^\s()<>]{0,2000}(?:\([^\s()]{0,200}\)[^\s()]{0,2000}){0,3})"
_TITLE = r"(?:\s{1,9}(?:\"[^\"\n]{0,400}\"|'[^'\n]{0,400}'|\([^()\n]{0,400}\)))?"
_LINK = re.compile(rf"(!?){_LABEL}\(\s{{0,9}}({_ADDRESS}){_TITLE}\s{{0,9}}\)")
_LIKE_AN_ADDRESS = re.compile(r"[/.#:]|^$")
_REFERENCE_LINK = re.compile(rf"(!?){_LABEL}\[([^\[\]\n]{{1,80}})\]")
_DEFINITION = re.compile(
    r"^ {0,3}\[(?!\^)([^\[\]\n]{1,80})\]: *(?:<[^<>\n]{1,2000}>|(?:https?://|www\.|mailto:|[/#.])\S{0,2000})"
    r"(?: +(?:\"[^\"\n]{0,400}\"|'[^'\n]{0,400}'|\([^()\n]{0,400}\)))? *$\n?",
    re.MULTILINE,
)
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^<>\s]{1,2000}|[\w.+-]{1,64}@[\w.-]{1,200})>")
_LINE_MARKS = re.compile(
    r"^[ \t]{0,12}(?:"
    r"(?P<rule>(?:[-*_=~][ \t]{0,3}){3,200}$)"
    r"|(?P<heading>\#{2,6}[ \t]{1,8}(?=\S)|\#[ \t]{1,8}(?=[A-Z*_]))"
    r"|(?P<quote>>(?:[ \t]?>){0,20}(?:[ \t]{1,8}|$))"
    r"|[-*+][ \t]{1,8}(?P<task>\[[ xX]\][ \t]{1,8})"
    r")",
    re.MULTILINE,
)
_HEADING_END = re.compile(r"[ \t]{0,8}\#{0,6}[ \t]{0,8}(?=\n(?![ \t]{0,8}\n)|$)", re.MULTILINE)
_CODE = re.compile(r"(?<!`)(`{1,2})(?!`)([^`\n]{1,400})\1(?!`)")
_RUNS = re.compile(r"\*{1,3}|_{1,3}|~~|\n[ \t\r]{0,80}\n")
_DEEPEST = 32  # open delimiters that are remembered
# After these words `*laughed*` is emphasis, not a sound.
_IN_A_SENTENCE = re.compile(
    r"\b(?:the|an?|this|that|these|those|my|your|his|her|its|our|their|of|no|some|i|you|he|she|it|we|they|who|to|not|"
    r"will|would|can|could|should|don't|didn't|and|or)\s$",
    re.IGNORECASE,
)


class _Opener(NamedTuple):
    delimiter: str
    start: int


def without_inline_markdown(source: EditedText, *, english: bool = True) -> tuple[EditedText, list[str]]:
    """Remove unmistakable Markdown from plain text.

    Args:
        source: the text.
        english: whether words between asterisks may be a sound in English.
    """
    if not _TRIGGERS.isdisjoint(source.text):
        source = _without_links(source)
        source = source.edited(_line_edits(source.text))
        source = source.sub(_CODE, r"\2") if "`" in source.text else source
        source = source.edited(sorted(emphasis_edits(source.text, english=english)))
    return source, []


def _without_links(source: EditedText) -> EditedText:
    if "](" in source.text:
        source = source.sub(_LINK, _linked)
    if "]: " in source.text:
        names = {found[1].lower() for found in _DEFINITION.finditer(source.text)}
        source = source.edited(_reference_edits(source.text, names))
        source = source.sub(_DEFINITION, "")
    return source.sub(_AUTOLINK, r"\1") if "<" in source.text else source


def _linked(link: re.Match[str]) -> str:
    image, label, address = link.groups()
    if is_mark(f"[{label}]") or not _LIKE_AN_ADDRESS.search(address) or (not address and not label):
        return link[0]
    return "" if image else label


def _reference_edits(text: str, names: set[str]) -> Iterator[Edit]:
    for link in _REFERENCE_LINK.finditer(text) if names else ():
        if link[3].lower() in names and not is_mark(f"[{link[2]}]"):
            if link[1]:
                yield Edit(link.start(), link.end(), "")
            else:
                yield Edit(link.start(), link.start(2), "")
                yield Edit(link.end(2), link.end(), "")


def is_mark(bracketed: str) -> bool:
    """Whether square brackets are a mark of a script: a speaker, a pause or a sound."""
    marks = (SPEAKER_TAG, PAUSE_MARK)
    return any(mark.fullmatch(bracketed) for mark in marks) or listed_sound(bracketed) is not None


def _line_edits(text: str) -> Iterator[Edit]:
    """Remove the marks at the beginning of lines. A rule and a heading end a paragraph."""
    end = 0
    for mark in _LINE_MARKS.finditer(text):
        if mark.start() < end:
            continue
        if mark["rule"]:
            if "\n" in text:  # otherwise it is all there is
                yield Edit(mark.start(), mark.end(), "\n")
        elif mark["heading"]:
            yield Edit(mark.start("heading"), mark.end(), "")
            closing = _HEADING_END.search(text, mark.end())
            line_end = text.find("\n", mark.end())
            if closing and line_end >= 0 and closing.end() == line_end:
                yield Edit(closing.start(), closing.end(), "\n")
                end = closing.end()
        else:
            kind = "quote" if mark["quote"] else "task"
            yield Edit(mark.start(kind), mark.end(kind), "")


def emphasis_edits(text: str, *, english: bool = True) -> Iterator[Edit]:
    """Remove the delimiters of emphasized and struck words, which may be nested."""
    openers: list[_Opener] = []
    for run in _RUNS.finditer(text):
        delimiter = run[0]
        if delimiter[0] == "\n":
            openers.clear()
            continue
        before, after = text[run.start() - 1 : run.start()], text[run.end() : run.end() + 1]
        opener = _opener(openers, delimiter) if _closes(delimiter, before, after) else None
        if opener is not None:
            if not _is_sound(text, opener, run.start(), english):
                yield Edit(opener.start, opener.start + len(delimiter), "")
                yield Edit(run.start(), run.end(), "")
        elif _opens(delimiter, before, after):
            openers.append(_Opener(delimiter, run.start()))
            del openers[:-_DEEPEST]


def _opener(openers: list[_Opener], delimiter: str) -> _Opener | None:
    for index in range(len(openers) - 1, -1, -1):
        if openers[index].delimiter == delimiter:
            found = openers[index]
            del openers[index:]
            return found
    return None


def _opens(delimiter: str, before: str, after: str) -> bool:
    """Whether a run of delimiters may begin emphasis: a word follows, and none precedes."""
    return bool(after) and not after.isspace() and not _is_letter(before, delimiter)


def _closes(delimiter: str, before: str, after: str) -> bool:
    return bool(before) and not before.isspace() and not _is_letter(after, delimiter)


def _is_letter(character: str, delimiter: str) -> bool:
    """Whether emphasis may not begin after, or end before, a character. Chinese has no spaces between words."""
    return character == "_" or (character.isalnum() and (character.isascii() or delimiter[0] == "_"))


def _is_sound(text: str, opener: _Opener, end: int, english: bool) -> bool:
    inner = text[opener.start + len(opener.delimiter) : end]
    if english and is_action(text, opener.start, end + len(opener.delimiter), labels=True):
        return True
    return is_marked_sound(inner, english=english) and not _IN_A_SENTENCE.search(
        text[max(0, opener.start - 10) : opener.start]
    )


__all__ = ["emphasis_edits", "is_mark", "without_inline_markdown"]
