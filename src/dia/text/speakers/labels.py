"""Find what may be labels of speakers: names before a colon or a dash, in brackets, or on a line of their own.

Finds more than there is; `dia.text.speakers.evidence` decides.
"""

import re
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from dia.text.sounds import sound_of
from dia.text.speakers.patterns import (
    BRACKET,
    COLON,
    DASH,
    DIRECTED,
    HTML,
    INLINE,
    LINE,
    MARK,
    NUMBER_INLINE,
    STAMPED,
    STOP,
)
from dia.text.speakers.words import Name
from dia.text.tags import NON_VERBAL_TAGS, listed_sound, nearest

Form = Literal["colon", "dash", "line", "bracket", "mark", "stop"]

_BEGINNING = 320  # characters of a line in which a label ends: indentation, a time, a name and words in brackets
_LONGEST_LINE = 120  # characters of a line that holds a name only, without indentation
_STOPPED = re.compile(r"(?![IVXLC]+\.)[A-Z][A-Z' -]{2,40}\.")
_ROUND = re.compile(r"\([^()]*\)")
_DASHES = (" - ", " — ", " – ", " -- ", "\t")


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


def labels_in(text: str, stands_out: Callable[[int], bool] = lambda index: False) -> dict[Form, list[Label]]:
    """All that may be labels of speakers, by form and in order.

    Args:
        text: the text, in which line breaks are `\\n`.
        stands_out: whether a mark that was removed stood before a position of the text.
    """
    found: dict[Form, list[Label]] = {"mark": list(_marks(text))}
    for label in _at_line_starts(text, stands_out):
        found.setdefault(label.form, []).append(label)
    if "colon" in found:
        found["colon"] = sorted((*found["colon"], *_inside_lines(text, found["colon"])))
    return {form: labels for form, labels in found.items() if labels}


def _at_line_starts(text: str, stands_out: Callable[[int], bool]) -> Iterator[Label]:
    """Labels at the beginnings of lines. A sign of each form is looked for before its pattern, which takes longer."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) % (len(text) + 1)  # the end of the text for the last line
        line = text[start : min(end, start + _BEGINNING)]
        signs = line.strip()
        if signs:
            is_short = end - start == len(line) and len(signs) < _LONGEST_LINE
            yield from _on_line(text, start, line, stands_out if is_short else None)
        start = end + 1


def _on_line(text: str, start: int, line: str, stands_out: Callable[[int], bool] | None) -> Iterator[Label]:
    if (":" in line or "：" in line or "> " in line) and (match := COLON.match(text, start)):
        yield _label(match, "colon")
    elif any(dash in line for dash in _DASHES) and (match := DASH.match(text, start)):
        yield _label(match, "dash")
    elif ("[" in line or "(" in line) and (match := BRACKET.match(text, start)):
        yield from _in_brackets(match)
    elif "." in line and (match := STOP.match(text, start)):
        yield _label(match, "stop")
    elif stands_out is not None and (match := LINE.match(text, start)):
        yield from _alone(text, match, stands_out)


def _label(match: re.Match[str], form: Form, inline: bool = False) -> Label:
    groups = match.groupdict()
    beside, aside = f"{groups.get('about') or ''}{groups.get('after') or ''}", groups.get("aside") or ""
    sounds = [sound for part in _ROUND.findall(beside) if (sound := listed_sound(part))]
    sounds += [sound for part in _ROUND.findall(aside) if (sound := sound_of(part)) in NON_VERBAL_TAGS]
    timed = bool(groups.get("stamp") or groups.get("later") or STAMPED.search(beside))
    marked = timed or bool(groups.get("bold")) or "#" in (groups.get("bullet") or "")
    return Label(
        match.start("bold") if inline else match.start(),
        match.end(),
        Name.of(groups["name"]),
        form,
        f"{sounds[0]} " if sounds else "",
        marked,
        timed,
        DIRECTED.search(beside + aside) is not None,
        inline,
        "\n" in (groups.get("between") or ""),
    )


def _inside_lines(text: str, lines: Sequence[Label]) -> list[Label]:
    """Labels after other words, in a text that has one label on a line, or names that come back."""
    pattern = INLINE if lines[0].name.number is None else NUMBER_INLINE  # Speaker 1: Hello Speaker 2: Hi
    inline = _outside(lines, [_label(match, "colon", True) for match in pattern.finditer(text)])
    starts, times = {label.name.key for label in lines}, Counter(label.name.key for label in inline)
    return [label for label in inline if len(lines) == 1 or label.name.key in starts or times[label.name.key] > 1]


def _outside(lines: Sequence[Label], inline: Sequence[Label]) -> list[Label]:
    """Leave out `Smith:` of `Dr. Smith:`."""
    starts = [label.start for label in lines]
    return [
        label for label in inline if (place := bisect(starts, label.start)) == 0 or label.start >= lines[place - 1].end
    ]


def _in_brackets(match: re.Match[str]) -> Iterator[Label]:
    name = match["name"] or match["round"]
    if len(name) > 1 and not name.islower() and nearest(f"({name})") is None:
        yield Label(match.start(), match.end(), Name.of(name), "bracket")


def _marks(text: str) -> Iterator[Label]:
    """`(S1)`, `<S1>`, `<Person1>…</Person1>` anywhere, and `<Alice>` at the beginning of a line or with its end."""
    if not any(bracket in text for bracket in "<({（"):
        return
    matches = list(MARK.finditer(text))
    closed = {match["element"] for match in matches if match["close"]}
    for match in matches:
        name = Name.of(match["name"] or match["element"])
        before = text[max(0, match.start() - _BEGINNING) : match.start()].rstrip(" \t>*-")
        first = not before or before.endswith("\n")
        if match["element"] in HTML or (match["element"] and sound_of(match["element"].lower())):
            continue
        if name.number is not None or match["element"] in closed or first:
            start, end = match.span()
            yield Label(start, end, name, "mark", inline=not first, closes=bool(match["close"]))


def _alone(text: str, match: re.Match[str], stands_out: Callable[[int], bool]) -> Iterator[Label]:
    """The label of a line that holds a name only. A blank line precedes it unless it stands out."""
    label = _label(match, "line")
    if _STOPPED.fullmatch(label.name.written):  # ROMEO.
        label = label._replace(name=Name.of(label.name.written[:-1]))
    label = label._replace(marked=label.marked or stands_out(match.start("name")))
    before = text[max(0, label.start - _BEGINNING) : label.start]
    if label.marked or not before.strip() or before[len(before.rstrip()) :].count("\n") > 1:
        yield label


__all__ = ["Label", "labels_in"]
