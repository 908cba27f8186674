"""Find what may be labels of speakers: names before a colon or a dash, in brackets, or on a line of their own.

Finds more than there is; `dia.text.speakers.evidence` decides.
"""

import re
from bisect import bisect
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from dia.text.speakers.words import Name
from dia.text.tags import listed_sound, sound_of

Form = Literal["colon", "dash", "line", "bracket", "mark", "stop"]

_INDENT = 200
_NAME = r"(?P<name>[^\W\d_][\w.'’&-]{0,30}(?:[ _][#\w][\w.'’&-]{0,30}){0,4})"
_DATE = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
_TIME = r"\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?(?: ?[AaPp]\.?[Mm]\.?)?"
_STAMP = rf"[\[(]?(?:{_DATE},?[ T])?{_TIME}(?: ?(?:-->|-|–) ?{_TIME})?[\])]?"
_BULLET = r"(?:>{1,6}|(?:\#{1,6}|[*+-]|[^\w\s\x00-\x7f]{1,4}|\d{1,4}[.)])(?=[ \t]))"
# What may precede a name on its line: indentation, quote marks, bullets, numbers, the time.
_BEFORE = (
    rf"^[ \t]{{0,200}}(?P<bullet>(?:{_BULLET}[ \t]{{0,9}}){{0,4}})"
    rf"(?:(?P<stamp>{_STAMP})[ \t]{{0,9}}(?:[-–—][ \t]{{1,9}})?)?"
)
_BOLD = r"(?P<bold>[*_]{0,3})"
_UNBOLD = r"[*_]{0,3}"
_ABOUT = r"(?:[ \t]{0,3}[(\[（][^()\[\]（）\n]{0,80}[)\]）]){0,2}"
_STAMPED = re.compile(rf"[(\[]{_TIME}[)\]]")
_DIRECTED = re.compile(r"[(\[（][a-z][a-z ,'’-]{3,}[)\]）]")
_AT_COLON = rf"{_BOLD}{_NAME}(?P<about>{_ABOUT}){_UNBOLD}(?P<after>{_ABOUT})[ \t]?[:：]{_UNBOLD}"

_COLON = re.compile(rf"{_BEFORE}{_AT_COLON}(?:[ \t]+|$|(?=[^\W_]|[\"'“‘(¿¡—–…]))(?![\d\\/])", re.MULTILINE)
_INLINE = re.compile(
    rf"(?<=[.!?…。！？\"”’)*])[ \t]{{1,3}}{_AT_COLON}[ \t]+(?![\d\\/])",
)
_NUMBER_INLINE = re.compile(
    r"(?<=\S)[ \t]{1,3}(?P<bold>)(?P<name>(?:s|speaker)[ _]?\d{1,2})[ \t]?[:：][ \t]+", re.IGNORECASE
)
_DASH = re.compile(
    rf"{_BEFORE}{_BOLD}{_NAME}(?P<about>{_ABOUT}){_UNBOLD}[ \t]{{1,3}}(?:—|–|--?)[ \t]+(?=\S)", re.MULTILINE
)
_BRACKET = re.compile(rf"{_BEFORE}(?:\[{_NAME}\]|\({_NAME.replace('name', 'round')}\)):?[ \t]*(?=\S|$)", re.MULTILINE)
_LINE = re.compile(
    rf"{_BEFORE}{_BOLD}{_NAME}(?P<about>{_ABOUT}){_UNBOLD}[ \t]{{0,9}}(?:\^|(?P<later>{_STAMP}))?[ \t]*\n"
    rf"(?P<between>[ \t\n]{{0,200}}?)(?P<aside>(?:[ \t]{{0,200}}\([^()\n]{{0,80}}\)[ \t]*\n)?)(?=[ \t]*\S)",
    re.MULTILINE,
)
_STOP = re.compile(
    rf"{_BEFORE}{_BOLD}(?P<name>[A-Z](?:[A-Z'’. -]{{0,30}}[A-Z])?)\.{_UNBOLD}[ \t]+(?=\S)", re.MULTILINE
)
_MARK = re.compile(
    r"[({（]\s?(?P<name>(?:s|speaker|person)[ _]?\d{1,3})\s?[)}）]:?[ \t]*"
    r"|<(?P<close>/)?(?:v[ \t]+)?(?P<element>[^\W\d_][\w.'-]{0,30}(?:[ _]\w[\w.'-]{0,30}){0,2})>[ \t]*",
    re.IGNORECASE,
)


# HTML's elements of text, which occur without any other HTML.
_HTML_ELEMENTS = (
    "a abbr b big blockquote br center cite code dd del div dl dt em font h1 h2 h3 h4 h5 h6 hr i ins kbd li mark ol p "
    "pre q s samp small span strike strong sub sup table tbody td th thead time tr tt u ul var wbr"
)


_HTML = frozenset(_HTML_ELEMENTS.split())


