"""Figures and tables of `exposure.py` from what was heard.

Knows words and figures; knows nothing of models or of sound. Intervals are 95 %, by bootstrap over sentences. All
clips of a sentence, in both voices, are drawn together.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from evaluation.intervals import Figure, rate
from evaluation.recognizer import words_of
from evaluation.word_outcomes import RIGHT, Outcome, Word, classes_in, kinds, outcome, wrong_between, wrong_of_class

from dia.text.english.normalization import spoken_form

CEILING, FREE = "codec", "free default"
LOSS = "loss of channel 0"
DETAILED = ("codec", "fitting default", FREE)  # conditions that are divided by class and by place
EDGES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 99.0)  # seconds from the beginning of a sentence
AFTER = (0.0, 0.5, 1.0, 2.0, 99.0)  # seconds from the end of a prefix

_COLUMNS = (
    "condition",
    "word error",
    "above the codec",
    "above free default",
    "substituted, deleted, inserted",
    "skipped, repeated / 100",
)

Counts = Sequence[tuple[float, int]]  # of each clip wrong words and words, or losses and frames


class Heard(NamedTuple):
    """What was heard of a clip, how long it is in seconds, and its likelihood and the text's share of it in nat."""

    heard: str
    seconds: float = 0.0
    likely: Sequence[float] | None = None


class Clips(NamedTuple):
    """The sentence and the words of each clip, and of each word the loss in nat and the frames."""

    sentences: Sequence[str]
    words: Sequence[Sequence[Word]]
    losses: Sequence[Sequence[tuple[float, int]]]

    def outcomes(self, heard: Sequence[Heard]) -> list[Outcome]:
        """What became of the words of each clip."""
        pairs = zip(self.words, heard, strict=True)
        return [outcome([word.text for word in words], words_of(_spelt(one.heard))) for words, one in pairs]

    def loss(self, kind: str) -> Figure | None:
        """The loss of a frame in words of a class."""
        counts = []
        for words, losses in zip(self.words, self.losses, strict=True):
            own = [loss for word, loss in zip(words, losses, strict=True) if kind in word.classes]
            counts.append((sum(nat for nat, _ in own), sum(frames for _, frames in own)))
        return self.rate(counts)

    def rate(self, counts: Counts) -> Figure | None:
        """The share of wrong words; None if there are no words."""
        sums: dict[str, list[float]] = {}
        for sentence, (wrong, words) in zip(self.sentences, counts, strict=True):
            total = sums.setdefault(sentence, [0, 0])
            total[0], total[1] = total[0] + wrong, total[1] + words
        parts = [(wrong, words) for wrong, words in sums.values() if words]
        return rate([wrong for wrong, _ in parts], [words for _, words in parts]) if parts else None


def report(
    clips: Clips,
    heard: Mapping[str, Sequence[Heard]],
    prefixes: Iterable[float],
    channels: Sequence[Mapping[str, Figure]] = (),
) -> tuple[dict[str, Any], str]:
    """All figures, and tables of them.

    Args:
        clips: their words.
        heard: of each condition and clip.
        prefixes: lengths in seconds of the conditions "free after N s".
        channels: figures of each channel, which are added as they are.
    """
    outcomes = {name: clips.outcomes(ones) for name, ones in heard.items()}
    outcomes |= best_of(outcomes, heard)
    figures: dict[str, Any] = {"conditions": {name: _condition(clips, outcomes, name) for name in outcomes}}
    detailed = [name for name in DETAILED if name in outcomes]
    figures["classes"] = {
        kind: {name: _of_class(clips, outcomes[name], kind) for name in detailed} | {LOSS: clips.loss(kind)}
        for kind in classes_in(clips.words)
    }
    figures["from the beginning"] = {
        f"{first:g} to {last:g} s": {name: _between(clips, outcomes[name], first, last) for name in detailed}
        for first, last in pairwise(EDGES)
    }
    figures["after a prefix"] = dict(_after_prefixes(clips, outcomes, prefixes))
    figures["again"] = again(clips, outcomes)
    figures["channels"] = list(channels)
    return figures, _tables(figures)


def best_of(
    outcomes: Mapping[str, Sequence[Outcome]], heard: Mapping[str, Sequence[Heard]]
) -> dict[str, list[Outcome]]:
    """Of the clips of all seeds of the free default the likeliest, and others; empty if there is one seed only."""
    names = [name for name in outcomes if name == FREE or name.startswith(f"{FREE}, seed")]
    if len(names) < 2:
        return {}
    rules: dict[str, Callable[[str, int], float]] = {
        "likeliest": lambda name, clip: (heard[name][clip].likely or (0.0, 0.0))[0],
        "text": lambda name, clip: (heard[name][clip].likely or (0.0, 0.0))[1],
        "heard": lambda name, clip: -outcomes[name][clip].errors,
    }
    return {
        f"best of {len(names)}, {what}": [
            outcomes[max(names, key=lambda name, c=clip, r=rule: r(name, c))][clip]
            for clip in range(len(outcomes[names[0]]))
        ]
        for what, rule in rules.items()
    }


