"""Fine-tune on twenty utterances of a new voice, and compare the speech before and after.

    python benchmarks/quality/lora_voice.py
    python benchmarks/quality/lora_voice.py --voice VOICE --json OUT -- --cpu --steps 200

A synthesizer records twenty texts in a voice that the model was not trained on. `dia train --lora` fine-tunes the
model on them, with the OPTIONS given. The speech of held-out texts before and after is then compared with recordings
of the voice. Needs flite and pocketsphinx, or espeak-ng for a voice `espeak:…`.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import soxr
import torch
from evaluation.held_out import TEACHER_RATE
from evaluation.intervals import Figure, rate
from evaluation.recognizer import Recognizer, words_of
from evaluation.speaking import Line, Speaker
from numpy.typing import NDArray

from dia import MINI
from dia.audio.dsp.pitch import median_pitch
from dia.audio.waveform import Waveform
from dia.training.mini.teacher import english
from dia.training.mini.teacher.voices import performs
from dia.training.trainer import last_checkpoint

Features = NDArray[np.float64]

# flite's `rms` played 1.17 times as fast at the same tempo, which no embedded model is trained on: 121 Hz, where [S1]
# has 170. Of all such voices the recognizer understands this one best, as well as the teachers.
VOICE = "rms*1.11"
TAG = "[S1]"
EDGE_SECONDS = 0.1
WORDS = (5, 9)
TRIES = 5000  # sentences drawn for each one needed, because few have all their words in a small vocabulary
PITCH_WITHIN, DISTANCE_SHARE, ERRORS_MORE = 0.10, 0.5, 0.05


class Heard(NamedTuple):
    """Measurements of clips of the held-out texts: the median of their pitches in Hz, the distance of their codec
    features from those of the voice, their word errors, and how many ended on their own."""

    pitch: float
    distance: float
    word_error: Figure
    edits: list[int]
    ended: int | None


def vocabulary(model: Path) -> list[str]:
    """The words in the vocabulary.txt of a model's folder, or else those of `dia.training.mini.teacher.english`."""
    listed = model / "vocabulary.txt"
    return listed.read_text(encoding="utf-8").split() if listed.is_file() else list(english.vocabulary())


def texts(words: Sequence[str], count: int, rng: random.Random) -> list[str]:
    """`count` different texts of these words: half are sentences, if the grammar finds any, half words at random."""
    known, found = set(words), dict[str, None]()
    for _ in range(TRIES * count):
        if len(found) >= count // 2:
            break
        sentence = english.sentence(rng, *WORDS)
        if known.issuperset(words_of(sentence)):
            found[sentence] = None
    while len(found) < count:
        found[english.word_sequence(rng, rng.randint(*WORDS), tuple(words))] = None
    shuffled = list(found)
    rng.shuffle(shuffled)
    return shuffled


def recording(text: str, voice: str) -> Waveform:
    """A text in a voice, `espeak:en-us+f3` or a name of `dia.training.mini.teacher.voices`, at `TEACHER_RATE`."""
    kind, _, name = voice.rpartition(":")
    if kind != "espeak":
        spoken, own_rate = performs(text, name), TEACHER_RATE
    else:
        with tempfile.NamedTemporaryFile(suffix=".wav") as wav:
            subprocess.run(["espeak-ng", "-v", name, "-s", "150", "-w", wav.name, text], check=True)
            spoken, own_rate = soundfile.read(wav.name, dtype="int16")
    waveform = soxr.resample(spoken.astype(np.float32) / 32768, own_rate, TEACHER_RATE)
    return np.pad(waveform, round(EDGE_SECONDS * TEACHER_RATE))


def write_data(folder: Path, said: Sequence[str], clips: Sequence[Waveform], rate: int = TEACHER_RATE) -> None:
    """What a user would have recorded: `00.wav` at `rate` Hz and its transcript `00.txt`, and so on."""
    folder.mkdir()
    for number, (text, clip) in enumerate(zip(said, clips, strict=True)):
        soundfile.write(folder / f"{number:02}.wav", clip, rate)
        (folder / f"{number:02}.txt").write_text(f"{TAG} {text}\n", encoding="utf-8")


