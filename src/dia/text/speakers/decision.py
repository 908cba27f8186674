"""Choose which of the possible labels of a text are labels of speakers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dia.text.speakers.evidence import Evidence, Verdict, evidence, verdict
from dia.text.speakers.labels import Form, Label


@dataclass(frozen=True)
class Found:
    """The labels of a text.

    Attributes:
        labels: those of speakers, in order.
        doubtful: whether they are probably, but not surely, labels.
        left: other words that may be names, as written.
    """

    labels: Sequence[Label] = ()
    doubtful: bool = False
    left: Sequence[str] = ()


def found_labels(text: str, forms: Mapping[Form, Sequence[Label]], given: Mapping[str, str], guess: bool) -> Found:
    """The labels of speakers in a text.

    A text writes its labels in one form, the one for which there is most evidence. Labels with a given name are labels
    in any form.

    Args:
        text: the text.
        forms: what may be labels.
        given: the names that the caller gives, by key.
        guess: whether other names are looked for.
    """
    sure = [label for labels in forms.values() for label in labels if label.name.key in given]
    best = Found()
    if guess:
        judged = [found for labels in forms.values() if (found := evidence(text, labels)) is not None]
        if judged:
            best = _judged(max(judged, key=lambda found: (verdict(found).value, found.score)), forms, bool(sure))
    return best if not sure else _together(sure, best, given)


def _judged(found: Evidence, forms: Mapping[Form, Sequence[Label]], is_dialogue: bool) -> Found:
    decided = verdict(found)
    if is_dialogue and decided is Verdict.PERHAPS:
        decided = Verdict.PROBABLY
    if decided is Verdict.WORDS:
        return Found()
    if decided is Verdict.PERHAPS:
        return Found((), False, _written(found.labels))
    keys = set(found.names)
    labels = [label for label in forms[found.labels[0].form] if label.name.key in keys]
    return Found(labels, decided is Verdict.PROBABLY, found.strays)


def _together(sure: Sequence[Label], best: Found, given: Mapping[str, str]) -> Found:
    """Labels with given names, and the others of the text in the same form."""
    forms = {label.form for label in sure}
    others = [label for label in best.labels if label.form in forms and label.name.key not in given]
    left = [name for name in best.left if name not in _written(sure)]
    labels, end = list[Label](), 0
    for label in sorted((*sure, *others)):
        if label.start >= end:
            labels.append(label)
            end = label.end
    return Found(labels, False, left)


def _written(labels: Sequence[Label]) -> list[str]:
    first = dict[str, str]()
    for label in labels:
        first.setdefault(label.name.key, label.name.written)
    return list(first.values())