def again(clips: Clips, outcomes: Mapping[str, Sequence[Outcome]]) -> dict[str, Figure]:
    """Of all seeds of the free default together: errors, also above the codec, and how often a word that is wrong in
    one seed is wrong in another."""
    names = [name for name in outcomes if name == FREE or name.startswith(f"{FREE}, seed")]
    both, once, total, above = (list[tuple[int, int]]() for _ in range(4))
    for clip in range(len(clips.words)):
        fates = [[fate != RIGHT for fate in outcomes[name][clip].fates] for name in names]
        wrong = [sum(seeds) for seeds in zip(*fates, strict=True)]
        both.append((sum(n * (n - 1) for n in wrong), sum(n * (len(names) - 1) for n in wrong)))
        once.append((sum(wrong), len(wrong) * len(names)))
        base = outcomes[CEILING][clip].errors
        errors = sum(outcomes[name][clip].errors for name in names)
        total.append((errors, len(wrong) * len(names)))
        above.append((errors - base * len(names), len(wrong) * len(names)))
    found = {
        "word error of all seeds": clips.rate(total),
        "above the codec": clips.rate(above),
        "a word is wrong": clips.rate(once),
        "… if it is wrong in another seed": clips.rate(both),
    }
    return {what: figure for what, figure in found.items() if figure is not None} if len(names) > 1 else {}


def _condition(clips: Clips, outcomes: Mapping[str, Sequence[Outcome]], name: str) -> dict[str, Any]:
    """Word error, also above the codec and above free speech, and the kinds of errors."""
    own = outcomes[name]
    counts = [(one.errors, len(one.fates)) for one in own]
    references = [[word.text for word in words] for words in clips.words]
    return {
        "word error": clips.rate(counts),
        "above the codec": _above(clips, own, outcomes[CEILING]),
        "above free": _above(clips, own, outcomes[FREE]) if FREE in outcomes else None,
        **kinds(references, own)._asdict(),
    }


def _above(clips: Clips, outcomes: Sequence[Outcome], base: Sequence[Outcome]) -> Figure | None:
    pairs = zip(outcomes, base, strict=True)
    return clips.rate([(own.errors - other.errors, len(own.fates)) for own, other in pairs])


def _of_class(clips: Clips, outcomes: Sequence[Outcome], kind: str) -> Figure | None:
    return clips.rate([wrong_of_class(*pair, kind) for pair in zip(clips.words, outcomes, strict=True)])


def _between(clips: Clips, outcomes: Sequence[Outcome], first: float, last: float) -> Figure | None:
    return clips.rate([wrong_between(*pair, first, last) for pair in zip(clips.words, outcomes, strict=True)])


def _after_prefixes(
    clips: Clips, outcomes: Mapping[str, Sequence[Outcome]], prefixes: Iterable[float]
) -> Iterable[tuple[str, dict[str, dict[str, Figure | None]]]]:
    """Wrong words by the time since a prefix, beside the same words without one and in the codec."""
    for prefix in prefixes:
        own = f"free after {prefix:g} s"
        names = [name for name in (CEILING, "fitting default", FREE, own) if name in outcomes]
        if own not in outcomes:
            continue
        for first, last in pairwise(AFTER):
            row = {name: _between(clips, outcomes[name], prefix + first, prefix + last) for name in names}
            renamed = {"after the prefix" if name == own else name: figure for name, figure in row.items()}
            yield f"{prefix:g} s, then {first:g} to {last:g} s", renamed


def _tables(figures: Mapping[str, Any]) -> str:
    lines = [f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
    for name, row in figures["conditions"].items():
        parts = ", ".join(f"{100 * row[part]:.0f}" for part in ("substituted", "deleted", "inserted"))
        shares = " | ".join(percent(row[part]) for part in ("word error", "above the codec", "above free"))
        lines.append(f"| {name} | {shares} | {parts} | {row['skipped']:.1f}, {row['repeated']:.1f} |")
    for title in ("classes", "from the beginning", "after a prefix"):
        rows = figures[title]
        if rows:
            names = list(next(iter(rows.values())))
            lines += ["", "| " + " | ".join([f"words: {title}", "of", *names]) + " |", "|---" * (len(names) + 2) + "|"]
            lines += [_row(name, row) for name, row in rows.items()]
    lines += ["", *(f"{what}: {percent(figure)}" for what, figure in figures["again"].items())]
    return "\n".join([*lines, *_channel_table(figures["channels"])])


def _channel_table(channels: Sequence[Mapping[str, Figure]]) -> list[str]:
    if not channels:
        return []
    lines = ["", "| channel | " + " | ".join(channels[0]) + " |", "|---" * (len(channels[0]) + 1) + "|"]
    for channel, row in enumerate(channels):
        lines.append(f"| {channel} | " + " | ".join(f"{figure.value:.2f}" for figure in row.values()) + " |")
    return lines


def _row(name: str, row: Mapping[str, Figure | None]) -> str:
    known = [figure for figure in row.values() if figure is not None]
    shown = [f"{one.value:.2f}" if what == LOSS and one else percent(one) for what, one in row.items()]
    return "| " + " | ".join([name, f"{known[0].of if known else 0}", *shown]) + " |"


def percent(figure: Figure | None) -> str:
    """A figure with its interval."""
    return "–" if figure is None else figure.shown()


def _spelt(text: str) -> str:
    return spoken_form("".join(character for character in text if character.isascii())).replace("-", " ")
