"""Find when each turn and word is spoken, from the cross-attention of the decoder over finished codes.

Independent of audio, sampling and how the codes were made.

Shapes: T frames, S text ids, H heads.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor
from transformers.masking_utils import create_causal_mask

from dia.decoding.grid import Channels, prefill
from dia.modeling_dia import DiaForConditionalGeneration
from dia.processing_dia import DiaProcessor
from dia.text.script import Script, Turn
from dia.text.tags import TAG

FloatArray = NDArray[np.float32]

_HEADS = 8  # the maximum; more heads add no information
_CORRELATION_MARGIN = 0.03  # to the best head's correlation; heads further below follow the text less closely
_MIN_STEP = 4  # the path may always advance by this many ids per frame
_PATH_WIDTH = 2  # ids on either side of the path that count as on the path
_EPSILON = 1e-4  # attention below this is negligible

_WORD = re.compile(r"\([^)]*\)|\{[^}]*\}|\w(?:[\w'’.:-]*\w)?")
_NO_WORD = re.compile(r"\W+")
_SOUND = re.compile(r"[(\[][^()\[\]]*[)\]]")
_PUNCTUATION = (
    " .,;:!?…\"'“”„‘’‚«»¿¡()[]{}*_~`-–—"  # stripped from displayed words; the symbols of `$5` and `50%` are not
)


@dataclass(frozen=True)
class WordTime:
    """A word or non-verbal tag as written by the author, with its times in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class TurnTime:
    """The words of a speaker until the next speaker, with times in seconds; `text` excludes the speaker tag.

    For a script, the text is as its author wrote it, see `as_written`; otherwise it is the text that the model read.
    """

    speaker: str
    text: str
    start: float
    end: float
    words: tuple[WordTime, ...] = ()

    def shifted(self, seconds: float, latest: float = math.inf) -> "TurnTime":
        """The turn moved by `seconds`, which may be negative; all times are clipped to between 0 and `latest`."""

        def moved(time: float) -> float:
            return min(latest, max(0.0, time + seconds))

        words = tuple(WordTime(word.text, moved(word.start), moved(word.end)) for word in self.words)
        return TurnTime(self.speaker, self.text, moved(self.start), moved(self.end), words)


@dataclass(frozen=True)
class Alignment:
    """The decoder's path through a text while it spoke.

    Attributes:
        text: the text that the model read, including speaker tags.
        path: the position in `text` that each frame speaks, int [T], non-decreasing.
        attention: the share of each frame's attention that lies on the path, float32 [T], 0 to 1.
        frame_rate: frames per second.
    """

    text: str
    path: NDArray[np.int64]
    attention: FloatArray
    frame_rate: float

    @property
    def missing_words(self) -> str:
        """The words at the end of the text that no frame reaches."""
        last = int(self.path[-1]) if len(self.path) else -1
        words = _WORD.finditer(TAG.sub("    ", self.text))
        return " ".join(word.group() for word in words if word.start() > last)

    def span(self, start: int, end: int) -> tuple[float, float]:
        """Start and end, in seconds, of the frames that speak characters `start` to `end`. Equal for skipped text."""
        first, stop = np.searchsorted(self.path, [start, end])
        return float(first) / self.frame_rate, float(stop) / self.frame_rate

    def turns(self, skip: int = 0, script: Script | None = None) -> tuple[TurnTime, ...]:
        """The times of all turns that contain words, and of their words.

        Args:
            skip: omit words that begin before this character, such as those of a prompt.
            script: the script of the remaining text; the result then has the words as its author wrote them.
        """
        tags = list(TAG.finditer(self.text))
        ends = [*(tag.start() for tag in tags[1:]), len(self.text)]
        found = [self._turn(tag[1], max(tag.end(), skip), end) for tag, end in zip(tags, ends, strict=True)]
        spoken = tuple(turn for turn in found if turn is not None)
        return spoken if script is None else as_written(spoken, script)

    def _turn(self, speaker: str, start: int, end: int) -> TurnTime | None:
        words = [match for match in _WORD.finditer(self.text, start, end) if start < end]
        if not words:
            return None
        times = tuple(WordTime(word.group(), *self.span(*word.span())) for word in words)
        return TurnTime(speaker, self.text[start:end].strip(), times[0].start, times[-1].end, times)