class Label(NamedTuple):
    """What may be a label: `text[start:end]`.

    Attributes:
        start: its beginning, with indentation, bullets and times.
        end: the beginning of what is said.
        name: who speaks.
        form: how it is written.
        sound: a listed sound in brackets beside the name, such as (laughs), or "".
        marked: whether it stands out: by bold, a heading or a time.
        timed: whether a time stands before or after the name.
        directed: whether the manner of speaking stands beside the name: `John (tired):`.
        inline: whether other words precede it on its line.
        loose: whether a blank line precedes what is said.
        closes: whether it only ends what is said, as `</Person1>` does.
    """

    start: int
    end: int
    name: Name
    form: Form
    sound: str = ""
    marked: bool = False
    timed: bool = False
    directed: bool = False
    inline: bool = False
    loose: bool = False
    closes: bool = False


def labels_in(text: str) -> dict[Form, list[Label]]:
    """All that may be labels of speakers, by form and in order. Line breaks of `text` are `\\n`."""
    found: dict[Form, list[Label]] = {
        "colon": list(_at_colons(text)),
        "dash": [_label(match, "dash") for match in _DASH.finditer(text)] if _has_dash(text) else [],
        "bracket": list(_in_brackets(text)),
        "mark": list(_marks(text)),
        "stop": [_label(match, "stop") for match in _STOP.finditer(text)],
        "line": list(_on_lines(text)),
    }
    return {form: labels for form, labels in found.items() if labels}


def _has_dash(text: str) -> bool:
    return any(dash in text for dash in (" - ", " — ", " – ", " -- "))


def _label(match: re.Match[str], form: Form, inline: bool = False) -> Label:
    groups = match.groupdict()
    beside = f"{groups.get('about') or ''}{groups.get('after') or ''}{groups.get('aside') or ''}"
    sounds = [sound for part in re.findall(r"\([^()]*\)", beside) if (sound := listed_sound(part))]
    timed = bool(groups.get("stamp") or groups.get("later") or _STAMPED.search(beside))
    marked = timed or bool(groups.get("bold")) or "#" in (groups.get("bullet") or "")
    return Label(
        match.start("bold") if inline else match.start(),
        match.end(),
        Name.of(groups["name"]),
        form,
        f"{sounds[0]} " if sounds else "",
        marked,
        timed,
        _DIRECTED.search(beside) is not None,
        inline,
        "\n" in (groups.get("between") or ""),
    )


def _at_colons(text: str) -> Iterator[Label]:
    if ":" not in text and "：" not in text:
        return
    lines = [_label(match, "colon") for match in _COLON.finditer(text)]
    if not lines:
        return
    starts = {label.name.key for label in lines}
    pattern = _INLINE if lines[0].name.number is None else _NUMBER_INLINE  # Speaker 1: Hello Speaker 2: Hi
    inline = _outside(lines, [_label(match, "colon", True) for match in pattern.finditer(text)])
    times: dict[str, int] = {}
    for label in inline:
        times[label.name.key] = times.get(label.name.key, 0) + 1
    known = (label for label in inline if len(lines) == 1 or label.name.key in starts or times[label.name.key] > 1)
    yield from sorted((*lines, *known))


def _outside(lines: Sequence[Label], inline: Sequence[Label]) -> list[Label]:
    """Leave out `Smith:` of `Dr. Smith:`."""
    starts = [label.start for label in lines]
    return [
        label for label in inline if (place := bisect(starts, label.start)) == 0 or label.start >= lines[place - 1].end
    ]


def _in_brackets(text: str) -> Iterator[Label]:
    if "[" not in text and "(" not in text:
        return
    for match in _BRACKET.finditer(text):
        name = match["name"] or match["round"]
        if sound_of(name) is None and not (match["round"] and name.islower()):
            yield Label(match.start(), match.end(), Name.of(name), "bracket")


def _marks(text: str) -> Iterator[Label]:
    """`(S1)`, `<S1>`, `<Person1>…</Person1>` anywhere, and `<Alice>` at the beginning of a line or with its end."""
    if not any(bracket in text for bracket in "<({（"):
        return
    matches = list(_MARK.finditer(text))
    closed = {match["element"] for match in matches if match["close"]}
    for match in matches:
        name = Name.of(match["name"] or match["element"])
        before = text[max(0, match.start() - _INDENT) : match.start()].rstrip(" \t>*-")
        first = not before or before.endswith("\n")
        if match["element"] in _HTML:
            continue
        if name.number is not None or match["element"] in closed or first:
            start, end = match.span()
            yield Label(start, end, name, "mark", inline=not first, closes=bool(match["close"]))


def _on_lines(text: str) -> Iterator[Label]:
    for match in _LINE.finditer(text):
        label = _label(match, "line")
        before = text[max(0, label.start - _INDENT) : label.start]
        if label.marked or not before.strip() or before[len(before.rstrip()) :].count("\n") > 1:
            yield label


__all__ = ["Label", "labels_in"]
