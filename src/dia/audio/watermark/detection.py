"""Find a watermark in a recording, and say how sure that is.

A recording may be cut anywhere, and played or stretched up to 12 % faster or slower, so all positions of the pattern
and a grid of speeds are tried.

The signs of a pattern look random, and are independent of a recording without a watermark. So the score, their
weighted sum divided by the root of the sum of squared weights, exceeds z with a probability of at most exp(-z²/2)
(Hoeffding's inequality), and the best of M scores with at most M exp(-z²/2). That is the false alarm probability.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import soxr
from numpy.typing import NDArray

from dia.audio.watermark.chips import CHIP, RATE, Speed, differences, folded, spectrum
from dia.audio.watermark.pattern import CHIPS, KEY, Pattern, pattern_of
from dia.audio.watermark.payload import CODED_BITS, Payload, decoded
from dia.audio.waveform import Waveform

FALSE_ALARM = 1e-6  # the probability above which nothing is reported
SHORTEST = 1.0  # s; below, nothing is found

_BLOCK = 60  # s searched at the original speed: all periods in it are added up
_SECTION, _SECTIONS = 6, 4  # s, and how many of them are searched at other speeds
_SPEEDS = sorted(np.arange(-24, 25) / 200.0, key=abs)  # fine enough for a section
_FINE = np.arange(-16, 17) / 2000.0  # around a speed at which something was found
_FINER = np.arange(-5, 6) / 10_000.0  # fine enough for a block
_SAME = Speed()


@dataclass(frozen=True)
class Detection:
    """The result of a search.

    Attributes:
        found: whether there is a watermark.
        score: of the best position, in standard deviations.
        false_alarm: an upper bound of the probability that a recording without a watermark has this score.
        payload: what it says; None if nothing was found, or the recording is too short or damaged to read it.
        speed: the speed of the recording relative to the original.
    """

    found: bool
    score: float
    false_alarm: float
    payload: Payload | None = None
    speed: Speed = _SAME


@dataclass(frozen=True)
class _Match:
    """The best of the positions that were tried."""

    score: float = -math.inf
    speed: Speed = _SAME
    step: int = 0  # at which a chip begins
    chip: int = 0  # its number in the pattern
    tried: int = 0


def detect(samples: Waveform, sampling_rate: int, key: bytes = KEY) -> Detection:
    """Search a recording [N] of one channel.

    Args:
        samples: the samples, with ±1 full scale and finite.
        sampling_rate: Hz.
        key: the key that it was watermarked with.
    """
    heard = samples if sampling_rate == RATE else soxr.resample(samples, sampling_rate, RATE)
    if len(heard) < SHORTEST * RATE:
        return Detection(False, 0.0, 1.0)
    sound, pattern = np.asarray(heard, np.float64), pattern_of(key)
    best, part, tried = _Match(), slice(0, 0), 0
    for searched, match in _search(sound, pattern):
        tried += match.tried
        if match.score > best.score:
            best, part = match, searched
        if _probability(best.score, tried) < FALSE_ALARM:
            return _result(sound, pattern, best, part, tried)
    return Detection(False, max(0.0, best.score), _probability(best.score, tried))


def _search(sound: NDArray[np.float64], pattern: Pattern) -> Iterator[tuple[slice, _Match]]:
    """Parts of a recording and the best match in each: blocks as they are, then sections at more and more speeds."""
    for start in range(0, len(sound), _BLOCK * RATE):
        block = slice(start, start + _BLOCK * RATE)
        yield block, _best(spectrum(sound[block]), pattern, Speed())
    sections = _sections(len(sound))
    spectra = [spectrum(sound[section]) for section in sections]
    for change in _SPEEDS:
        for speed in {Speed(1 + change, 1.0), Speed(1 + change, 1 + change)}:
            for section, power in zip(sections, spectra, strict=True):
                yield section, _best(power, pattern, speed)


def _sections(length: int) -> list[slice]:
    """Up to `_SECTIONS` sections of `length` samples, evenly distributed."""
    size = min(length, _SECTION * RATE)
    count = min(_SECTIONS, length // size)
    starts = [0] if count == 1 else [(length - size) * number // (count - 1) for number in range(count)]
    return [slice(start, start + size) for start in starts]


def _best(power: NDArray[np.float64], pattern: Pattern, speed: Speed) -> _Match:
    """The best position of the pattern at a speed, by correlation over all its shifts."""
    found, best = differences(power, speed), _Match(speed=speed)
    signs, mask = (np.conj(np.fft.rfft(one, axis=0)) for one in (pattern.signs * pattern.fixed, pattern.fixed))
    phases = min(len(found), round(CHIP / speed.tempo))
    for step in range(phases):
        weights = folded(found, step, speed)
        sums = np.fft.irfft((np.fft.rfft(weights, axis=0) * signs).sum(axis=1), CHIPS)
        squares = np.fft.irfft((np.fft.rfft(weights**2, axis=0) * mask).sum(axis=1), CHIPS)
        scores = sums / np.sqrt(np.maximum(squares, 1e-6))
        lag = int(scores.argmax())
        if scores[lag] > best.score:
            best = _Match(float(scores[lag]), speed, step, -lag % CHIPS)
    return replace(best, tried=phases * CHIPS)


def _result(sound: NDArray[np.float64], pattern: Pattern, match: _Match, part: slice, tried: int) -> Detection:
    """What was found in a part, with the payload of the block around it."""
    if match.speed != Speed():
        match = _nearby(spectrum(sound[part]), pattern, match.speed, _FINE)
        tried += match.tried
    middle, half = (part.start + part.stop) // 2, _BLOCK * RATE // 2
    power = spectrum(sound[max(0, middle - half) : middle + half])
    match = _nearby(power, pattern, match.speed, np.zeros(1) if match.speed == Speed() else _FINER)
    probability = _probability(match.score, tried + match.tried)
    return Detection(True, match.score, probability, _read(power, pattern, match), match.speed)


def _nearby(power: NDArray[np.float64], pattern: Pattern, speed: Speed, steps: NDArray[np.float64]) -> _Match:
    """The best match at speeds near one at which something was found."""
    tempos = [speed.tempo + step for step in steps.tolist()]
    speeds = [Speed(tempo, tempo if speed.pitch != 1.0 else 1.0) for tempo in tempos]
    matches = [_best(power, pattern, one) for one in speeds]
    return replace(max(matches, key=lambda match: match.score), tried=sum(match.tried for match in matches))


def _read(power: NDArray[np.float64], pattern: Pattern, match: _Match) -> Payload | None:
    """The payload of a watermark at a known position; None if its checksum is wrong."""
    weights = folded(differences(power, match.speed), match.step, match.speed)
    values, data = np.roll(weights, match.chip, axis=0) * pattern.signs, pattern.bit >= 0
    soft = np.bincount(pattern.bit[data], values[data], CODED_BITS).astype(np.float64)
    return Payload.from_bits(decoded(soft))


def _probability(score: float, tried: int) -> float:
    """The probability that the best of `tried` scores without a watermark is at least `score`, or a bit less."""
    return 1.0 if score <= 0 else min(1.0, tried * math.exp(-score * score / 2))


__all__ = ["FALSE_ALARM", "SHORTEST", "Detection", "detect"]
