"""Measure the watermark: how often it is found after attacks, false alarms, and what it does to the sound.

    python benchmarks/quality/watermark.py                    48 clips with a watermark, 200 without
    python benchmarks/quality/watermark.py --marked 8 --unmarked 20 --json out.json
    python benchmarks/quality/watermark.py --rival perth      also measures resemble-perth, if it is installed

The clips are speech of the embedded model and, if it is installed, of flite; those without a watermark are also noise
and synthetic music. mp3 and opus need PyAV. Distill-MOS is measured if `distillmos` is installed. Intervals of rates
are Wilson's, 95 %.
"""

import argparse
import io
import json
import math
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import soundfile
import soxr
from tqdm import tqdm

from dia import Dia
from dia.audio.dsp.time_stretch import stretched
from dia.audio.waveform import Waveform

SENTENCES = Path(__file__).with_name("everyday.txt")
SHORT = 3.0  # s of a cut


@dataclass(frozen=True, eq=False)
class Clip:
    """Sound [N] at `rate` Hz, and where it is from."""

    sound: Waveform
    rate: int
    kind: str


class Method(Protocol):
    """A watermark to measure."""

    def mark(self, clip: Clip, number: int) -> Waveform:
        """The clip with a watermark that says `number`."""

    def found(self, sound: Waveform, rate: int, number: int) -> tuple[bool, bool]:
        """Whether a watermark is found, and whether it says `number`."""


class Own:
    """The watermark of this package."""

    def mark(self, clip: Clip, number: int) -> Waveform:
        """The clip with a watermark that says `number`."""
        from dia.audio.watermark import Payload, watermarked

        return watermarked(clip.sound, clip.rate, Payload.of("mini", number))

    def found(self, sound: Waveform, rate: int, number: int) -> tuple[bool, bool]:
        """Whether a watermark is found, and whether it says `number`."""
        from dia.audio.watermark import Payload, detect

        result = detect(sound, rate)
        return result.found, result.payload == Payload.of("mini", number)


class Perth:
    """The implicit watermark of resemble-perth. It says nothing; more than half of its bits count as found."""

    def __init__(self) -> None:
        from perth import PerthImplicitWatermarker

        self._model = PerthImplicitWatermarker(device="cpu")

    def mark(self, clip: Clip, number: int) -> Waveform:
        """The clip with a watermark."""
        made = self._model.apply_watermark(clip.sound, sample_rate=clip.rate)[: len(clip.sound)]
        return np.pad(made, (0, len(clip.sound) - len(made))).astype(np.float32)

    def found(self, sound: Waveform, rate: int, number: int) -> tuple[bool, bool]:
        """Whether a watermark is found."""
        result = self._model.get_watermark(sound, sample_rate=rate, round=False)
        return bool(np.mean(result) > 0.5), False


