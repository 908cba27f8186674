"""When each turn and word is spoken: one pass over finished codes, and the path of the decoder's attention through the
text.

Knows the model's cross-attention, texts and frames. Knows nothing of sound, of sampling or of how codes came about.

Shapes: T frames, S text ids, H heads.
"""

import heapq
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.masking_utils import create_causal_mask

from dia.decoding.grid import Channels, prefill
from dia.modeling_dia import DiaForConditionalGeneration
from dia.processing_dia import DiaProcessor
from dia.text.script import Script, Turn
from dia.text.tags import TAG

Floats = NDArray[np.float32]

_HEADS = 8  # at most; more say the same again
_NEARLY_BEST = 0.03  # below the best head's correlation; those further below follow the text loosely
_STEP = 4  # ids that the path may advance in a frame, at least
_NEAR = 2  # ids to either side of the path that count as being on it
_FAINT = 1e-4  # attention below this is as good as none

_WORD = re.compile(r"\([^)]*\)|\{[^}]*\}|\w(?:[\w'’.:-]*\w)?")
_NO_WORD = re.compile(r"\W+")
_SOUND = re.compile(r"[(\[][^()\[\]]*[)\]]")
_PUNCTUATION = (
    " .,;:!?…\"'“”„‘’‚«»¿¡()[]{}*_~`-–—"  # at the ends of what is shown for a word; `$5` and `50%` keep theirs
)


