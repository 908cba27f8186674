"""Codes that the language model predicts for clips of the corpus, and batches of them for training the decoder.

A decoder that is trained on the codes of recordings alone has never heard the language model's mistakes. Here the
model continues what is known: the first channels of a clip are those of its recording, the others are the model's, and
the target of the decoder is the recording. The first channels decide what is said and when, so the two fit each other.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from transformers import DacModel, LogitsProcessor

from dia.decoding.delay import delay
from dia.decoding.grid import Channels, spoken
from dia.modeling_dia import DiaForConditionalGeneration
from dia.text.lexicon import Pronunciations
from dia.text.tags import SPEAKERS
from dia.training.data import code_cache as cache
from dia.training.data.code_cache import CodedClip, Codes
from dia.training.data.dialogues import spell
from dia.training.mini.encoding import encoded_clips, sound_of
from dia.training.mini.packaging import SAMPLING
from dia.training.mini.pretraining.aligned_clips import text_of

KNOWN = (1, 2, 2, 3, 4)  # numbers of channels that a clip may keep
CLIPS = 24  # of a shard, spoken together
LONGEST_FRAMES = 220
EXCERPTS = 2  # of each clip, each time that its shard is read
RECORDED_SHARE = 0.2  # of the clips in a batch that keep all codes of the recording
_PLACE = "place"  # in a line: the number of the clip among those of its shard that were encoded


class KnownChannels(LogitsProcessor):
    """Gives the first channels of every clip known codes, and ends a clip where they end.

    Args:
        codes: int64 [T, C] of each clip.
        known: number of channels of each clip to take from `codes`, at least 1.
        channels: delays and special ids.
    """

    def __init__(self, codes: Sequence[Tensor], known: Sequence[int], channels: Channels) -> None:
        frames = torch.full((len(codes), 1 + max(map(len, codes)), len(channels.pattern)), -1)
        for clip, grid, count in zip(frames, codes, known, strict=True):
            clip[: len(grid), :count] = grid[:, :count]
            clip[len(grid), 0] = channels.eos
        self._wanted = delay(frames, channels.pattern, -1, -1)  # [B, R, C], -1 where the model decides

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Leave one candidate in the rows of `scores` [B · C, V] whose next id is known."""
        row = min(input_ids.shape[1], self._wanted.shape[1]) - 1  # row 0 of the grid is BOS
        wanted = self._wanted[:, row].flatten().to(scores.device)
        only = torch.full_like(scores, -torch.inf).scatter(1, wanted.clamp_min(0)[:, None], 0.0)
        return torch.where(wanted[:, None] >= 0, only, scores)


def predict(
    model: DiaForConditionalGeneration,
    texts: Sequence[str],
    codes: Sequence[Tensor],
    known: Sequence[int],
    generator: torch.Generator,
) -> list[Tensor]:
    """Let the model speak clips of which the first channels are known; returns int64 [T, C] of each clip.

    Args:
        model: the language model.
        texts: of the clips, as the model reads them.
        codes: int64 [T, C] of the clips.
        known: number of channels of each clip that are kept.
        generator: of all random choices.
    """
    channels, ids = Channels.of(model.config), [torch.tensor(spell(text)) for text in texts]
    grid = model.generate(
        torch.nn.utils.rnn.pad_sequence(ids, batch_first=True),
        attention_mask=torch.nn.utils.rnn.pad_sequence([torch.ones_like(text) for text in ids], batch_first=True),
        logits_processor=[KnownChannels(codes, known, channels)],
        max_new_tokens=max(map(len, codes)) + max(channels.pattern) + 1,
        generator=generator,
        **SAMPLING,
    )
    return spoken(grid, None, channels)


def predict_codes(
    language: Path,
    codec: DacModel,
    codes: Path,
    folder: Path,
    pronunciations: Path,
    minutes: float,
    seed: int = 0,
) -> None:
    """Write predicted codes of `minutes` of speech to `folder`, in shards with the numbers of those in `codes`.

    Shards are drawn at random. Those that exist in `folder` are not made again, and count.

    Args:
        language: folder of the language model.
        codec: that the codes belong to.
        codes: folder of the code cache.
        folder: to write into.
        pronunciations: of the words.
        minutes: of speech. Fewer are made if all shards have been used.
        seed: of all random choices.

    Raises:
        ValueError: `folder` contains codes of another codec, or `codes` contains none of the main voices.
        OSError: the disk is full; finished shards are kept.
    """
    cache.claim(folder, codec)
    model = DiaForConditionalGeneration.from_pretrained(language, dtype=torch.float32).eval()
    known = Pronunciations.load(pronunciations)
    frames = 60 * minutes * codec.config.sampling_rate / codec.config.hop_length
    done = sum(line["frames"] for path in cache.indices(folder) for line in cache.read_lines(path))
    indices = [path for path in cache.indices(codes) if cache.shard_of(path)[1] == 0]
    random.Random(seed).shuffle(indices)
    with tqdm(total=round(frames), initial=done, desc="predicting", unit=" frames", disable=None) as bar:
        for index in indices:
            if done >= frames:
                break
            if not (folder / index.name).exists():
                made = _predict_shard(model, known, index, folder / index.name, seed)
                done += made
                bar.update(made)
    if not done:
        raise ValueError(f"folder {codes} contains no training clips of {' or '.join(SPEAKERS)}. Encode more clips.")


