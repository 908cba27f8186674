"""How well the embedded model speaks: `python benchmarks/mini_quality.py [--model FOLDER] [--sweep]`.

Speaks sentences and word sequences that were never trained on, listens to them with a recogniser, and sets the
figures beside those of the teacher and of the codec alone. Needs flite (the teacher) and pocketsphinx.
"""

import argparse
import itertools
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from listening import dialogue_pitches, near, pitch_error
from recogniser import Audio, Recogniser, word_error_rate, words_of

from dia import MINI, DiaForConditionalGeneration, DiaProcessor
from dia.training.corpus import sentence, split_of, vocabulary, word_sequence
from dia.training.measuring import measure
from dia.training.scripts import Clip
from dia.training.teacher import flite_says, trim

SPEAKERS = ("S1", "S2")
SWEEP = {"temperature": (0.4, 0.6, 0.8), "top_k": (20, 50), "guidance_scale": (1.0, 1.5, 2.5)}


@dataclass(frozen=True)
class Item:
    """One utterance to be spoken, of `kind` "sentence" or "sequence", and the teacher's speech at 16 kHz."""

    text: str
    speaker: str
    kind: str
    teacher: Audio

    @property
    def script(self) -> str:
        """The text with its speaker's tag."""
        return f"[{self.speaker}] {self.text}"


def held_out_items(sentences: int, sequences: int, seed: int) -> list[Item]:
    """Utterances of the held-out split, voices in turn: sentences first, then sequences of 3 to 6 words."""
    rng = random.Random(f"quality {seed}")
    items: list[Item] = []
    wanted = [("sentence", sentences), ("sequence", sequences)]
    for kind, count in wanted:
        found = 0
        while found < count:
            text = sentence(rng) if kind == "sentence" else word_sequence(rng, rng.randint(3, 6))
            if split_of(text) == "heldout":
                speaker = SPEAKERS[found % 2]
                items.append(Item(text, speaker, kind, _teacher(text, speaker)))
                found += 1
    return items


def _teacher(text: str, speaker: str) -> Audio:
    return trim(flite_says(text, speaker)).astype(np.float32) / 32768


class Speaker:
    """The model and its processor, speaking batches of scripts.

    Args:
        folder: of the checkpoint.
        dtype: of the model's weights.
    """

    def __init__(self, folder: Path, dtype: torch.dtype = torch.bfloat16) -> None:
        self.model = DiaForConditionalGeneration.from_pretrained(folder, dtype=dtype).eval()
        self.processor = DiaProcessor.from_pretrained(folder)
        self.rate = self.processor.sampling_rate

    def say(self, scripts: Sequence[str], seed: int, at_once: int = 25, **settings: Any) -> tuple[list[Audio], int]:
        """Waveforms of `scripts`, and how many ended by themselves before the limit."""
        waveforms, ended = [], 0
        for first in range(0, len(scripts), at_once):
            chosen = list(scripts[first : first + at_once])
            generators = [torch.Generator().manual_seed(seed + first + i) for i in range(len(chosen))]
            grids = self.model.generate(**self.processor(text=chosen), generator=generators, **settings)
            ended += int((grids[..., 0] == self.processor.eos_token_id).any(-1).sum())
            waveforms += [waveform.numpy() for waveform in self.processor.batch_decode(grids)]
        return waveforms, ended

    def through_codec(self, audio: Audio) -> Audio:
        """What the codec alone makes of a waveform at the codec's rate."""
        codes = self.processor.encode_audio([audio], sampling_rate=self.rate)[0]
        grid = torch.cat([codes.new_full((1, codes.shape[1]), self.processor.bos_token_id), codes])
        return _decode(self.processor, grid)


def _decode(processor: DiaProcessor, framed: torch.Tensor) -> Audio:
    from dia.delay import delay

    pattern = processor.delay_pattern
    end = framed.new_full((1, framed.shape[1]), processor.eos_token_id)
    grid = delay(torch.cat([framed, end])[None], pattern, processor.bos_token_id, processor.pad_token_id)
    return np.asarray(processor.batch_decode(grid)[0].numpy())