@dataclass(frozen=True)
class WordTime:
    """A word, or a non-verbal tag, as its author wrote it, and when it is heard, in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class TurnTime:
    """What a speaker says without another between, and when, in seconds; `text` is without the speaker's tag.

    Of a script it is what its author wrote, see `as_shown`; of any other text what was read.
    """

    speaker: str
    text: str
    start: float
    end: float
    words: tuple[WordTime, ...] = ()

    def shifted(self, seconds: float, latest: float = math.inf) -> "TurnTime":
        """The same turn later by `seconds` (earlier, if negative), but nothing in it before 0 or after `latest`."""

        def moved(time: float) -> float:
            return min(latest, max(0.0, time + seconds))

        words = tuple(WordTime(word.text, moved(word.start), moved(word.end)) for word in self.words)
        return TurnTime(self.speaker, self.text, moved(self.start), moved(self.end), words)


@dataclass(frozen=True)
class Alignment:
    """How the decoder went through a text while it spoke.

    Attributes:
        text: what was read, speaker tags included.
        path: the character of `text` being spoken in each frame, int [T], never falling.
        attention: the part of each frame's attention that lies on the path, float32 [T], 0 to 1.
        frame_rate: frames per second.
    """

    text: str
    path: NDArray[np.int64]
    attention: Floats
    frame_rate: float

    @property
    def unread(self) -> str:
        """The words at the end of the text that no frame came to."""
        last = int(self.path[-1]) if len(self.path) else -1
        words = _WORD.finditer(TAG.sub("    ", self.text))
        return " ".join(word.group() for word in words if word.start() > last)

    def span(self, start: int, end: int) -> tuple[float, float]:
        """Seconds from the first frame that speaks characters `start` to `end` to behind the last; what was passed
        over has no length."""
        first, behind = np.searchsorted(self.path, [start, end])
        return float(first) / self.frame_rate, float(behind) / self.frame_rate

    def turns(self, skip: int = 0, script: Script | None = None) -> tuple[TurnTime, ...]:
        """The times of every turn with words in it, and of its words.

        Args:
            skip: leave out the turns and words that begin before this character, those of a prompt.
            script: what the rest was made of, to tell the times of what its author wrote.
        """
        tags = list(TAG.finditer(self.text))
        ends = [*(tag.start() for tag in tags[1:]), len(self.text)]
        found = [self._turn(tag[1], max(tag.end(), skip), end) for tag, end in zip(tags, ends, strict=True)]
        spoken = tuple(turn for turn in found if turn is not None)
        return spoken if script is None else as_shown(spoken, script)

    def _turn(self, speaker: str, start: int, end: int) -> TurnTime | None:
        words = [match for match in _WORD.finditer(self.text, start, end) if start < end]
        if not words:
            return None
        times = tuple(WordTime(word.group(), *self.span(*word.span())) for word in words)
        return TurnTime(speaker, self.text[start:end].strip(), times[0].start, times[-1].end, times)


def as_shown(spoken: Sequence[TurnTime], script: Script) -> tuple[TurnTime, ...]:
    """The times of spoken words as times of what the author of their script wrote.

    Args:
        spoken: turns of spoken words; punctuation may differ from the script's.
        script: what was spoken, and no more after it; its beginning may be missing among the times.

    Returns:
        The turns, `$5` in the place of "five" and "dollars"; as they are where the words are not the script's.
    """
    times = [word for turn in spoken for word in turn.words]
    said = [word[0] for turn in script.turns for word in _WORD.finditer(turn.text)]
    before = len(said) - len(times)
    if before < 0 or [_bare(word.text) for word in times] != [_bare(word) for word in said[before:]]:
        return tuple(spoken)
    rest = chain(repeat(None, before), times)
    shown: list[TurnTime] = []
    for turn in script.turns:
        found = list(_shown_words(turn, rest))
        words = tuple(time for _, time in found)
        if shown and shown[-1].speaker == turn.speaker:
            shown[-1] = _together(shown[-1], turn.shown, words)
        elif words:
            text = turn.shown.split(" ", found[0][0])[-1]
            shown.append(TurnTime(turn.speaker, text, words[0].start, words[-1].end, words))
    return tuple(shown)


def _shown_words(turn: Turn, times: Iterator[WordTime | None]) -> Iterator[tuple[int, WordTime]]:
    """The times of what is shown for the words of a turn, each with its number in what is shown.

    Args:
        turn: of a script.
        times: of its spoken words, and of those of the turns after it; None for a word that was said before.
    """
    starts = [word.start() for word in _WORD.finditer(turn.text)]
    number = 0
    for word in turn.words():
        own = []
        while number < len(starts) and starts[number] < word.end:
            own.append(next(times))
            number += 1
        heard = [time for time in own if time is not None]
        if heard:
            yield word.first, WordTime(_label(word.shown), heard[0].start, heard[-1].end)


def _bare(word: str) -> str:
    """A word without the punctuation that a model's conventions may add."""
    return _NO_WORD.sub("", word)


def _label(shown: str) -> str:
    return shown if _SOUND.fullmatch(shown) else shown.strip(_PUNCTUATION) or shown


def _together(before: TurnTime, text: str, words: tuple[WordTime, ...]) -> TurnTime:
    """A turn that goes on with more of the same speaker."""
    end = words[-1].end if words else before.end
    return TurnTime(before.speaker, f"{before.text} {text}", before.start, end, before.words + words)


@torch.no_grad()
def read(model: DiaForConditionalGeneration, processor: DiaProcessor, text: str, codes: Tensor) -> Alignment:
    """Follow the model through `text` as it would speak `codes`, in one pass.

    The heads of cross-attention that move along the text while time goes on are found by correlation, whatever the
    layer; the path is the likeliest that never goes back, by dynamic programming over their mean.

    Args:
        model: the model that spoke, or another of its kind.
        processor: its processor.
        text: everything that was read: the transcript of a prompt, if there was one, and the new text.
        codes: everything that is heard, int64 [T, C], a prompt's codes first.

    Raises:
        ValueError: `text` or `codes` does not fit the model.
    """
    inputs = processor.tokenizer([text], return_tensors="pt", return_offsets_mapping=True)
    places = inputs["offset_mapping"][0, :, 0].numpy()
    if not len(codes):
        return Alignment(text, np.zeros(0, np.int64), np.zeros(0, np.float32), processor.frame_rate)
    grid, _ = prefill([codes], 0, Channels.of(model.config), closed=True)
    rows = grid[:, : len(codes)].to(model.device)  # the row before each frame's, in which it is foretold
    states = model.get_encoder()(input_ids=inputs["input_ids"].to(model.device)).last_hidden_state
    weights = np.mean(_along_the_text(chain.from_iterable(_cross_attention(model, states, rows))), axis=0)
    path = monotonic_path(np.log(weights + _FAINT))
    near = np.abs(np.arange(weights.shape[1]) - path[:, None]) <= _NEAR
    return Alignment(text, places[path], (weights * near).sum(1), processor.frame_rate)


