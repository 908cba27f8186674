"""Measure the error of word and turn times on the teacher's speech, for which flite reports the true times."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from shutil import which
from typing import NamedTuple

import numpy as np
import soundfile
import torch
from evaluation.held_out import SPEAKERS, TEACHER_RATE, sentences
from tqdm import tqdm

from dia import MINI
from dia.audio.waveform import Waveform
from dia.model import Dia
from dia.synthesis.synthesizer import Synthesizer
from dia.synthesis.takes import alignment
from dia.synthesis.takes.analysis import snap_to_sound
from dia.training.mini.teacher.voices import loud_span, voice_of

GUIDE = """examples:
  python benchmarks/quality/timing_error.py                      40 sentences and 20 dialogues of 2 to 5 turns
  python benchmarks/quality/timing_error.py --model FOLDER --items 10

The teacher's speech is encoded and aligned as if the model had spoken it, so the true times are known. Word times are
accurate enough to be offered if the median error is under 80 ms. Needs flite (apt-get install flite).
"""
EDGE_SECONDS = 0.1
GOAL_SECONDS = 0.08


class Labeled(NamedTuple):
    """Speech at `TEACHER_RATE`, the script it speaks, and the start and end of every word in seconds, by turn."""

    audio: Waveform
    script: str
    turns: list[list[tuple[float, float]]]


def labeled_turn(text: str, speaker: str) -> Labeled | None:
    """A turn spoken by flite, or None if its sounds cannot be assigned to its words.

    flite reports when every sound ends. The number of sounds of each word is found by speaking the word alone. If the
    sum differs from the sentence's, because sounds merge, the sentence is skipped.
    """
    words = timing_words(text)
    with tempfile.NamedTemporaryFile(suffix=".wav") as wav:
        told = _flite(speaker, "-t", text, "-psdur", "-o", wav.name)
        audio, rate = soundfile.read(wav.name, dtype="int16")
    assert rate == TEACHER_RATE
    sounds = list(_sounds(told))
    counts = [_sounds_in(word, speaker) for word in words]
    if sum(counts) != len(sounds):
        return None
    lasts = np.cumsum(counts) - 1
    loud = loud_span(audio)
    edge, start = round(EDGE_SECONDS * rate), loud.start / rate - EDGE_SECONDS
    times = [
        (sounds[last - count + 1][0] - start, sounds[last][1] - start)
        for count, last in zip(counts, lasts, strict=True)
    ]
    clip = np.pad(audio, edge)[loud.start : loud.stop + 2 * edge].astype(np.float32) / 32768
    return Labeled(clip, f"[{speaker}] {text}", [times])


def timing_words(text: str) -> list[str]:
    """The words whose times are compared."""
    return [word.group() for word in alignment._WORD.finditer(text)]


def _sounds(told: str) -> Iterator[tuple[float, float]]:
    """Start and end of every sound except pauses, from `name:end name:end …`."""
    begin = 0.0
    for label in told.split():
        name, _, end = label.rpartition(":")
        if name != "pau":
            yield begin, float(end)
        begin = float(end)


@cache
def _sounds_in(word: str, speaker: str) -> int:
    return sum(name != "pau" for name in _flite(speaker, "-t", word, "-ps", "none").split())


def _flite(speaker: str, *arguments: str) -> str:
    command = ["flite", "-voice", voice_of(speaker).base, "--setf", "duration_stretch=1", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def turns_from(texts: Iterator[str], lengths: Sequence[int]) -> Iterator[Labeled]:
    """Dialogues of the given numbers of turns, alternating between [S1] and [S2]."""
    for length in lengths:
        turns: list[Labeled] = []
        while len(turns) < length:
            turn = labeled_turn(next(texts), SPEAKERS[len(turns) % 2])
            turns += [] if turn is None else [turn]
        starts = np.cumsum([0.0, *(len(turn.audio) / TEACHER_RATE for turn in turns[:-1])])
        yield Labeled(
            np.concatenate([turn.audio for turn in turns]),
            " ".join(turn.script for turn in turns),
            [[(a + at, b + at) for a, b in turn.turns[0]] for turn, at in zip(turns, starts, strict=True)],
        )


def errors(synthesizer: Synthesizer, item: Labeled) -> dict[str, list[float]]:
    """Found minus true seconds, for the starts and ends of words and turns."""
    (codes,) = synthesizer.processor.encode_audio([item.audio], sampling_rate=TEACHER_RATE)
    reading = alignment.align(synthesizer.model, synthesizer.processor, item.script, codes)
    found = snap_to_sound(reading.turns(), item.audio, TEACHER_RATE)
    pairs = [
        (word, truth)
        for turn, truths in zip(found, item.turns, strict=True)
        for word, truth in zip(turn.words, truths, strict=True)
    ]
    return {
        "word starts": [word.start - start for word, (start, _) in pairs],
        "word ends": [word.end - end for word, (_, end) in pairs],
        "turn starts": [turn.start - truths[0][0] for turn, truths in zip(found, item.turns, strict=True)],
        "turn ends": [turn.end - truths[-1][1] for turn, truths in zip(found, item.turns, strict=True)],
    }


def summary(found: Sequence[float]) -> dict[str, float]:
    """Median and 90th percentile of the absolute error, and the median signed error, in milliseconds."""
    sizes = 1000 * np.abs(found)
    return {
        "count": len(found),
        "median_ms": round(float(np.median(sizes)), 1),
        "p90_ms": round(float(np.quantile(sizes, 0.9)), 1),
        "bias_ms": round(1000 * float(np.median(found)), 1),
    }


def main() -> None:
    """Parse arguments, measure, print, write JSON."""
    arguments = parser().parse_args()
    if which("flite") is None:
        sys.exit("timing_error: flite, the teacher, is not installed. Run: apt-get install flite")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    synthesizer = Dia.from_pretrained(arguments.model, device="cpu").synthesizer
    texts = (text for text in sentences(f"timing {arguments.seed}") if "(" not in text)
    kinds = {
        "single turns": [1] * arguments.items,
        "dialogues": [2 + number % 4 for number in range(arguments.items // 2)],
    }
    results = {}
    for kind, lengths in kinds.items():
        parts = [errors(synthesizer, item) for item in tqdm(turns_from(texts, lengths), kind, len(lengths))]
        results[kind] = {name: summary([error for part in parts for error in part[name]]) for name in parts[0]}
        for name, told in results[kind].items():
            print(f"{kind}, {name}: {told}")
    worst = max(results["dialogues"][name]["median_ms"] for name in ("word starts", "word ends"))
    verdict = "word times may be offered" if worst < 1000 * GOAL_SECONDS else "offer only turn times"
    print(f"median error of words in dialogues {worst} ms, goal {1000 * GOAL_SECONDS:.0f} ms: {verdict}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    options = argparse.ArgumentParser(
        description=__doc__, epilog=GUIDE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--model", default=str(MINI), help="checkpoint folder (default: the embedded one)")
    options.add_argument(
        "--items", type=int, default=40, help="number of sentences; half as many dialogues (default: 40)"
    )
    options.add_argument("--seed", type=int, default=0, help="seed of the texts (default: 0)")
    options.add_argument("--threads", type=int, help="number of CPU threads (default: chosen by torch)")
    options.add_argument("--json", type=Path, metavar="FILE", help="file for the results")
    return options


if __name__ == "__main__":
    main()
