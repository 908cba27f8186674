"""Measure speech: everyday sentences by word error of Whisper, Distill-MOS and speed; dialogues; endings; sounds.

    python benchmarks/quality/naturalness.py                      the embedded model, both speakers, 200 sentences
    python benchmarks/quality/naturalness.py --parts dialogue endings
    python benchmarks/quality/naturalness.py --model FOLDER --count 50 --seeds 3 --json out.json

Intervals are 95 %, by bootstrap over sentences. Sentences with digits are also listed separately. The part "voices"
is short dialogues between the two example voices, and the same without voices: their words, and the share of takes
without a fault, such as an early end. The part "sounds" needs flite, for the words beside them.
"""

import argparse
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from evaluation.held_out import fresh_sentences
from evaluation.held_out import sentences as sentences_of_grammar
from evaluation.intervals import Figure, certain, rate, share
from evaluation.judges import Errors, OpinionScore, Whisper
from evaluation.results import report
from evaluation.speaking import Line, Speaker
from mini.sounds import soundings, sounds_right
from tqdm import tqdm

from dia import MINI, Dia
from dia.audio.waveform import Waveform
from dia.text.tags import SPEAKERS
from dia.training.mini.teacher.corpus import SEED_DIALOGUE

SENTENCES = Path(__file__).with_name("everyday.txt")
CHARACTERS = 15  # of a text a second, roughly
VOICES = {"S1": "clara", "S2": "bruno"}
DIALOGUES = (
    "[S1] Are you coming? [S2] Yes.",
    "[S2] It costs $5. [S2] Good. [S1] Good.",
    "[S1] How far is it to the lake? [S2] About ten minutes on foot. [S1] Then let us walk.",
    "[S2] Have you seen my glasses? [S1] No. [S2] I had them this morning. [S1] Look in the kitchen.",
    "[S1] Good morning. [S2] Good morning! [S1] Did you sleep well? [S2] Not really, the wind was too loud.",
    "[S2] The train was late again, so I missed the start of the film. [S1] What a pity. [S2] I will see it Sunday.",
)