def lossy(sound: Waveform, rate: int, kind: str, codec: str, bits: int, at: int) -> Waveform:
    """The sound after an encoder, at `at` Hz and `bits` per second, and a decoder."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=at)
        stream.layout, stream.bit_rate = "mono", bits
        frames = (soxr.resample(sound, rate, at) * 32767).clip(-32768, 32767).astype(np.int16)
        for start in range(0, len(frames), at):
            frame = av.AudioFrame.from_ndarray(frames[None, start : start + at], "s16", "mono")
            frame.sample_rate, frame.pts = at, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file.seek(0)
    heard, heard_rate = soundfile.read(file, dtype="float32")
    return soxr.resample(heard, heard_rate, rate)


def through(sound: Waveform, rate: int, low: int) -> Waveform:
    """The sound at a lower rate and back."""
    return soxr.resample(soxr.resample(sound, rate, low), low, rate)


def played(sound: Waveform, rate: int, factor: float) -> Waveform:
    """The sound played faster, with higher pitch."""
    return soxr.resample(sound, rate * factor, rate)


def cut(sound: Waveform, rate: int, seconds: float = SHORT) -> Waveform:
    """Some seconds from the middle."""
    start = max(0, (len(sound) - round(seconds * rate)) // 2)
    return sound[start : start + round(seconds * rate)]


def noisy(sound: Waveform, rate: int, decibels: float) -> Waveform:
    """The sound with white noise."""
    noise = np.random.default_rng(0).normal(size=len(sound)) * np.sqrt(np.mean(sound**2)) * 10 ** (-decibels / 20)
    return (sound + noise).astype(np.float32)


def echoing(sound: Waveform, rate: int) -> Waveform:
    """The sound in a room: an exponential tail of noise, which decays by 60 dB in 0.4 s."""
    time_ = np.arange(round(0.4 * rate)) / rate
    tail = np.random.default_rng(1).normal(size=len(time_)) * 10 ** (-3 * time_ / 0.4) * 0.05
    tail[0] = 1.0
    size = len(sound) + len(tail)
    return np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size), size)[: len(sound)].astype(np.float32)


def _mp3(sound: Waveform, rate: int) -> Waveform:
    return lossy(sound, rate, "mp3", "libmp3lame", 64_000, 44_100)


ATTACKS: dict[str, Callable[[Waveform, int], Waveform]] = {
    "none": lambda sound, rate: sound,
    "mp3, 64 kbit/s": _mp3,
    "mp3, 32 kbit/s": lambda sound, rate: lossy(sound, rate, "mp3", "libmp3lame", 32_000, 22_050),
    "opus, 24 kbit/s": lambda sound, rate: lossy(sound, rate, "ogg", "libopus", 24_000, 48_000),
    "resampled to 16 kHz": lambda sound, rate: soxr.resample(sound, rate, 16_000),
    "resampled to 8 kHz": lambda sound, rate: through(sound, rate, 8_000),
    "played 10 % faster": lambda sound, rate: played(sound, rate, 1.1),
    "played 10 % slower": lambda sound, rate: played(sound, rate, 0.9),
    "stretched, 10 % faster": lambda sound, rate: stretched(sound, 1.1, rate),
    "stretched, 10 % slower": lambda sound, rate: stretched(sound, 0.9, rate),
    "cut to 3 s": cut,
    "cut to 2 s": lambda sound, rate: cut(sound, rate, 2.0),
    "cut to 3 s, mp3": lambda sound, rate: _mp3(cut(sound, rate), rate),
    "cut to 3 s, played 10 % faster": lambda sound, rate: played(cut(sound, rate), rate, 1.1),
    "cut to 3 s, stretched, mp3": lambda sound, rate: _mp3(stretched(cut(sound, rate), 1.1, rate), rate),
    "noise, 20 dB": lambda sound, rate: noisy(sound, rate, 20),
    "noise, 10 dB": lambda sound, rate: noisy(sound, rate, 10),
    "room": echoing,
    "8 bits": lambda sound, rate: (np.round(sound * 127) / 127).astype(np.float32),
    "pitch 5 % higher, same tempo": lambda sound, rate: played(stretched(sound, 1 / 1.05, rate), rate, 1.05),
}


def model_speech(count: int, skip: int) -> Iterable[Clip]:
    """Speech of the embedded model, 5 to 12 s each."""
    lines = [line for line in SENTENCES.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    model = Dia.from_pretrained("mini", device="cpu")
    for number in range(skip, skip + count):
        words = " ".join(lines[(3 * number + part) % len(lines)] for part in range(3))
        yield Clip(model.generate(f"[S{1 + number % 2}] {words}", seed=number), model.sample_rate, "embedded model")


def flite_speech(count: int, skip: int) -> Iterable[Clip]:
    """Speech of four of flite's voices."""
    lines = [line for line in SENTENCES.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    with tempfile.TemporaryDirectory() as folder:
        for number in range(skip, skip + count):
            words = " ".join(lines[(2 * number + part) % len(lines)] for part in range(2))
            voice, path = ("slt", "rms", "awb", "kal16")[number % 4], f"{folder}/clip.wav"
            subprocess.run(["flite", "-voice", voice, "-t", words, "-o", path], check=True)
            sound, rate = soundfile.read(path, dtype="float32")
            yield Clip(sound, rate, "flite")


def noise(count: int) -> Iterable[Clip]:
    """White, pink and brown noise, steady and in bursts, 6 s each."""
    for number in range(count):
        rng = np.random.default_rng(number)
        spectrum = np.fft.rfft(rng.normal(size=6 * 16_000))
        spectrum *= np.maximum(1, np.arange(len(spectrum))) ** (-0.5 * (number % 3))
        sound = np.fft.irfft(spectrum)
        if number % 2:
            sound *= np.repeat(rng.random(60), 1600)
        yield Clip((0.3 * sound / np.abs(sound).max()).astype(np.float32), 16_000, "noise")


def music(count: int, rate: int = 44_100) -> Iterable[Clip]:
    """Chords with overtones and a beat, 8 s each, at different tempos."""
    for number in range(count):
        rng = np.random.default_rng(number)
        beat = int(rate * 60 / rng.integers(70, 180))
        sound, time_ = np.zeros(8 * rate), np.arange(8 * rate) / rate
        for start in range(0, len(sound), beat):
            span = time_[: len(sound) - start]
            for note in rng.choice(24, 3, replace=False):
                pitch = 110 * 2 ** (note / 12)
                for overtone in range(1, 12):
                    sound[start:] += np.sin(2 * np.pi * pitch * overtone * span) * np.exp(-3 * span) / overtone
            hit = rng.normal(size=min(2000, len(span))) * np.exp(-np.arange(min(2000, len(span))) / 300)
            sound[start : start + len(hit)] += 2 * hit
        yield Clip((0.5 * sound / np.abs(sound).max()).astype(np.float32), rate, "music")


def speech(count: int, skip: int = 0) -> list[Clip]:
    """Half of the embedded model, half of flite; all of the model where there is no flite."""
    other = count // 2 if shutil.which("flite") else 0
    return [*model_speech(count - other, skip), *flite_speech(other, skip)]


def unmarked(count: int, skip: int) -> list[Clip]:
    """Clips without a watermark: 3 of 4 are speech."""
    return [*speech(count - count // 4, skip), *noise(count // 8), *music(count // 4 - count // 8)]


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a rate."""
    if not count:
        return 0.0, 1.0
    z, rate = 1.96, hits / count
    middle, half = rate + z * z / (2 * count), z * math.sqrt(rate * (1 - rate) / count + z * z / (4 * count**2))
    return (middle - half) / (1 + z * z / count), (middle + half) / (1 + z * z / count)


def robustness(method: Method, clips: list[Clip], sounds: list[Waveform]) -> dict[str, Any]:
    """For each attack: how many watermarks are found and read."""
    results = {}
    for name, attack in ATTACKS.items():
        outcomes = [
            method.found(np.asarray(attack(sound, clip.rate), np.float32), rate_after(name, clip.rate), number)
            for number, (clip, sound) in enumerate(zip(clips, tqdm(sounds, name, leave=False), strict=True))
        ]
        hits, read = (sum(outcome[part] for outcome in outcomes) for part in (0, 1))
        results[name] = {"clips": len(clips), "found": hits, "read": read, "interval": wilson(hits, len(clips))}
        low, high = results[name]["interval"]
        print(f"{name:32} found {hits}/{len(clips)} ({low:.3f} to {high:.3f}), payload read {read}", flush=True)
    return results


def rate_after(attack: str, rate: int) -> int:
    """The rate of a clip after an attack."""
    return 16_000 if attack == "resampled to 16 kHz" else rate


def false_alarms(method: Method, clips: list[Clip]) -> dict[str, Any]:
    """How many clips without a watermark seem to have one."""
    alarms = [method.found(clip.sound, clip.rate, -1)[0] for clip in tqdm(clips, "unmarked", leave=False)]
    found = {clip.kind: {"clips": 0, "alarms": 0} for clip in clips}
    for clip, alarm in zip(clips, alarms, strict=True):
        found[clip.kind]["clips"] += 1
        found[clip.kind]["alarms"] += alarm
    print(f"false alarms: {sum(alarms)} of {len(clips)} ({found})", flush=True)
    return {"clips": len(clips), "alarms": sum(alarms), "interval": wilson(sum(alarms), len(clips)), "kinds": found}


def audibility(clips: list[Clip], sounds: list[Waveform]) -> dict[str, Any]:
    """The level of the change relative to the sound, and the opinion score before and after."""
    ratios = [
        10 * math.log10(np.sum(clip.sound**2) / np.sum((sound - clip.sound) ** 2))
        for clip, sound in zip(clips, sounds, strict=True)
    ]
    found: dict[str, Any] = {"signal to change, dB": float(np.mean(ratios)), "lowest": min(ratios)}
    try:
        from evaluation.judges import OpinionScore

        score = OpinionScore()
    except ImportError as error:
        print(f"no opinion scores: {error}")
    else:
        pairs = np.array(
            [
                (score(clip.sound, clip.rate), score(sound, clip.rate))
                for clip, sound in zip(clips, tqdm(sounds, "Distill-MOS", leave=False), strict=True)
            ]
        )
        change = pairs[:, 1] - pairs[:, 0]
        half = 1.96 * change.std() / math.sqrt(len(change))
        found |= {
            "Distill-MOS before": float(pairs[:, 0].mean()),
            "after": float(pairs[:, 1].mean()),
            "change": float(change.mean()),
            "interval": [float(change.mean() - half), float(change.mean() + half)],
            "worst": float(change.min()),
        }
    print(found, flush=True)
    return found


def measure(method: Method, clips: list[Clip], others: list[Clip]) -> dict[str, Any]:
    """All results of one method."""
    began = time.process_time()
    sounds = [method.mark(clip, number) for number, clip in enumerate(tqdm(clips, "marking", leave=False))]
    spent = time.process_time() - began
    seconds = sum(len(clip.sound) / clip.rate for clip in clips)
    print(f"{spent / seconds * 1000:.1f} ms of CPU time per second of sound")
    return {
        "CPU seconds per second": spent / seconds,
        "robustness": robustness(method, clips, sounds),
        "false alarms": false_alarms(method, others),
        "audibility": audibility(clips, sounds),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--marked", type=int, default=48, help="number of clips with a watermark (default: 48)")
    parser.add_argument("--unmarked", type=int, default=200, help="number of clips without one (default: 200)")
    parser.add_argument("--rival", choices=("perth",), help="another watermark to measure on the same clips")
    parser.add_argument("--json", type=Path, help="file for the results")
    arguments = parser.parse_args()
    clips = speech(arguments.marked)
    others = unmarked(arguments.unmarked, arguments.marked)
    methods: dict[str, Callable[[], Method]] = {"own": Own} | ({"perth": Perth} if arguments.rival else {})
    results = {}
    for name, method in methods.items():
        print(f"== {name}")
        results[name] = measure(method(), clips, others)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
