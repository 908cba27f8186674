"""The names and goals of the results, and the table that is printed."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from evaluation.intervals import Figure


class Goal(NamedTuple):
    """The title of a result, what it must and should reach, and whether more is better.

    `scale` and `unit` are for printing: a share of 0.1 is 10 %.
    """

    title: str
    must: float | None = None
    aim: float | None = None
    more: bool = True
    scale: float = 100.0
    unit: str = "%"


GOALS = {
    "sentence_model": Goal("word error, sentences: the model"),
    "sentence_teacher": Goal("word error, sentences: the teacher"),
    "sentence_codec": Goal("word error, sentences: teacher through codec"),
    "sentence_above": Goal("  model above teacher", 0.10, 0.04, False, unit="points"),
    "sentence_codec_above": Goal("  codec above teacher", 0.04, 0.02, False, unit="points"),
    "sequence_model": Goal("word error, random words: the model"),
    "sequence_teacher": Goal("word error, random words: the teacher"),
    "sequence_codec": Goal("word error, random words: teacher through codec"),
    "sequence_above": Goal("  model above teacher", 0.15, 0.08, False, unit="points"),
    "sequence_codec_above": Goal("  codec above teacher", 0.04, 0.02, False, unit="points"),
    "ended": Goal("ends by itself", 0.98, 1.00),
    "duration": Goal("duration within 25 % of the teacher's", 0.90, 0.97),
    "voice": Goal("voice right, turns of dialogues", 0.95, 0.99),
    "voice_teacher": Goal("  the same measure on the teacher's dialogues"),
    "cloned": Goal("cloning: pitch of the prompt kept", 0.80, 0.90),
    "cloned_teacher": Goal("  the same measure on the teacher"),
    "cloned_chance": Goal("  a voice that ignores the prompt"),
    "cloned_word_error": Goal("  word error of the continuation"),
    "sounds": Goal("sounds told apart", 0.90, 0.98),
    "sounds_teacher": Goal("  the same measure, teacher through codec"),
    "sounds_fresh": Goal("  fresh sounds through codec, cut out exactly"),
    "sounds_clean": Goal("  by templates that passed no codec: the model"),
    "sounds_fresh_clean": Goal("  by the same: fresh sounds through codec"),
    "gap": Goal("loss more with another text, channel 0", 1.0, 2.0, True, 1.0, "nat"),
    "loss": Goal("loss with its own text, channel 0", None, None, False, 1.0, "nat"),
    "seed_dialogue": Goal("word error, the seed's own dialogue"),
    "seed_dialogue_teacher": Goal("  the teacher's"),
    "realtime": Goal("speed of `dia say`, loading apart", 3.0, 8.0, True, 1.0, "x realtime"),
    "command": Goal("wall time of `dia say`", None, None, False, 1.0, "s"),
    "command_speech": Goal("  for speech of", None, None, True, 1.0, "s"),
}


def verdict(goal: Goal, value: float) -> str:
    """ "aim", "must" or "missed"; empty if there is no goal."""
    if goal.must is None or goal.aim is None:
        return ""
    sign = 1 if goal.more else -1
    reached = [name for name, wanted in (("aim", goal.aim), ("must", goal.must)) if sign * value >= sign * wanted]
    return reached[0] if reached else "missed"


def told(figures: Mapping[str, Figure]) -> dict[str, dict[str, Any]]:
    """Results for JSON: value, 95 % interval if there is one, count, and goal."""
    rows: dict[str, dict[str, Any]] = {}
    for name, figure in figures.items():
        goal = GOALS[name]
        rows[name] = {"value": round(figure.value, 4), "of": figure.of}
        if not math.isnan(figure.low):
            rows[name] |= {"low": round(figure.low, 4), "high": round(figure.high, 4)}
        if goal.must is not None:
            rows[name] |= {"must": goal.must, "aim": goal.aim, "reached": verdict(goal, figure.value)}
    return rows


def table(figures: Mapping[str, Figure]) -> str:
    """Figures with intervals, one a line, beside what is asked for."""
    lines = [f"{'':48}{'measured':>14} {'95 % interval':>18} {'items':>6} {'must':>8} {'aim':>8}"]
    for name, goal in GOALS.items():
        if name in figures:
            lines.append(_line(goal, figures[name]))
    return "\n".join(lines)


def _line(goal: Goal, figure: Figure) -> str:
    digits = 1 if goal.scale == 100 else 2

    def shown(value: float | None) -> str:
        return "" if value is None or math.isnan(value) else f"{value * goal.scale:.{digits}f}"

    interval = f"{shown(figure.low)} … {shown(figure.high)}" if shown(figure.low) else ""
    measured = f"{shown(figure.value)} {goal.unit}"
    asked = f"{shown(goal.must):>8} {shown(goal.aim):>8}  {verdict(goal, figure.value)}"
    return f"{goal.title:48}{measured:>14} {interval:>18} {figure.of:>6} {asked}".rstrip()
