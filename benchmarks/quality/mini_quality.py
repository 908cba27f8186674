"""Measure the speech of the embedded model, with 95 % intervals, and compare it with its goals."""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from shutil import which
from typing import Any, NamedTuple

import numpy as np
import torch
from evaluation.held_out import (
    TEACHER_RATE,
    Item,
    Runs,
    add_training_options,
    fresh_sentences,
    in_turn,
    sentences,
    sequences,
    spoken_by_teacher,
    trained_runs,
)
from evaluation.intervals import Figure, certain, rate
from evaluation.recognizer import Recognizer
from evaluation.speaking import Line, Speaker
from mini.goals import table, told
from mini.sounds import soundings, sounds_right
from mini.speed import speed
from mini.voices import MOST_TURNS, cloned, dialogues, prompts_and_continuations, voices_right
from mini.words import errors, words_heard

from dia import MINI
from dia.training.data.dialogues import Clip
from dia.training.metrics import measure
from dia.training.mini.teacher.english import vocabulary
from dia.training.mini.teacher.texts import SEED_DIALOGUE

GUIDE = """examples:
  python benchmarks/quality/mini_quality.py --json figures.json       everything, about 20 minutes on 2 idle cores
  python benchmarks/quality/mini_quality.py --quick --model FOLDER    a quick check of a checkpoint, wide intervals
  python benchmarks/quality/mini_quality.py --only words,gap          some parts: words (and endings), voices, cloning,
                                                              sounds, gap, seed (its dialogue), speed

Sentences have at least four words, are from the held-out split, and share no run of four words with the training
texts. Needs flite, the teacher (apt-get install flite), and pocketsphinx (pip install pocketsphinx).
"""
SETTINGS = "do_sample", "temperature", "top_k", "top_p", "guidance_scale"
SEED_SCRIPT = " ".join(f"[{speaker}] {text}" for speaker, text in SEED_DIALOGUE)


class Sizes(NamedTuple):
    """The number of items of each part; `readings` are those of the seed's dialogue."""

    sentences: int = 200
    sequences: int = 100
    dialogues: int = 50
    cloned: int = 60
    sounds: int = 100
    readings: int = 8


QUICK = Sizes(24, 12, 5, 8, 20, 2)


class Bench:
    """The parts of the benchmark, each a method that returns figures.

    Args:
        folder: of the checkpoint.
        trained: runs of words that sentences must not contain.
        sizes: the number of items of each part.
        seed: of items and of sampling.
    """

    def __init__(self, folder: Path, trained: Runs, sizes: Sizes, seed: int) -> None:
        self.folder, self.trained, self.sizes, self.seed = folder, trained, sizes, seed
        self.recognizer = Recognizer(vocabulary())
        self.speaker = Speaker(folder)
        self.refused = 0

    @cached_property
    def items(self) -> list[Item]:
        """Sentences and sequences of words, with the teacher's speech."""
        drawn = fresh_sentences(sentences(str(self.seed)), self.trained, self.sizes.sentences)
        self.refused = drawn.refused
        listed = sequences(str(self.seed), self.sizes.sequences)
        return in_turn(drawn.texts, "sentence") + in_turn(listed, "sequence")

    def fresh(self, purpose: str, count: int) -> Iterator[str]:
        """`count` sentences that no other part uses."""
        return iter(fresh_sentences(sentences(f"{purpose} {self.seed}"), self.trained, count).texts)

    def words(self) -> dict[str, Figure]:
        """Word error, endings and lengths."""
        return words_heard(self.speaker, self.recognizer, self.items, self.seed)[0]

    def voices(self) -> dict[str, Figure]:
        """The voice of each turn in dialogues."""
        texts = self.fresh("dialogues", self.sizes.dialogues * MOST_TURNS)
        return voices_right(self.speaker, dialogues(texts, self.sizes.dialogues), self.seed)

    def cloning(self) -> dict[str, Figure]:
        """Whether the voice of a prompt continues."""
        pairs = prompts_and_continuations(self.fresh("cloning", 2 * self.sizes.cloned), self.sizes.cloned)
        return cloned(self.speaker, self.recognizer, pairs, self.seed)

    def sounds(self) -> dict[str, Figure]:
        """Sounds next to words."""
        texts = self.fresh("sounds", 5 * self.sizes.sounds)
        return sounds_right(self.speaker, soundings(texts, self.sizes.sounds), self.seed)

    def gap(self) -> dict[str, Figure]:
        """Loss of channel 0 on the teacher's codes, with the right text and with another of the same voice."""
        codes = self.speaker.codes([item.teacher for item in self.items])
        clips = [Clip([grid], item.script, item.speaker) for item, grid in zip(self.items, codes, strict=True)]
        measured = measure(self.speaker.model, clips, self.speaker.processor)
        assert measured.gap is not None
        return {"loss": certain(float(measured.loss[0]), len(clips)), "gap": certain(measured.gap, len(clips))}

    def seed_dialogue(self) -> dict[str, Figure]:
        """The dialogue of `make hello`, spoken several times."""
        turns = [spoken_by_teacher(text, speaker) for speaker, text in SEED_DIALOGUE]
        script, taught = SEED_SCRIPT, np.concatenate([turn.teacher for turn in turns])
        lines = [Line(script, len(taught) / TEACHER_RATE)] * self.sizes.readings
        spoken = [clip.audio for clip in self.speaker.say(lines, self.seed, "the seed's dialogue")]
        model = errors(self.recognizer, [script] * len(spoken), spoken, self.speaker.rate, "the seed's dialogue")
        teacher = errors(self.recognizer, [script], [taught], TEACHER_RATE, "its teacher")
        return {
            "seed_dialogue": rate(model.edits, model.words),
            "seed_dialogue_teacher": certain(sum(teacher.edits) / sum(teacher.words)),
        }

    def speed(self) -> dict[str, Figure]:
        """How fast `dia say` is."""
        return speed(self.folder, SEED_SCRIPT, self.seed)


