"""How a model's speech in a voice differs in timbre from the recording, frame by frame, and a filter that corrects it.

Parallel voice conversion: the model says the words of the recording, both are aligned, and each pair of frames shows
what the spectral envelope should be. In new speech, the difference of the nearest pairs is added to the envelope
(Toda, Black and Tokuda 2007 describe the task, Kobayashi et al. 2014 the filter without a vocoder). Independent of the
model and of files.
"""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from dia.audio.dsp.mel import cosines, mel_corners, mel_filters
from dia.audio.waveform import Waveform

WINDOW_SECONDS = 0.032
BANDS, CEPSTRA = 32, 20  # of a mel spectrum; cosine coefficients of its logarithm, without the level
SILENT = 8.0  # nepers of power below the loudest frame of a clip: such frames have no timbre to learn
CONTEXT, CONTEXT_WEIGHT = 4, 0.6  # frames before and after that also describe a frame, and their weight
ROUNDS = 3  # of aligning and converting: what is converted aligns better
KEPT = 0.5  # share of the aligned pairs of frames that are most alike
MOST_PAIRS = 6000  # of these that are used, for speed, evenly spaced
NEAREST, SPREAD = 24, 8.0  # pairs whose difference is used, and the squared distance at which it counts 1/e
STRENGTH = 1.2  # of a difference: the mean of several is too small
LARGEST = 4.0  # change of an amplitude in nepers, 35 dB; speech needs less
SMOOTHING = 5  # frames over which differences are averaged
_BLOCK = 1024  # frames that are compared with all pairs at once
_MARGIN = CONTEXT + SMOOTHING // 2 + 12  # frames around a sample that its result depends on, and some more