def _predict_shard(
    model: DiaForConditionalGeneration, pronunciations: Pronunciations, index: Path, destination: Path, seed: int
) -> int:
    """Write the predicted codes of some clips of one shard; returns the number of frames."""
    rng = random.Random(f"{seed} {index.name}")
    clips = [(place, clip) for place, clip in enumerate(cache.clips_of(index)) if _is_used(clip)]
    clips = sorted(rng.sample(clips, min(CLIPS, len(clips))), key=lambda pair: len(pair[1].codes))
    if not clips:
        return 0
    counts = [rng.choice(KNOWN) for _ in clips]
    predicted = predict(
        model,
        [text_of(clip, pronunciations, 0.0) for _, clip in clips],
        [torch.from_numpy(clip.codes.astype(np.int64)) for _, clip in clips],
        counts,
        torch.Generator().manual_seed(rng.getrandbits(32)),
    )
    lines = [
        {"text": clip.text, "speaker": clip.speaker, "split": clip.split, "kind": clip.kind, "seconds": clip.seconds}
        | {_PLACE: place, "known": count}
        for (place, clip), count in zip(clips, counts, strict=True)
    ]
    cache.write_shard(destination, [grid.numpy().astype(np.uint16) for grid in predicted], lines)
    return sum(map(len, predicted))


def _is_used(clip: CodedClip) -> bool:
    return clip.speaker in SPEAKERS and clip.split == "train" and len(clip.codes) <= LONGEST_FRAMES


def predicted_batches(
    folder: Path, codes: Path, corpus: Path, codec: DacModel, frames: int, batch: int, seed: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches of excerpts with the codes that a decoder gets for them.

    Shards and clips are read in random order. `RECORDED_SHARE` of the clips have the codes of the recording, as the
    model's are the better, the more channels are known.

    Args:
        folder: of `predict_codes`.
        codes: of the code cache.
        corpus: of the corpus.
        codec: that the codes belong to.
        frames: length of an excerpt.
        batch: excerpts in a batch.
        seed: of all random choices.

    Yields:
        fp32 audio [batch, samples], the recording, and int64 codes [batch, frames, C].

    Raises:
        ValueError: `folder` contains no codes, or the corpus has changed.
    """
    rng, row, hop = random.Random(seed), list[tuple[Tensor, Tensor]](), codec.config.hop_length
    indices = cache.indices(folder)
    if not indices:
        raise ValueError(
            f"folder {folder} contains no codes. Run python -m dia.training.mini --stages predicted first."
        )
    while True:
        clips = _pairs(rng.choice(indices), codes, corpus, codec)
        rng.shuffle(clips)
        for audio, grid, recorded in clips:
            used = recorded if rng.random() < RECORDED_SHARE else grid
            for _ in range(EXCERPTS if len(grid) >= frames else 0):
                first = rng.randint(0, len(grid) - frames)
                part = audio[first * hop : (first + frames) * hop]
                row.append((torch.from_numpy(part), torch.from_numpy(used[first : first + frames].astype(np.int64))))
                if len(row) == batch:
                    yield torch.stack([one for one, _ in row]), torch.stack([one for _, one in row])
                    row = []


def _pairs(index: Path, codes: Path, corpus: Path, codec: DacModel) -> list[tuple[np.ndarray, Codes, Codes]]:
    """Audio of whole frames, predicted codes and the recording's codes of the clips of a shard."""
    rate, hop = codec.config.sampling_rate, codec.config.hop_length
    clips = list(encoded_clips(corpus, cache.shard_of(index)[0]))
    recorded, found = cache.clips_of(codes / index.name), []
    for line, predicted in zip(cache.read_lines(index), cache.clips_of(index), strict=True):
        place = line[_PLACE]
        if place >= len(clips) or place >= len(recorded) or recorded[place].text != line["text"]:
            raise ValueError(f"{index} does not fit {codes} or {corpus}. Delete {index.parent} and make it again.")
        audio = sound_of(clips[place], rate).audio
        audio = np.pad(audio, (0, max(0, len(predicted.codes) * hop - len(audio)))).astype(np.float32)
        found.append((audio, predicted.codes, recorded[place].codes))
    return found


__all__ = ["KnownChannels", "predict", "predict_codes", "predicted_batches"]
