"""Compare long scripts with short ones: words, tempo and pitch from the first turn to the last."""

import argparse
import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from evaluation.held_out import SPEAKERS, sentences
from evaluation.intervals import Figure
from evaluation.intervals import rate as error_rate
from evaluation.recognizer import Recognizer
from tqdm import tqdm

from dia import MINI
from dia.audio.dsp.pitch import median_pitch
from dia.model import Dia
from dia.synthesis.parts.joining import Piece
from dia.synthesis.parts.long_form import speak_long
from dia.synthesis.synthesizer import Synthesizer
from dia.synthesis.takes.generation import make_take
from dia.synthesis.takes.take import Line, TakeOptions
from dia.text.prompt_format import CARRIES, Carry, PromptFormat
from dia.text.script import Script, Turn
from dia.training.mini.teacher.english import vocabulary

GUIDE = """examples:
  python benchmarks/quality/long_form_quality.py --json long.json       2, 20 and 100 turns per script
  python benchmarks/quality/long_form_quality.py --turns 20 --carry nothing,first,last,both
                                                                compare what each part continues from
  python benchmarks/quality/long_form_quality.py --model FOLDER --turns 2,20

Goals: word error of the long form within 2 points of single turns; words per second of the last fifth within 10 %
of the first; the pitch of each speaker within 10 % throughout. Needs pocketsphinx (pip install pocketsphinx).
"""
FIFTHS = 5


class Heard(NamedTuple):
    """What was heard of a part: its seconds, and of each turn word errors, words, and the speaker with his pitch."""

    seconds: float
    errors: list[int]
    words: list[int]
    pitches: list[tuple[str, float]]