PARTS = {
    "words": Bench.words,
    "voices": Bench.voices,
    "cloning": Bench.cloning,
    "sounds": Bench.sounds,
    "gap": Bench.gap,
    "seed": Bench.seed_dialogue,
    "speed": Bench.speed,
}


def main() -> None:
    """Parse arguments, measure, print a table, write JSON."""
    arguments = _parser().parse_args()
    names = arguments.only.split(",") if arguments.only else list(PARTS)
    if unknown := [name for name in names if name not in PARTS]:
        sys.exit(f"mini_quality: --only {', '.join(unknown)} is not one of {', '.join(PARTS)}.")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        _measure(arguments, names)
    except (OSError, ImportError, ValueError) as error:
        sys.exit(f"mini_quality: {error}")


def _measure(arguments: argparse.Namespace, names: Sequence[str]) -> None:
    sizes = QUICK if arguments.quick else Sizes()
    if which("flite") is None:
        raise FileNotFoundError("flite, the teacher, is not installed. Run: apt-get install flite")
    bench = Bench(
        arguments.model, trained_runs(arguments.training_texts, arguments.training_seed), sizes, arguments.seed
    )
    figures: dict[str, Figure] = {}
    minutes: dict[str, float] = {}
    for name in names:
        began = time.perf_counter()
        found = PARTS[name](bench)
        minutes[name] = round((time.perf_counter() - began) / 60, 2)
        print(table(found), flush=True)
        figures |= found
        _write(arguments.json, _results(bench, arguments, figures, minutes))
    print(
        f"\n{table(figures)}\n{bench.refused} sentences were rejected: they share a run of four words with training."
    )


def _results(
    bench: Bench, arguments: argparse.Namespace, figures: Mapping[str, Figure], minutes: Mapping[str, float]
) -> dict[str, Any]:
    """What the JSON holds."""
    chosen = bench.speaker.model.generation_config
    return {
        "seed": bench.seed,
        "sizes": bench.sizes._asdict(),
        "sentences_refused": bench.refused,
        "training_texts": arguments.training_texts,
        "training_seed": arguments.training_seed,
        "settings": {name: getattr(chosen, name) for name in SETTINGS},
        "threads": torch.get_num_threads(),
        "minutes": dict(minutes),
        "figures": told(figures),
    }


def _write(path: Path | None, results: Any) -> None:
    if path is not None:
        path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=GUIDE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=Path(MINI), help="checkpoint folder (default: the embedded one)")
    parser.add_argument("--quick", action="store_true", help="use few items, for a quick check")
    parser.add_argument("--only", metavar="PARTS", help=f"{', '.join(PARTS)}, separated by commas (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="seed of items and sampling (default: 0)")
    add_training_options(parser)
    parser.add_argument("--threads", type=int, help="number of CPU threads (default: chosen by torch)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="file for the results")
    return parser


if __name__ == "__main__":
    main()