def sentences(count: int | None, file: Path = SENTENCES) -> list[str]:
    """The first `count` lines of a file, by default the everyday sentences, without its comments."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")][:count]


class Clip(NamedTuple):
    """Speech, mono [N], its rate in Hz, and the seconds it took to make."""

    audio: Waveform
    rate: int
    taken: float


def spoken(model: Dia, texts: Sequence[str], speaker: str, seeds: int) -> Iterator[Clip]:
    """The speech of each text with each seed."""
    for seed in range(seeds):
        for index, text in enumerate(texts):
            started = time.perf_counter()
            audio = model.generate(f"[{speaker}] {text}", seed=1000 * seed + index)
            yield Clip(audio, model.sample_rate, time.perf_counter() - started)


def judged(texts: Sequence[str], clips: Iterable[Clip], whisper: Whisper, score: OpinionScore) -> dict[str, Figure]:
    """Word error of clips and of those of texts with digits, opinion score and speed.

    Args:
        texts: one for each clip.
        clips: the speech, made as it is needed.
    """
    errors, scores, taken, seconds = list[Errors](), list[float](), list[float](), list[float]()
    for text, clip in zip(texts, clips, strict=True):
        errors.append(whisper.errors(text, clip.audio, clip.rate))
        scores.append(score(clip.audio, clip.rate))
        taken.append(clip.taken)
        seconds.append(len(clip.audio) / clip.rate)
    numbered = [one for text, one in zip(texts, errors, strict=True) if re.search(r"\d", text)]
    found = {
        "word_error": word_error(errors),
        "opinion_score": rate(scores, [1.0] * len(scores)),
        "realtime": certain(sum(seconds) / sum(taken), len(taken)),
    }
    return found | ({"word_error_digits": word_error(numbered)} if numbered else {})


def word_error(errors: Sequence[Errors]) -> Figure:
    """The share of wrong words."""
    return rate([one.wrong for one in errors], [one.words for one in errors])


def dialogue(model: Dia, seeds: int, whisper: Whisper) -> dict[str, Figure]:
    """Word error of the dialogue in the README of Dia-1.6B, over `seeds` seeds; the interval is over seeds."""
    script = " ".join(f"[{speaker}] {text}" for speaker, text in SEED_DIALOGUE)
    words = re.sub(r"\([^)]*\)", "", " ".join(text for _, text in SEED_DIALOGUE))
    takes = (model.generate(script, seed=seed) for seed in tqdm(range(seeds), "dialogue"))
    return {"word_error_dialogue": word_error([whisper.errors(words, take, model.sample_rate) for take in takes])}


def dialogues(model: Dia, seeds: int, whisper: Whisper) -> dict[str, Figure]:
    """Word error of the `DIALOGUES` and the share of takes without a fault, with two voices and without."""
    found = {}
    for name, voice in (("two_voices", VOICES), ("no_voices", None)):
        takes = [
            (script, model.speak(script, voice=voice, seed=seed))
            for script in tqdm(DIALOGUES, name)
            for seed in range(seeds)
        ]
        errors = [
            whisper.errors(re.sub(r"\[S[12]\] ", "", script), take.audio, model.sample_rate) for script, take in takes
        ]
        found[f"word_error_{name}"] = word_error(errors)
        found[f"whole_{name}"] = share(sum(not take.warnings for _, take in takes), len(takes))
    return found


def endings(speaker: Speaker, texts: Sequence[str]) -> dict[str, Figure]:
    """The share of sentences that end by themselves, with their final stops and without."""
    found = {}
    for name, final_stop in (("ended", True), ("ended_open", False)):
        lines = [
            Line(f"[{SPEAKERS[index % 2]}] {text if final_stop else text.rstrip('.?!')}", 1 + len(text) / CHARACTERS)
            for index, text in enumerate(texts)
        ]
        said = speaker.say(lines, 0, name, final_stop=final_stop)
        found[name] = share(sum(one.ended for one in said), len(said))
    return found


def sounds(speaker: Speaker, count: int) -> dict[str, Figure]:
    """The share of sounds that are recognized; the same after the codec alone."""
    texts = iter(fresh_sentences(sentences_of_grammar("sounds"), frozenset(), 5 * count).texts)
    found = sounds_right(speaker, soundings(texts, count), 0)
    return {name: found[name] for name in ("sounds", "sounds_fresh")}


PARTS = ("sentences", "dialogue", "voices", "endings", "sounds")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(MINI), help="checkpoint folder (default: the embedded one)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure (default: all)")
    parser.add_argument("--count", type=int, help="number of sentences (default: all)")
    parser.add_argument("--seeds", type=int, default=1, help="takes per sentence (default: 1)")
    parser.add_argument("--dialogues", type=int, default=20, help="takes of the dialogue (default: 20)")
    parser.add_argument("--takes", type=int, default=4, help="takes of each short dialogue (default: 4)")
    parser.add_argument("--sounds", type=int, default=100, help="turns with a sound (default: 100)")
    parser.add_argument("--threads", type=int, default=1, help="number of CPU threads (default: 1)")
    parser.add_argument("--speakers", nargs="+", default=["S1", "S2"], help="speakers to measure (default: S1 S2)")
    parser.add_argument("--json", type=Path, help="file of figures to add the results to")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    np.random.seed(0)
    model, texts, folder = Dia.from_pretrained(arguments.model), sentences(arguments.count), Path(arguments.model)
    found: dict[str, Figure] = {}
    if "sentences" in arguments.parts:
        judges = Whisper(arguments.threads), OpinionScore()
        for name in arguments.speakers:
            every = texts * arguments.seeds
            clips = tqdm(spoken(model, texts, name, arguments.seeds), name, len(every))
            found |= {f"{what}_{name}": figure for what, figure in judged(every, clips, *judges).items()}
    if "dialogue" in arguments.parts:
        found |= dialogue(model, arguments.dialogues, Whisper(arguments.threads))
    if "voices" in arguments.parts:
        found |= dialogues(model, arguments.takes, Whisper(arguments.threads))
    if "endings" in arguments.parts:
        found |= endings(Speaker(folder), texts)
    if "sounds" in arguments.parts:
        found |= sounds(Speaker(folder), arguments.sounds)
    report(found, arguments.json)


if __name__ == "__main__":
    main()