def scripts_of(turns: int, at_least: int, seed: int) -> list[Script]:
    """Scripts of `turns` each and `at_least` as many in all: sentences never trained on, [S1] and [S2] in turn.

    Whatever the length, they are the same sentences.
    """
    count = max(1, at_least // turns)
    texts = itertools.islice((text for text in sentences(f"long {seed}") if "(" not in text), turns * count)
    said = [Turn(SPEAKERS[number % 2], text) for number, text in enumerate(texts)]
    return [Script(tuple(said[first : first + turns])) for first in range(0, len(said), turns)]


def heard_in(piece: Piece, recognizer: Recognizer) -> Heard:
    """What is heard of a part, pauses included in its time.

    Each turn is heard by itself, as single turns are: it is cut out in the middle of the silence around it, for what
    comes before helps or harms the recognizer.
    """
    take, turns = piece.take, piece.take.turns
    middles = [(one.end + after.start) / 2 for one, after in itertools.pairwise(turns)]
    edges = [round(at * take.sampling_rate) for at in (0.0, *middles, take.seconds)]
    sounds = [take.audio[first:last] for first, last in itertools.pairwise(edges)]
    heard = [
        recognizer.errors(turn.text, sound, take.sampling_rate) for turn, sound in zip(turns, sounds, strict=True)
    ]
    pitches = [
        (turn.speaker, median_pitch(sound, take.sampling_rate)) for turn, sound in zip(turns, sounds, strict=True)
    ]
    errors, words = [one for one, _ in heard], [count for _, count in heard]
    return Heard(len(piece.audio) / take.sampling_rate, errors, words, pitches)


def single_turns(
    synthesizer: Synthesizer, turns: Sequence[Turn], seed: int, recognizer: Recognizer, take_options: TakeOptions
) -> list[tuple[int, int]]:
    """Word errors and words of every turn spoken by itself."""
    pairs = []
    for number, turn in enumerate(tqdm(turns, "single turns", leave=False)):
        take = make_take(
            synthesizer, Line(str(Turn(turn.speaker, turn.text))), seed + number, take_options=take_options
        )
        pairs.append(recognizer.errors(turn.text, take.audio, take.sampling_rate))
    return pairs


def fifths(heard: Sequence[Heard]) -> tuple[Sequence[Heard], Sequence[Heard]]:
    """The first and the last fifth, one part at least."""
    size = max(1, len(heard) // FIFTHS)
    return heard[:size], heard[-size:]


def tempo(heard: Sequence[Heard]) -> float:
    """Words per second."""
    return sum(sum(part.words) for part in heard) / sum(part.seconds for part in heard)


def pitch_of(heard: Sequence[Heard], speaker: str) -> float:
    """The median over a speaker's turns in Hz; NaN without any that is voiced."""
    found = [pitch for part in heard for name, pitch in part.pitches if name == speaker and not np.isnan(pitch)]
    return median(found) if found else float("nan")


def figures(scripts: Sequence[Sequence[Heard]], alone: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Word error, what it is above that of the turns `alone`, and how much the last fifths differ from the first."""
    heard = list(itertools.chain.from_iterable(scripts))
    first, last = (list(itertools.chain.from_iterable(parts)) for parts in zip(*map(fifths, scripts), strict=True))
    words, errors = [count for _, count in alone], [count for part in heard for count in part.errors]
    more = error_rate([long - short for long, (short, _) in zip(errors, alone, strict=True)], words)
    whole = {name: pitch_of(heard, name) for name in SPEAKERS}
    drift = {name: pitch_of(last, name) / pitch_of(first, name) - 1 for name in SPEAKERS}
    steady = [abs(pitch / whole[name] - 1) <= 0.1 for part in heard for name, pitch in part.pitches]
    return {
        "scripts": len(scripts),
        "parts": len(heard),
        "seconds": round(sum(part.seconds for part in heard), 1),
        "word_error": rounded(error_rate(errors, words)),
        "word_error_above_one_by_one": rounded(more),
        "words_per_second": round(tempo(heard), 3),
        "tempo_last_to_first": round(tempo(last) / tempo(first), 3),
        "pitch": {name: round(pitch, 1) for name, pitch in whole.items()},
        "pitch_last_to_first": {name: round(1 + change, 3) for name, change in drift.items()},
        "turns_within_10_percent_of_pitch": round(float(np.mean(steady)), 3),
    }


def rounded(figure: Figure) -> list[float]:
    """Value and interval, as JSON shows them."""
    return [round(float(value), 4) for value in figure[:3]]


def spoken(
    synthesizer: Synthesizer,
    script: Script,
    carry: Carry,
    seed: int,
    recognizer: Recognizer,
    take_options: TakeOptions,
) -> tuple[list[Heard], int]:
    """What is heard of a script in the long form, and how many of its parts had faults."""
    heard, faults = [], 0
    for piece in speak_long(synthesizer, script, seed=seed, take_options=take_options, carry=carry, progress=True):
        heard.append(heard_in(piece, recognizer))
        faults += bool(piece.take.warnings)
    return heard, faults


def main() -> None:
    """Parse arguments, measure, print, write JSON."""
    arguments = parser().parse_args()
    if unknown := set(arguments.carry or ()) - set(CARRIES):
        sys.exit(f"long_form_quality: --carry {', '.join(sorted(unknown))} is not one of {', '.join(CARRIES)}.")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    synthesizer, recognizer = Dia.from_pretrained(arguments.model, device="cpu").synthesizer, Recognizer(vocabulary())
    carries = arguments.carry or [PromptFormat.of(synthesizer.model.generation_config).carry]
    results: dict[str, Any] = {"seed": arguments.seed, "retries": arguments.retries}
    known: dict[str, tuple[int, int]] = {}
    take_options = TakeOptions(retries=arguments.retries)
    for turns, carry in itertools.product(arguments.turns, carries):
        scripts = scripts_of(turns, arguments.at_least, arguments.seed)
        said = [turn for script in scripts for turn in script.turns]
        new = [turn for turn in said if turn.text not in known]
        found = single_turns(synthesizer, new, arguments.seed + len(known), recognizer, take_options)
        known |= {turn.text: pair for turn, pair in zip(new, found, strict=True)}
        alone = [known[turn.text] for turn in said]
        pairs = [
            spoken(synthesizer, script, carry, arguments.seed + at, recognizer, take_options)
            for at, script in enumerate(scripts)
        ]
        results[f"{turns} turns, carrying {carry}"] = {
            **figures([heard for heard, _ in pairs], alone),
            "word_error_one_by_one": rounded(error_rate(*zip(*alone, strict=True))),
            "parts_with_faults": sum(faults for _, faults in pairs),
        }
        print(json.dumps({f"{turns} {carry}": results[f"{turns} turns, carrying {carry}"]}), flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    options = argparse.ArgumentParser(
        description=__doc__, epilog=GUIDE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--model", default=str(MINI), help="checkpoint folder (default: the embedded one)")
    options.add_argument(
        "--turns",
        type=lambda text: [int(part) for part in text.split(",")],
        default=[2, 20, 100],
        metavar="N,N",
        help="turns per script (default: 2,20,100)",
    )
    options.add_argument(
        "--at-least",
        type=int,
        default=100,
        help="minimum number of turns per length, over several scripts (default: 100)",
    )
    options.add_argument("--retries", type=int, default=2, help="retries of takes with faults (default: 2)")
    options.add_argument(
        "--carry",
        type=lambda text: text.split(","),
        metavar="WHAT,WHAT",
        help="what each part continues from: " + ", ".join(CARRIES) + " (default: the model's setting)",
    )
    options.add_argument("--seed", type=int, default=0, help="seed of texts and sampling (default: 0)")
    options.add_argument("--threads", type=int, help="number of CPU threads (default: chosen by torch)")
    options.add_argument("--json", type=Path, metavar="FILE", help="file for the results")
    return options


if __name__ == "__main__":
    main()