def error_rates(recogniser: Recogniser, items: Sequence[Item], spoken: Sequence[Audio], rate: int) -> dict[str, float]:
    """Word error rate of each kind of item."""
    heard = [recogniser.hear(audio, rate) if len(audio) > rate // 10 else [] for audio in spoken]
    rates = {}
    for kind in ("sentence", "sequence"):
        chosen = [i for i, item in enumerate(items) if item.kind == kind]
        if chosen:
            references = [words_of(items[i].text) for i in chosen]
            rates[kind] = round(word_error_rate(references, [heard[i] for i in chosen]), 4)
    return rates


def swapped_text_gap(speaker: Speaker, items: Sequence[Item]) -> dict[str, float]:
    """Cross entropy of channel 0 on the teacher's codes with the right text and with another of the same voice."""
    codes = speaker.processor.encode_audio([item.teacher for item in items], sampling_rate=speaker.rate)
    clips = [Clip([grid], item.script, item.speaker) for item, grid in zip(items, codes, strict=True)]
    measured = measure(speaker.model.float(), clips)
    assert measured.gap is not None
    return {"own": round(float(measured.loss[0]), 4), "gap": round(measured.gap, 4)}


def durations_right(items: Sequence[Item], spoken: Sequence[Audio], rate: int) -> int:
    """How many clips are as long as the teacher's, silence at the ends aside, within 30 %."""
    ratios = [_trimmed(audio) / rate / (len(item.teacher) / 16_000) for item, audio in zip(items, spoken, strict=True)]
    return sum(0.7 <= ratio <= 1.3 for ratio in ratios)


def _trimmed(audio: Audio) -> int:
    return len(trim((np.clip(audio, -1, 1) * 32767).astype(np.int16)))


def two_voices(speaker: Speaker, count: int, seed: int) -> int:
    """Of `count` scripts of two turns, how many have both voices at the teacher's pitch within 15 %."""
    items = held_out_items(2 * count, 0, seed + 1)
    pairs = [(items[2 * i + i % 2], items[2 * i + 1 - i % 2]) for i in range(count)]
    spoken, _ = speaker.say([f"{first.script} {second.script}" for first, second in pairs], seed)
    right = 0
    for (first, second), audio in zip(pairs, spoken, strict=True):
        share = len(first.teacher) / (len(first.teacher) + len(second.teacher))
        pitches = dialogue_pitches(audio, speaker.rate, share)
        errors = [pitch_error(p, item.teacher) for p, item in zip(pitches, (first, second), strict=True)]
        right += all(near(error) for error in errors)
    return right


def realtime_factor(speaker: Speaker, script: str, seed: int) -> float:
    """Seconds of speech per second of work for one script, codec included, after a first word to warm up."""
    speaker.say(["[S1] Hello."], seed)
    began = time.perf_counter()
    spoken, _ = speaker.say([script], seed)
    return round(len(spoken[0]) / speaker.rate / (time.perf_counter() - began), 2)


def sweep(speaker: Speaker, recogniser: Recogniser, items: Sequence[Item], seed: int) -> list[dict[str, Any]]:
    """Word error rates for every combination of `SWEEP`, best first."""
    results = []
    for values in itertools.product(*SWEEP.values()):
        settings = dict(zip(SWEEP, values, strict=True))
        spoken, ended = speaker.say([item.script for item in items], seed, do_sample=True, top_p=1.0, **settings)
        rates = error_rates(recogniser, items, spoken, speaker.rate)
        results.append({**settings, **rates, "ended": ended})
        print(json.dumps(results[-1]), flush=True)
    return sorted(results, key=lambda row: row["sentence"] + row.get("sequence", 0.0))


def evaluate(speaker: Speaker, recogniser: Recogniser, items: Sequence[Item], seed: int) -> dict[str, Any]:
    """Every figure but speed, for held-out items and as many two-turn scripts as there are sentences."""
    spoken, ended = speaker.say([item.script for item in items], seed)
    teacher = [item.teacher for item in items]
    scripts = sum(item.kind == "sentence" for item in items)
    return {
        "items": len(items),
        "word_error": error_rates(recogniser, items, spoken, speaker.rate),
        "word_error_teacher": error_rates(recogniser, items, teacher, 16_000),
        "word_error_codec": error_rates(
            recogniser, items, [speaker.through_codec(audio) for audio in teacher], speaker.rate
        ),
        "ended": ended,
        "duration_within_30_percent": durations_right(items, spoken, speaker.rate),
        "scripts": scripts,
        "two_voices_right": two_voices(speaker, scripts, seed),
    }


def main() -> None:
    """Parse arguments, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path(MINI), help="checkpoint folder (default: the embedded one)")
    parser.add_argument("--sentences", type=int, default=100)
    parser.add_argument("--sequences", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="of torch (default: its own choice)")
    parser.add_argument("--sweep", action="store_true", help="compare sampling settings instead")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        items = held_out_items(arguments.sentences, arguments.sequences, arguments.seed)
    except FileNotFoundError as error:
        sys.exit(f"mini_quality: {error}")
    speaker, recogniser = Speaker(arguments.model), Recogniser(vocabulary())
    if arguments.sweep:
        results: Any = sweep(speaker, recogniser, items, arguments.seed)
    else:
        dialogue = "[S1] Dia is an open weights text to dialogue model. [S2] You get full control over scripts."
        factor = realtime_factor(speaker, dialogue, arguments.seed)
        results = evaluate(speaker, recogniser, items, arguments.seed)
        results |= {"realtime_factor": factor, "settings": _settings(speaker), "channel_0": {}}
        results["channel_0"] = swapped_text_gap(speaker, items)
        for name, value in results.items():
            print(f"{name:28} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def _settings(speaker: Speaker) -> dict[str, Any]:
    chosen = speaker.model.generation_config
    return {name: getattr(chosen, name) for name in ("temperature", "top_k", "top_p", "guidance_scale")}


if __name__ == "__main__":
    main()
