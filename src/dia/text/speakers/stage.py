"""The stage of `dia.text.script.parse` that turns labels of speakers into tags."""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from dia.text.characters import unicode
from dia.text.characters.edited import Edit, EditedText
from dia.text.speakers.decision import Found, found_labels
from dia.text.speakers.labels import Label, labels_in
from dia.text.speakers.mapping import assigned, checked_speakers, in_python_and_command, listed
from dia.text.tags import SPEAKER_TAG

_NAMED = 5  # a warning lists at most this many names
_SHOWN = 40  # a warning shows at most this many characters of a paragraph
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n")
_MARKS = ("#", "*", "_")
_TRIGGERS = (":", "：", "(", "<", "{", "[", "（", " - ", " — ", " – ", " -- ", "\n")


class Labeled(NamedTuple):
    """A script in which labels of speakers are tags.

    Attributes:
        text: the script.
        warnings: each states a fact and its remedy.
        names: the speaker, S1 or S2, of each name as it is first written.
    """

    text: EditedText
    warnings: list[str]
    names: dict[str, str]


def tagged(
    source: EditedText, speakers: Mapping[str, str] | None = None, guess: bool = True, author: str | None = None
) -> Labeled:
    """Replace labels such as `JOHN:` by `[S1] `.

    Args:
        source: the script.
        speakers: the speaker of each name; names that are not given are found in the text. Empty: there are no names.
        guess: False replaces only the labels of names that are given.
        author: the author's text, in which names that stand on lines of their own may have marks of Markdown that
            `source` no longer has.

    Raises:
        TypeError, ValueError: speakers is invalid, or the script has more than two speakers.
    """
    given = checked_speakers(speakers)
    if given == {} or (given is None and not guess) or not any(sign in source.text for sign in _TRIGGERS):
        return Labeled(source, [], {})
    text = unicode.unchanged(source.text)
    guess = guess and not SPEAKER_TAG.search(text)
    if given is None and not guess:
        return Labeled(source, [], {})
    found = found_labels(text, labels_in(text, _marks_in(source, author)), given or {}, guess)
    speaker_of = assigned([label.name for label in found.labels], given or {})
    written = dict[str, str]()
    for label in found.labels:
        written.setdefault(label.name.key, label.name.written)
    names = {name: speaker_of[key] for key, name in written.items()}
    edits = [Edit(label.start, label.end, _stand_in(label, speaker_of)) for label in found.labels]
    warnings = [*_warnings(found, list(names)), *_unspoken_directions(text, found.labels)]
    if given and not any(key in given for key in written):
        warnings.append(_missing(speakers or {}, list(names)))
    return Labeled(source.edited(edits), warnings, names)


def _marks_in(source: EditedText, author: str | None) -> Callable[[int], bool]:
    """Whether a mark of a heading or of bold stood before a character of the text."""
    if author is None or author == source.text:
        return lambda index: False
    return lambda index: author[max(0, source.position(index) - 2) : source.position(index)].rstrip(" ")[-1:] in _MARKS


def _stand_in(label: Label, speaker_of: Mapping[str, str]) -> str:
    return " " if label.closes else f"[{speaker_of[label.name.key]}] {label.sound}"


def _warnings(found: Found, names: Sequence[str]) -> list[str]:
    warnings = []
    if found.doubtful:
        warnings.append(
            f"{_quoted(names)}: taken for {'a name' if len(names) == 1 else 'names'} and not spoken. If wrong, pass "
            f"speakers={{}} (--speakers none)."
        )
    if found.left:
        python, option = in_python_and_command(found.left[:_NAMED])
        warnings.append(
            f"{_quoted(found.left)}: read aloud, but may name {'a speaker' if len(found.left) == 1 else 'speakers'}. "
            f"Pass speakers={python} ({option}) if so, and speakers={{}} (--speakers none) if not."
        )
    return warnings


def _missing(speakers: Mapping[str, str], names: Sequence[str]) -> str:
    known = f"names {listed(names)}" if names else "names nobody"
    return f"speakers has {_quoted(list(speakers))}, but the script {known}. Write names as in the script."


def _quoted(words: Sequence[str]) -> str:
    more = f" and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
    return f"{listed([repr(_cut(word)) for word in words[:_NAMED]])}{more}"


def _cut(words: str) -> str:
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}…"


def _unspoken_directions(text: str, labels: Sequence[Label]) -> list[str]:
    """Warnings about paragraphs without a name, which may not be meant to be spoken.

    If most names are followed by several paragraphs, these are long speeches.
    """
    found = list[str]()
    for label, following in zip_longest(labels, labels[1:]):
        end = following.start if following else len(text)
        if label.form == "colon" or (label.form == "line" and not label.marked and not label.loose):
            found += [part.strip() for part in _PARAGRAPH_END.split(text[label.end : end].strip())[1:]]
    if labels and labels[0].form == "colon" and 2 * len(found) > len(labels):
        return []
    return (
        [f"{_quoted(found)}: without a name, so the last speaker says it. Remove stage directions."] if found else []
    )


__all__ = ["Labeled", "tagged"]
