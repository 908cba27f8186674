"""How well the embedded model speaks, in figures with 95 % intervals, beside what is asked of it."""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from goals import table, told
from held_out import Item, fresh_sentences, in_turn, sentences, sequences, trained_runs
from intervals import Figure
from recogniser import Recogniser
from speaking import Line, Speaker
from words_heard import errors, words_heard

from dia import MINI
from dia.training.english import vocabulary
from dia.training.measuring import measure
from dia.training.scripts import Clip

GUIDE = """examples:
  python benchmarks/mini_quality.py --json figures.json       everything, some 20 minutes on 2 idle cores
  python benchmarks/mini_quality.py --quick --model FOLDER    a look at a checkpoint: few items, wide intervals
  python benchmarks/mini_quality.py --only words,gap          some of its parts: words, gap
  python benchmarks/mini_quality.py --sweep                   compare sampling settings by word error

Sentences are of the held-out split, of four words at least, and share no run of four words with what was trained on.
Needs flite, the teacher (apt-get install flite), and pocketsphinx (pip install 'dia-tts[benchmark]').
"""
SWEEP = {"temperature": (0.4, 0.6, 0.8), "top_k": (20, 50), "guidance_scale": (1.0, 1.5, 2.5)}


class Sizes(NamedTuple):
    """How many items each part has."""

    sentences: int = 200
    sequences: int = 100


QUICK = Sizes(24, 12)


class Bench:
    """The parts of the benchmark, each a method that returns figures; what they share is made once."""

    def __init__(self, speaker: Speaker, recogniser: Recogniser, items: Sequence[Item], sizes: Sizes, seed: int):
        self.speaker, self.recogniser, self.items, self.sizes, self.seed = speaker, recogniser, items, sizes, seed

    def words(self) -> dict[str, Figure]:
        """Word error, endings and lengths."""
        return words_heard(self.speaker, self.recogniser, self.items, self.seed)[0]

    def gap(self) -> dict[str, Figure]:
        """Loss of channel 0 on the teacher's codes, with the right text and with another of the same voice."""
        codes = self.speaker.codes([item.teacher for item in self.items])
        clips = [Clip([grid], item.script, item.speaker) for item, grid in zip(self.items, codes, strict=True)]
        measured = measure(self.speaker.model, clips)
        assert measured.gap is not None
        nan = float("nan")
        return {
            "loss": Figure(float(measured.loss[0]), nan, nan, len(clips)),
            "gap": Figure(measured.gap, nan, nan, len(clips)),
        }


PARTS = {"words": Bench.words, "gap": Bench.gap}


def sweep(speaker: Speaker, recogniser: Recogniser, items: Sequence[Item], seed: int) -> list[dict[str, Any]]:
    """Word error of the model for every combination of `SWEEP`, best first."""
    results = []
    texts = [item.text for item in items]
    for values in itertools.product(*SWEEP.values()):
        settings = dict(zip(SWEEP, values, strict=True))
        lines = [Line(item.script, item.seconds) for item in items]
        spoken = speaker.say(lines, seed, str(settings), do_sample=True, top_p=1.0, **settings)
        heard = errors(recogniser, texts, [clip.audio for clip in spoken], speaker.rate, "the model")
        ended = sum(clip.ended for clip in spoken)
        results.append({**settings, "word_error": round(sum(heard.edits) / sum(heard.words), 4), "ended": ended})
        print(json.dumps(results[-1]), flush=True)
    return sorted(results, key=lambda row: row["word_error"])


def held_out_items(sizes: Sizes, seed: int, trained_texts: int, training_seed: int) -> tuple[list[Item], int]:
    """Sentences and sequences as the teacher says them, and how many were refused as too near to training."""
    drawn = fresh_sentences(sentences(str(seed)), trained_runs(trained_texts, training_seed), sizes.sentences)
    chosen = in_turn(drawn.texts, "sentence") + in_turn(sequences(str(seed), sizes.sequences), "sequence")
    return chosen, drawn.refused


def main() -> None:
    """Parse arguments, measure, print a table, write JSON."""
    arguments = _parser().parse_args()
    names = arguments.only.split(",") if arguments.only else list(PARTS)
    if unknown := [name for name in names if name not in PARTS]:
        sys.exit(f"mini_quality: --only {','.join(unknown)}: there are {', '.join(PARTS)}.")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    sizes, began = QUICK if arguments.quick or arguments.sweep else Sizes(), time.perf_counter()
    try:
        recogniser = Recogniser(vocabulary())
        items, refused = held_out_items(sizes, arguments.seed, arguments.training_texts, arguments.training_seed)
    except (FileNotFoundError, ImportError) as error:
        sys.exit(f"mini_quality: {error}")
    speaker = Speaker(arguments.model)
    if arguments.sweep:
        results: Any = sweep(speaker, recogniser, items, arguments.seed)
    else:
        bench, figures = Bench(speaker, recogniser, items, sizes, arguments.seed), dict[str, Figure]()
        for name in names:
            figures |= PARTS[name](bench)
        results = {
            "model": str(arguments.model.name),
            "sizes": sizes._asdict(),
            "sentences_refused": refused,
            "training_texts": arguments.training_texts,
            "settings": _settings(speaker),
            "minutes": round((time.perf_counter() - began) / 60, 1),
            "figures": told(figures),
        }
        print(table(figures))
        print(f"{refused} sentences were refused: they share four words in a row with training.")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=GUIDE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=Path(MINI), help="checkpoint folder (default: the embedded one)")
    parser.add_argument("--quick", action="store_true", help="few items: a look, no verdict")
    parser.add_argument("--only", metavar="PARTS", help=f"of {', '.join(PARTS)}; separated by commas (default: all)")
    parser.add_argument("--sweep", action="store_true", help="compare sampling settings instead")
    parser.add_argument("--seed", type=int, default=0, help="of the items and of the sampling")
    parser.add_argument("--training-texts", type=int, default=60_000, help="utterances of the repertoire trained on")
    parser.add_argument("--training-seed", type=int, default=0, help="seed of the repertoire trained on")
    parser.add_argument("--threads", type=int, help="of torch (default: its own choice)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    return parser


def _settings(speaker: Speaker) -> dict[str, Any]:
    chosen = speaker.model.generation_config
    return {name: getattr(chosen, name) for name in ("temperature", "top_k", "top_p", "guidance_scale")}


if __name__ == "__main__":
    main()