def fine_tune(model: Path, data: Path, output: Path, options: Sequence[str]) -> dict[str, Any]:
    """Run `dia train --lora` and tell what it took and what it logged last.

    Raises:
        SystemExit: it failed.
    """
    began = time.perf_counter()
    command = [sys.executable, "-m", "dia.cli", "train", "--lora"]
    ran = subprocess.run([*command, "--data", str(data), "--model", str(model), "--output", str(output), *options])
    if ran.returncode:
        sys.exit(f"dia train ended with code {ran.returncode}")
    minutes = (time.perf_counter() - began) / 60
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    checkpoint = last_checkpoint(output)
    state = json.loads((checkpoint / "trainer_state.json").read_text()) if checkpoint else {"log_history": []}
    logged = {name: value for line in state["log_history"] for name, value in line.items()}
    names = ("step", "loss", "eval_loss_channel_0", "eval_gap")
    return {"options": options, "minutes": minutes, "peak_gib": peak, **{name: logged.get(name) for name in names}}


class Listener:
    """Judges clips of the held-out texts, against the voice saying them.

    Args:
        speaker: the model, whose codec's features are compared.
        said: the held-out texts.
        voice: recordings of them that went through the codec, as all that the model says does: a codec leaves marks
            of its own, which would be the greater part of the distance to the recordings as they are.
        words: the vocabulary.
    """

    def __init__(self, speaker: Speaker, said: Sequence[str], voice: Sequence[Waveform], words: Sequence[str]) -> None:
        codec = speaker.processor.audio_tokenizer
        assert codec is not None
        self._codec, self._rate = codec.float(), speaker.rate
        self._said, self._recognizer = said, Recognizer(words)
        self._voice = self.features(voice, speaker.rate)

    def judge(self, clips: Sequence[Waveform], sampling_rate: int, ended: int | None = None) -> Heard:
        """Everything about clips, one of each held-out text."""
        pairs = [self._recognizer.errors(*clip, sampling_rate) for clip in zip(self._said, clips, strict=True)]
        edits, words = ([pair[side] for pair in pairs] for side in (0, 1))
        pitch = float(np.nanmedian([median_pitch(clip, sampling_rate) for clip in clips]))
        return Heard(pitch, self.distance(clips, sampling_rate), rate(edits, words), edits, ended)

    def more_errors(self, before: Heard, after: Heard) -> Figure:
        """How much higher the word error rate is after than before."""
        more = np.array(after.edits) - np.array(before.edits)
        return rate(more, [len(words_of(text)) for text in self._said])

    def distance(self, clips: Sequence[Waveform], sampling_rate: int) -> float:
        """The `frechet_distance` of the codec's features of clips, whatever they say, from those of the voice."""
        return frechet_distance(self.features(clips, sampling_rate), self._voice)

    @torch.no_grad()
    def features(self, clips: Sequence[Waveform], sampling_rate: int) -> Features:
        """What the codec's encoder makes of every frame, before it is rounded to codes, [T, H]."""
        hop = self._codec.config.hop_length
        found = []
        for clip in clips:
            waveform = soxr.resample(np.asarray(clip, np.float32), sampling_rate, self._rate)
            if len(waveform) >= hop:
                padded = torch.from_numpy(np.pad(waveform, (0, -len(waveform) % hop)))
                found.append(self._codec.encoder(padded[None, None])[0].T.double().numpy())
        return np.concatenate(found)


def frechet_distance(first: Features, second: Features) -> float:
    """The Fréchet distance of two sets of vectors, [N, H] and [M, H], each taken as a normal distribution.

    √(|μ₁ - μ₂|² + tr(C₁ + C₂ - 2 (C₁ C₂)^½)), after Dowson and Landau 1982: 0 for equal means and covariances.
    """
    means, covariances = zip(*((x.mean(0), np.cov(x, rowvar=False)) for x in (first, second)), strict=True)
    values, vectors = np.linalg.eigh(covariances[0])
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ covariances[1] @ root).clip(0)).sum()
    squared = ((means[0] - means[1]) ** 2).sum() + sum(np.trace(c) for c in covariances) - 2 * shared
    return float(np.sqrt(max(squared, 0.0)))