def as_written(spoken: Sequence[TurnTime], script: Script) -> tuple[TurnTime, ...]:
    """Map the times of spoken words to the words of the script as its author wrote them.

    Args:
        spoken: turns of spoken words; punctuation may differ from the script.
        script: the script, of which only the beginning may be missing in `spoken`.

    Returns:
        The turns, with `$5` in place of "five dollars"; `spoken` unchanged if its words are not those of the script.
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
            shown[-1] = _merge_turns(shown[-1], turn.shown, words)
        elif words:
            text = turn.shown.split(" ", found[0][0])[-1]
            shown.append(TurnTime(turn.speaker, text, words[0].start, words[-1].end, words))
    return tuple(shown)


def _shown_words(turn: Turn, times: Iterator[WordTime | None]) -> Iterator[tuple[int, WordTime]]:
    """The times of a turn's written words, each with its index among the written words.

    Args:
        turn: a turn of a script.
        times: the times of the spoken words of this turn and those after it; None for words that were spoken earlier.
    """
    starts = [word.start() for word in _WORD.finditer(turn.text)]
    number = 0
    for word in turn.words():
        own = []
        while number < len(starts) and starts[number] < word.end:
            own.append(next(times))
            number += 1
        known = [time for time in own if time is not None]
        if known:
            yield word.first, WordTime(display_label(word.shown), known[0].start, known[-1].end)


def _bare(word: str) -> str:
    """A word without punctuation, which a model's prompt format may add."""
    return _NO_WORD.sub("", word)


def display_label(shown: str) -> str:
    """A written word as it is shown with its times: without punctuation."""
    return shown if _SOUND.fullmatch(shown) else shown.strip(_PUNCTUATION) or shown


def _merge_turns(before: TurnTime, text: str, words: tuple[WordTime, ...]) -> TurnTime:
    """Extend a turn by another of the same speaker."""
    end = words[-1].end if words else before.end
    return TurnTime(before.speaker, f"{before.text} {text}", before.start, end, before.words + words)


@torch.no_grad()
def align(
    model: DiaForConditionalGeneration,
    processor: DiaProcessor,
    text: str,
    codes: Tensor,
    attention: Tensor | None = None,
    places: Tensor | None = None,
) -> Alignment:
    """Align codes with the text they speak.

    Uses the cross-attention heads of any layer whose position in the text correlates with time. The path is the most
    likely non-decreasing one through the mean of these heads, found by dynamic programming.

    Args:
        model: the model that generated the codes, or a similar one.
        processor: its processor.
        text: everything the model read: the transcript of the prompt, if any, and the new text.
        codes: all codes, int64 [T, C], starting with those of the prompt.
        attention: the attention weights of the text, [T or more, heads of all layers, S], if they are known; by
            default they are computed in a pass of the model.
        places: the character of `text` that each text id begins at, [S], if it is known.

    Raises:
        ValueError: `text`, `codes` or `attention` does not fit the model.
    """
    if attention is None or places is None:
        inputs = processor.tokenizer([text], return_tensors="pt", return_offsets_mapping=True)
        places = inputs["offset_mapping"][0, :, 0]
    if not len(codes):
        return Alignment(text, np.zeros(0, np.int64), np.zeros(0, np.float32), processor.frame_rate)
    if attention is None:
        attention = _attention(model, inputs["input_ids"].to(model.device), codes)
    elif len(attention) < len(codes) or attention.shape[-1] != len(places):
        raise ValueError(
            f"attention is {list(attention.shape)} for {len(codes)} frames and {len(places)} ids of text."
        )
    heads = attention[: len(codes)].numpy()
    weights = heads[:, _monotonic_heads(heads)].mean(1)
    path = monotonic_path(np.log(weights + _EPSILON))
    near = np.abs(np.arange(weights.shape[1]) - path[:, None]) <= _PATH_WIDTH
    return Alignment(text, places.numpy()[path], (weights * near).sum(1), processor.frame_rate)