def _cross_attention(model: DiaForConditionalGeneration, text: Tensor, rows: Tensor) -> Iterator[Floats]:
    """The weights of every layer, [H, T, S], for one clip.

    The layers are walked here because fast kernels return no weights, and which kernel is used is a setting of the
    whole model, that other threads may be using.
    """
    decoder: Any = model.get_decoder()
    hidden = decoder.embeddings(rows)
    positions = torch.arange(rows.shape[1], device=hidden.device)[None]
    rotary = decoder.rotary_emb(hidden, positions)
    mask = create_causal_mask(decoder.config, hidden, None, None)  # no mask, no cache
    for layer in decoder.layers:
        hidden = hidden + layer.self_attention(layer.pre_sa_norm(hidden), rotary, mask)[0]
        asking, cross = layer.pre_ca_norm(hidden), layer.cross_attention
        query, key = (
            projected[0].unflatten(-1, (-1, cross.head_dim)).transpose(0, 1)  # [H, T or S, D]
            for projected in (cross.q_proj(asking), cross.k_proj(text))
        )
        key = key.repeat_interleave(cross.num_key_value_groups, dim=0)
        yield (query @ key.transpose(1, 2) * cross.scaling).float().softmax(-1).cpu().numpy()
        hidden = hidden + cross(asking, text, None)[0]
        hidden = hidden + layer.mlp(layer.pre_mlp_norm(hidden))


def _along_the_text(heads: Iterable[Floats]) -> list[Floats]:
    """The heads, of [T, S] each, whose attention moves through the text with time; only those are kept."""
    ranked = ((_progress(head), -number, head) for number, head in enumerate(heads))
    best = heapq.nlargest(_HEADS, ranked, key=lambda entry: entry[:2])
    return [head for score, _, head in best if score >= best[0][0] - _NEARLY_BEST]


def _progress(weights: Floats) -> float:
    """Correlation of time with the mean place of attention, -1 to 1; 0 for a head that stays where it is."""
    places = weights @ np.arange(weights.shape[1], dtype=np.float32)
    time = np.arange(len(places), dtype=np.float32)
    spread = float(places.std() * time.std())
    return float(np.mean((places - places.mean()) * (time - time.mean()))) / spread if spread > _FAINT else 0.0


def monotonic_path(score: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """The path of the highest sum through `score` [T, S] that begins near place 0 and never goes back, int64 [T].

    In a frame it may stay, or advance by a few places; how far it comes is free.
    """
    frames, places = score.shape
    step = max(_STEP, -(-2 * places // frames))
    best = np.where(np.arange(places) < step, score[0], -np.inf)
    steps = np.zeros((frames, places), np.int16)
    for frame in range(1, frames):
        padded = np.concatenate([np.full(step, -np.inf), best])
        reached = np.lib.stride_tricks.sliding_window_view(padded, places)[::-1]  # [step + 1, S], by 0, 1, … places
        steps[frame] = reached.argmax(0)
        best = reached.max(0) + score[frame]
    path = np.zeros(frames, np.int64)
    path[-1] = best.argmax()
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = path[frame] - steps[frame, path[frame]]
    return path


__all__ = ["Alignment", "TurnTime", "WordTime", "as_shown", "monotonic_path", "read"]