def speak(
    speaker: Speaker, said: Sequence[str], recordings: Sequence[Waveform], seed: int
) -> tuple[list[Waveform], int]:
    """Texts as the model says them, tagged `TAG`, and how many ended by themselves."""
    lines = [Line(f"{TAG} {text}", len(clip) / TEACHER_RATE) for text, clip in zip(said, recordings, strict=True)]
    spoken = speaker.say(lines, seed)
    return [clip.audio for clip in spoken], sum(clip.ended for clip in spoken)


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Record, speak, fine-tune, speak again; data and model are left in `folder`."""
    words = vocabulary(arguments.model)
    count = arguments.utterances
    chosen = texts(words, count + arguments.sentences, random.Random(f"lora {arguments.seed}"))
    clips = [recording(text, arguments.voice) for text in chosen]
    write_data(folder / "data", chosen[:count], clips[:count])
    said, recordings = chosen[count:], clips[count:]
    speaker = Speaker(arguments.model)
    voice, learned = (speaker.through_codec(part) for part in (recordings, clips[:count]))
    listener, own = Listener(speaker, said, voice, words), speaker.rate

    def spoken(by: Speaker) -> Heard:
        audio, ended = speak(by, said, recordings, arguments.seed)
        return listener.judge(audio, own, ended)

    heard = {
        "recordings": listener.judge(recordings, TEACHER_RATE),
        "through the codec": listener.judge(voice, own),
        "before": spoken(speaker),
    }
    training = fine_tune(arguments.model, folder / "data", folder / "model", arguments.options)
    heard["after"] = spoken(Speaker(folder / "model"))
    more = listener.more_errors(heard["before"], heard["after"])
    return {
        "voice": arguments.voice,
        "utterances": count,
        "seconds": sum(map(len, clips[:count])) / TEACHER_RATE,
        "held_out": len(said),
        "words": len(words),
        "training": training,
        "heard": {name: as_numbers(row) for name, row in heard.items()},
        "distance_of_training_clips": listener.distance(learned, own),
        "more_errors": more._asdict(),
        "reached": reached(heard, more),
    }


def as_numbers(heard: Heard) -> dict[str, Any]:
    """For JSON."""
    return {**heard._asdict(), "word_error": heard.word_error._asdict()}


def reached(heard: dict[str, Heard], more: Figure) -> dict[str, bool]:
    """Which of the aims are met."""
    wanted, before, after = (heard[name] for name in ("recordings", "before", "after"))
    return {
        f"pitch within {PITCH_WITHIN:.0%} of the voice's": abs(after.pitch / wanted.pitch - 1) <= PITCH_WITHIN,
        f"distance at most {DISTANCE_SHARE:.0%} of before": after.distance <= DISTANCE_SHARE * before.distance,
        f"word error at most {100 * ERRORS_MORE:.0f} points more": more.value <= ERRORS_MORE,
    }


def told(results: dict[str, Any]) -> str:
    """The results as a table."""
    training, more = results["training"], results["more_errors"]
    lines = [
        f"voice {results['voice']}: {results['utterances']} utterances, {results['seconds']:.0f} s; "
        f"{results['held_out']} held-out texts over {results['words']} words",
        " ".join(["dia train --lora", *training["options"]]),
        f"{training['step']} steps, {training['minutes']:.1f} minutes, at most {training['peak_gib']:.2f} GiB; "
        f"loss {training['loss']}, eval_loss_channel_0 {training['eval_loss_channel_0']}, "
        f"eval_gap {training['eval_gap']}",
        f"\n{'':20}{'F0, Hz':>8}{'distance':>10}   {'word error, 95 %':22}{'ended':>8}",
    ]
    for name, row in results["heard"].items():
        error, ended = row["word_error"], "" if row["ended"] is None else f"{row['ended']}/{results['held_out']}"
        spread = f"{error['value']:.3f} ({error['low']:.3f}–{error['high']:.3f})"
        lines.append(f"{name:20}{row['pitch']:8.1f}{row['distance']:10.2f}   {spread:22}{ended:>8}")
    lines.append(f"{'those learned':20}{'':8}{results['distance_of_training_clips']:10.2f}")
    lines.append(f"\nword error {more['value']:+.3f} ({more['low']:+.3f} to {more['high']:+.3f}) after")
    return "\n".join([*lines, *(f"{'yes' if met else 'NO':4}{aim}" for aim, met in results["reached"].items())])


def parser() -> argparse.ArgumentParser:
    """The arguments of the command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--model", type=Path, default=Path(MINI), help="checkpoint folder (default: the embedded one)")
    made.add_argument("--voice", default=VOICE, help=f"the new voice (default: {VOICE})")
    made.add_argument("--utterances", type=int, default=20, help="number of recordings to train on (default: 20)")
    made.add_argument("--sentences", type=int, default=50, help="number of held-out texts to speak (default: 50)")
    made.add_argument("--seed", type=int, default=0, help="seed of texts and speech (default: 0)")
    made.add_argument("--keep", type=Path, help="keep recordings and model in this new folder")
    made.add_argument("--json", type=Path, help="file for the results")
    made.add_argument("options", nargs="*", metavar="OPTIONS", help="options of dia train, after --")
    return made


def main() -> None:
    """Measure, print a table, write JSON."""
    arguments = parser().parse_args()
    if arguments.keep:
        arguments.keep.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as temporary:
        results = measure(arguments, arguments.keep or Path(temporary))
    print(told(results))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