def _attention(model: DiaForConditionalGeneration, ids: Tensor, codes: Tensor) -> Tensor:
    """The attention weights of all layers for a text [1, S] and its codes [T, C], float32 [T, heads, S] on the CPU."""
    grid, _ = prefill([codes], 0, Channels.of(model.config), closed=True)
    rows = grid[:, : len(codes)].to(model.device)  # each frame is predicted in the row before its own
    states = model.get_encoder()(input_ids=ids).last_hidden_state
    return torch.cat(list(_cross_attention(model, states, rows))).transpose(0, 1)


def _cross_attention(model: DiaForConditionalGeneration, encoder_states: Tensor, rows: Tensor) -> Iterator[Tensor]:
    """The attention weights of every layer, [H, T, S], for one clip.

    Runs the layers itself: fast kernels return no weights, and choosing another kernel would change the whole
    model, which other threads may be using.
    """
    decoder: Any = model.get_decoder()
    hidden_states = decoder.embeddings(rows)
    positions = torch.arange(rows.shape[1], device=hidden_states.device)[None]
    position_embeddings = decoder.rotary_emb(hidden_states, positions)
    attention_mask = create_causal_mask(decoder.config, hidden_states, None, None)  # no padding, no cache
    for layer in decoder.layers:
        hidden_states = (
            hidden_states
            + layer.self_attention(layer.pre_sa_norm(hidden_states), position_embeddings, attention_mask)[0]
        )
        normed, cross = layer.pre_ca_norm(hidden_states), layer.cross_attention
        query, key = (
            projected[0].unflatten(-1, (-1, cross.head_dim)).transpose(0, 1)  # [H, T or S, D]
            for projected in (cross.q_proj(normed), cross.k_proj(encoder_states))
        )
        key = key.repeat_interleave(cross.num_key_value_groups, dim=0)
        yield (query @ key.transpose(1, 2) * cross.scaling).float().softmax(-1).cpu()
        if layer is decoder.layers[-1]:
            return
        hidden_states = hidden_states + cross(normed, encoder_states, None)[0]
        hidden_states = hidden_states + layer.mlp(layer.pre_mlp_norm(hidden_states))


def _monotonic_heads(attention: FloatArray) -> NDArray[np.int64]:
    """The numbers of the heads of [T, H, S] whose attention moves through the text with time, the best one first."""
    scores = _time_correlations(attention)
    best = np.argsort(-scores, kind="stable")[:_HEADS]
    return best[scores[best] >= scores[best[0]] - _CORRELATION_MARGIN]


def _time_correlations(attention: FloatArray) -> FloatArray:
    """Correlation of time with the mean position of attention of each head [H]; 0 for a head that does not move."""
    frames, _, places = attention.shape
    paths = attention @ np.arange(places, dtype=np.float32)
    paths -= paths.mean(0)
    time = np.arange(frames, dtype=np.float32) - np.float32((frames - 1) / 2)
    spread = np.sqrt((paths * paths).sum(0) * (time @ time))
    moves = spread > _EPSILON * frames
    return np.where(moves, time @ paths / np.where(moves, spread, 1.0), 0.0).astype(np.float32)


def monotonic_path(score: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """The non-decreasing path with the highest sum through `score` [T, S], int64 [T]. It begins near position 0.

    In each frame it may stay or advance by a few positions; it may end anywhere.
    """
    frames, places = score.shape
    step = max(_MIN_STEP, -(-2 * places // frames))
    padded = np.full(step + places, -np.inf)
    best = padded[step:]
    best[:step] = score[0, :step]
    # In row a, column p: the best path to the place that is a places before p. A view of `padded`.
    reached = sliding_window_view(padded, places)[::-1]
    steps = np.zeros((frames, places), np.int16)
    columns = np.arange(places)
    for frame in range(1, frames):
        steps[frame] = advance = reached.argmax(0)
        best[:] = reached[advance, columns] + score[frame]
    path = np.zeros(frames, np.int64)
    path[-1] = best.argmax()
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = path[frame] - steps[frame, path[frame]]
    return path


__all__ = ["Alignment", "TurnTime", "WordTime", "align", "as_written", "display_label", "monotonic_path"]