@dataclass(frozen=True, eq=False)
class Timbre:
    """Pairs of frames: how the model speaks, and what has to change.

    Attributes:
        spoken: what describes a frame of the model's speech, divided by `scale`, float32 [N, 3 · (CEPSTRA - 1)].
        scale: the standard deviation of each value, float32 [3 · (CEPSTRA - 1)].
        change: the difference of the recording's cepstrum, float32 [N, CEPSTRA - 1].
        sampling_rate: Hz.

    Raises:
        ValueError: the values do not belong together.
    """

    spoken: Tensor
    scale: Tensor
    change: Tensor
    sampling_rate: int

    def __post_init__(self) -> None:
        pairs, width = len(self.spoken), CEPSTRA - 1
        shapes = [tuple(values.shape) for values in self.tensors.values()]
        if not pairs or shapes != [(pairs, 3 * width), (3 * width,), (pairs, width)]:
            raise ValueError(f"its timbre has shapes {shapes}")
        if not all(bool(values.isfinite().all()) for values in self.tensors.values()):
            raise ValueError("its timbre has values that are not finite")
        if not bool((self.scale > 0).all()):
            raise ValueError("its timbre has a scale that is not positive")

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The values to store, by their attributes; half precision is enough for them."""
        return {"spoken": self.spoken, "scale": self.scale, "change": self.change}

    def __call__(self, audio: Waveform) -> Waveform:
        """The audio [N] with the timbre of the recording. Digital silence remains."""
        if not len(audio):
            return audio
        change = self._changes(cepstra(audio, self.sampling_rate))
        return filtered(audio, change, self.sampling_rate)

    def stream(self, chunks: Generator[Waveform, None, object]) -> Generator[Waveform, None, None]:
        """The same for audio in chunks, of which the last 0.15 s are held back. Closing it closes the source."""
        hop, margin = _hop(self.sampling_rate), _MARGIN * _hop(self.sampling_rate)
        held, done = np.zeros(0, np.float32), 0  # samples, and how many of them are already yielded
        with closing(chunks):
            for chunk in chunks:
                held = np.concatenate([held, chunk])
                ready = (len(held) - margin) // hop * hop
                if ready > done:
                    yield self(held)[done:ready]
                    first = max(0, ready - margin)
                    held, done = held[first:], ready - first
        if len(held) > done:
            yield self(held)[done:]

    def _changes(self, found: Tensor) -> Tensor:
        """What to add to each cepstrum, [T, CEPSTRA - 1]."""
        blocks = (described(found) / self.scale).split(_BLOCK)
        return _smooth(STRENGTH * torch.cat([self._nearest_change(block) for block in blocks]))

    def _nearest_change(self, wanted: Tensor) -> Tensor:
        """The mean change of the pairs nearest to each frame."""
        distance = torch.cdist(wanted, self.spoken, compute_mode="donot_use_mm_for_euclid_dist").square()
        nearest, index = distance.topk(min(NEAREST, len(self.spoken)), largest=False)
        weight = torch.softmax(-nearest / SPREAD, 1)
        return (weight[..., None] * self.change[index]).sum(1)


def learned(pairs: Sequence[tuple[Waveform, Waveform]], sampling_rate: int) -> Timbre:
    """Learn the change from clips of the model to recordings of the same words, at `sampling_rate`.

    Raises:
        ValueError: there are no clips, or one is silent.
    """
    if not pairs:
        raise ValueError("pairs is empty; pass the model's speech and a recording of the same words.")
    clips = [tuple(cepstra(clip, sampling_rate) for clip in pair) for pair in pairs]
    timbre: Timbre | None = None
    for _ in range(ROUNDS):
        timbre = _from_pairs(clips, timbre, sampling_rate)
    assert timbre is not None
    return timbre


def _from_pairs(clips: Sequence[tuple[Tensor, ...]], before: Timbre | None, sampling_rate: int) -> Timbre:
    """One round: align the converted speech with the recordings, and collect the pairs that are most alike."""
    spoken, change, unlike = [], [], []
    for said, recorded in clips:
        converted = said if before is None else torch.cat([said[:, :1], said[:, 1:] + before._changes(said)], 1)
        heard, meant = _audible(said), _audible(recorded)
        first, second = _comparable(converted, heard), _comparable(recorded, meant)
        rows, columns = aligned(first, second)
        both = heard[rows] & meant[columns]
        rows, columns = rows[both], columns[both]
        spoken.append(described(said)[rows])
        change.append((recorded[columns] - said[rows])[:, 1:])
        unlike.append((first[rows] - second[columns]).square().mean(1))
    errors = torch.cat(unlike)
    kept = (errors <= errors.quantile(KEPT)).nonzero()[:, 0]
    kept = kept[:: -(-len(kept) // MOST_PAIRS)]
    values = torch.cat(spoken)[kept]
    scale = values.std(0).clamp_min(1e-3)
    return Timbre(_rounded(values / scale), _rounded(scale), _rounded(torch.cat(change)[kept]), sampling_rate)


def _rounded(values: Tensor) -> Tensor:
    """Values as a file has them, so that a saved voice sounds like the one that was made."""
    return values.half().float().contiguous()


def cepstra(audio: Waveform, sampling_rate: int) -> Tensor:
    """Mel cepstra of frames a quarter of a window apart, natural logarithms of power, [T, CEPSTRA]."""
    power = _spectrum(torch.from_numpy(np.ascontiguousarray(audio)).float(), sampling_rate).abs().square()
    filters = mel_filters(BANDS, _window(sampling_rate), sampling_rate)
    return (power.T @ filters + 1e-9).log() @ cosines(BANDS, CEPSTRA)


def filtered(audio: Waveform, change: Tensor, sampling_rate: int) -> Waveform:
    """The audio with its envelope changed by cepstra [T, CEPSTRA - 1] of its frames."""
    samples = torch.from_numpy(np.ascontiguousarray(audio)).float()
    bands = change @ cosines(BANDS, CEPSTRA)[:, 1:].T / 2  # logarithms of amplitude, [T, BANDS]
    gain = (_between_bands(sampling_rate) @ bands.T).clamp(-LARGEST, LARGEST).exp()
    size, hop = _window(sampling_rate), _hop(sampling_rate)
    result = torch.istft(
        _spectrum(samples, sampling_rate) * gain, size, hop, window=torch.hann_window(size), length=len(samples)
    )
    return torch.where(samples == 0, 0.0, result.clamp(-1, 1)).numpy()


def described(found: Tensor) -> Tensor:
    """What describes each frame: its cepstrum without the level, and two others around it, [T, 3 · (CEPSTRA - 1)]."""
    own, frames = found[:, 1:], torch.arange(len(found))
    around = [CONTEXT_WEIGHT * own[(frames + step).clamp(0, len(own) - 1)] for step in (-CONTEXT, CONTEXT)]
    return torch.cat([own, *around], 1)


def aligned(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """The rows of two sequences [T, D] and [U, D] that belong together, by dynamic time warping.

    A path steps by one row in either sequence or in both, with the least sum of distances. Costs are added along
    antidiagonals, whose cells are independent of each other.
    """
    distance = torch.cdist(first, second).double().numpy()
    rows, columns = distance.shape
    cost = np.full((rows + 1, columns + 1), np.inf)
    cost[0, 0] = 0.0
    for diagonal in range(2, rows + columns + 1):
        i = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        j = diagonal - i
        cost[i, j] = distance[i - 1, j - 1] + np.minimum(
            np.minimum(cost[i - 1, j], cost[i, j - 1]), cost[i - 1, j - 1]
        )
    path, i, j = [], rows, columns
    while i and j:
        path.append((i - 1, j - 1))
        _, i, j = min((cost[i - 1, j - 1], i - 1, j - 1), (cost[i - 1, j], i - 1, j), (cost[i, j - 1], i, j - 1))
    found = torch.tensor(path[::-1])
    return found[:, 0], found[:, 1]


def _audible(found: Tensor) -> Tensor:
    level = found[:, 0] / BANDS**0.5
    audible = level > level.max() - SILENT
    if not bool(audible.any()) or float(level.max()) < -18:
        raise ValueError("a clip is silent; pass speech.")
    return audible


def _comparable(found: Tensor, audible: Tensor) -> Tensor:
    """Cepstra of a clip and how they change, by the deviations of its speech."""
    deviation, mean = torch.std_mean(found[audible], 0)
    scaled = (found - mean) / deviation.clamp_min(1e-3)
    return torch.cat([scaled, 2 * torch.gradient(scaled, dim=0)[0]], 1)


def _smooth(change: Tensor) -> Tensor:
    weights = torch.hann_window(SMOOTHING + 2, periodic=False)[1:-1]
    padded = torch.nn.functional.pad(change.T[:, None], (SMOOTHING // 2,) * 2, mode="replicate")
    return torch.nn.functional.conv1d(padded, (weights / weights.sum())[None, None])[:, 0].T


def _window(sampling_rate: int) -> int:
    return 4 * round(WINDOW_SECONDS * sampling_rate / 4)


def _hop(sampling_rate: int) -> int:
    return _window(sampling_rate) // 4


def _spectrum(samples: Tensor, sampling_rate: int) -> Tensor:
    """[bins, T]; frame t is centered at sample t · hop."""
    size, hop = _window(sampling_rate), _hop(sampling_rate)
    options = {"window": torch.hann_window(size), "pad_mode": "constant", "return_complex": True}
    return torch.stft(samples, size, hop, **options)  # type: ignore[arg-type]


@lru_cache(maxsize=8)
def _between_bands(sampling_rate: int) -> Tensor:
    """Weights that interpolate between the centers of the bands, [bins, BANDS]."""
    centers = mel_corners(BANDS, sampling_rate)[1:-1]
    bins = torch.linspace(0, sampling_rate / 2, _window(sampling_rate) // 2 + 1)
    right = torch.searchsorted(centers, bins).clamp(1, BANDS - 1)
    share = ((bins - centers[right - 1]) / (centers[right] - centers[right - 1])).clamp(0, 1)
    weights = torch.zeros(len(bins), BANDS)
    weights[torch.arange(len(bins)), right] = share
    weights[torch.arange(len(bins)), right - 1] += 1 - share
    return weights


__all__ = ["Timbre", "learned"]
