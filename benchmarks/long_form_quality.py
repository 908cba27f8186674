"""Whether long scripts are spoken like short ones: words, tempo and pitch from the first turn to the last."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from held_out import SPEAKERS, sentences
from intervals import rate as error_rate
from recogniser import Recogniser
from tqdm import tqdm

from dia import MINI
from dia.long_form import Piece, speak_long
from dia.manners import CARRIES, Carry, Manners
from dia.model import Dia
from dia.passes import Speech
from dia.pitch import median_pitch
from dia.script import Script, Turn
from dia.takes import Line, make_take
from dia.training.english import vocabulary

GUIDE = """examples:
  python benchmarks/long_form_quality.py --json long.json       scripts of 2, 20 and 100 turns
  python benchmarks/long_form_quality.py --turns 20 --carry nothing,first,last,both
                                                                compare what each part may go on from
  python benchmarks/long_form_quality.py --model FOLDER --turns 2,20

Asked for: word error of the long form within 2 points of single turns; words per second of the last fifth within 10 %
of the first; the pitch of each speaker within 10 % throughout. Needs pocketsphinx (pip install 'dia-tts[benchmark]').
"""
FIFTHS = 5


class Heard(NamedTuple):
    """What was heard of a stretch of speech: word errors, words, seconds, and the pitch of each turn by speaker."""

    errors: int
    words: int
    seconds: float
    pitches: list[tuple[str, float]]


def script_of(turns: int, seed: int) -> Script:
    """Sentences that were not trained on, [S1] and [S2] in turn."""
    texts = islice((text for text in sentences(f"long {seed}") if "(" not in text), turns)
    return Script(tuple(Turn(SPEAKERS[number % 2], text) for number, text in enumerate(texts)))


def heard_in(piece: Piece, recogniser: Recogniser) -> Heard:
    """What is heard of a part, pauses included in its time."""
    take = piece.take
    text = " ".join(turn.text for turn in take.turns)
    errors, words = recogniser.errors(text, take.audio, take.sampling_rate)
    cuts = [
        (turn.speaker, slice(*(round(at * take.sampling_rate) for at in (turn.start, turn.end))))
        for turn in take.turns
    ]
    pitches = [(speaker, median_pitch(take.audio[cut], take.sampling_rate)) for speaker, cut in cuts]
    return Heard(errors, words, len(piece.audio) / take.sampling_rate, pitches)


def single_turns(speech: Speech, script: Script, seed: int, recogniser: Recogniser) -> tuple[list[int], list[int]]:
    """Word errors and words of every turn spoken by itself."""
    pairs = []
    for number, turn in enumerate(tqdm(script.turns, "single turns", leave=False)):
        take = make_take(speech, Line(str(Turn(turn.speaker, turn.text))), seed + number)
        pairs.append(recogniser.errors(turn.text, take.audio, take.sampling_rate))
    return [errors for errors, _ in pairs], [words for _, words in pairs]


def fifths(heard: Sequence[Heard]) -> tuple[Sequence[Heard], Sequence[Heard]]:
    """The first and the last fifth, one part at least."""
    size = max(1, len(heard) // FIFTHS)
    return heard[:size], heard[-size:]


def tempo(heard: Sequence[Heard]) -> float:
    """Words per second."""
    return sum(part.words for part in heard) / sum(part.seconds for part in heard)


def pitch_of(heard: Sequence[Heard], speaker: str) -> float:
    """The median over a speaker's turns in Hz; NaN without any that is voiced."""
    found = [pitch for part in heard for name, pitch in part.pitches if name == speaker and not np.isnan(pitch)]
    return median(found) if found else float("nan")


def figures(heard: Sequence[Heard]) -> dict[str, Any]:
    """Word error with its interval, and how much the last fifth differs from the first."""
    first, last = fifths(heard)
    wrong = error_rate([part.errors for part in heard], [part.words for part in heard])
    whole = {name: pitch_of(heard, name) for name in SPEAKERS}
    drift = {name: pitch_of(last, name) / pitch_of(first, name) - 1 for name in SPEAKERS}
    steady = [abs(pitch / whole[name] - 1) <= 0.1 for part in heard for name, pitch in part.pitches]
    return {
        "parts": len(heard),
        "seconds": round(sum(part.seconds for part in heard), 1),
        "word_error": [round(wrong.value, 4), round(wrong.low, 4), round(wrong.high, 4)],
        "words_per_second": round(tempo(heard), 3),
        "tempo_last_to_first": round(tempo(last) / tempo(first), 3),
        "pitch": {name: round(pitch, 1) for name, pitch in whole.items()},
        "pitch_last_to_first": {name: round(1 + change, 3) for name, change in drift.items()},
        "turns_within_10_percent_of_pitch": round(float(np.mean(steady)), 3),
    }


def measured(speech: Speech, script: Script, carry: Carry, seed: int, recogniser: Recogniser) -> dict[str, Any]:
    """Figures of one script spoken in the long form."""
    began = time.perf_counter()
    heard, faults = [], 0
    for piece in speak_long(speech, script, seed=seed, carry=carry, progress=True):
        heard.append(heard_in(piece, recogniser))
        faults += bool(piece.take.warnings)
    told = figures(heard)
    return {**told, "parts_with_faults": faults, "minutes": round((time.perf_counter() - began) / 60, 2)}


def main() -> None:
    """Parse arguments, measure, print, write JSON."""
    arguments = parser().parse_args()
    if unknown := set(arguments.carry or ()) - set(CARRIES):
        sys.exit(f"long_form_quality: --carry {', '.join(sorted(unknown))} is none of {', '.join(CARRIES)}.")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    speech, recogniser = Dia.from_pretrained(arguments.model, device="cpu").speech, Recogniser(vocabulary())
    results: dict[str, Any] = {"seed": arguments.seed}
    carries = arguments.carry or [Manners.of(speech.model.generation_config).carry]
    for turns in arguments.turns:
        script = script_of(turns, arguments.seed)
        alone = error_rate(*single_turns(speech, script, arguments.seed, recogniser))
        results[f"{turns} turns, one by one"] = {"word_error": [round(float(value), 4) for value in alone[:3]]}
        for carry in carries:
            results[f"{turns} turns, carrying {carry}"] = measured(speech, script, carry, arguments.seed, recogniser)
            print(json.dumps({f"{turns} {carry}": results[f"{turns} turns, carrying {carry}"]}), flush=True)
        print(
            f"{turns} turns, one by one: word error {alone.value:.3f} [{alone.low:.3f}, {alone.high:.3f}]", flush=True
        )
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    options = argparse.ArgumentParser(
        description=__doc__, epilog=GUIDE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--model", default=str(MINI), help="checkpoint folder (default: the embedded one)")
    options.add_argument(
        "--turns", type=lambda text: [int(part) for part in text.split(",")], default=[2, 20, 100], metavar="N,N"
    )
    options.add_argument("--carry", type=lambda text: text.split(","), metavar="WHAT,WHAT")
    options.add_argument("--seed", type=int, default=0, help="of the texts and of the sampling")
    options.add_argument("--threads", type=int, help="of torch (default: its own choice)")
    options.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    return options


if __name__ == "__main__":
    main()
