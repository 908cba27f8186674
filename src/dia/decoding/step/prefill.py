"""What a clip brings to the fast step: its prompt and text, computed by the model. Also the cache it leaves behind.

Shapes: B clips, N rows of the network (B, under guidance 2B), R grid rows, C channels, V ids of each, S text length,
G key heads, D head width.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import EncoderDecoderCache

from dia.decoding.cache import fill
from dia.decoding.call.inputs import Grid
from dia.decoding.step.config import DecodeConfig
from dia.decoding.step.sampler import Sampler
from dia.kernels.blocks import blocked

Pairs = Sequence[tuple[Tensor, Tensor]]  # keys and values of each layer


@dataclass(frozen=True)
class Start:
    """A clip that joins a step: its grid, and what the model has computed for its prompt and text.

    Attributes:
        forced: the clip's grid, [C, rows]; PAD in the cells to draw.
        prefilled: number of prompt rows.
        max_rows: length limit of the grid.
        offset: the position of the first row.
        sampler: chooses the ids.
        key: of the clip's noise.
        own: of the prompt, [halves, G, prefilled, D].
        text: of the text, [G, S, D].
        unconditional: of one id of the unconditional text, [G, D]; empty without guidance.
        logits: of the first new row, [halves, C · V]; None if `own` lacks the last row of the prompt, which the step
            then reads itself.
    """

    forced: Tensor
    prefilled: int
    max_rows: int
    offset: int
    sampler: Sampler
    key: int
    own: Pairs
    text: Pairs
    unconditional: Pairs
    logits: Tensor | None


@dataclass(frozen=True)
class SlotRequest:
    """A clip that waits for a slot.

    Attributes:
        config: of a step for this clip alone.
        prompt: the prompt's rows, [1, R, C].
        prefill: encodes the text and computes the prompt.
    """

    config: DecodeConfig
    prompt: Tensor
    prefill: Callable[[], Start]


@dataclass(frozen=True)
class TextPair:
    """Keys and values of the text in one layer.

    Attributes:
        keys: of each row of the network, [G, S, D]. Of unconditional rows, only the first position is read.
        values: the same.
    """

    keys: Sequence[Tensor]
    values: Sequence[Tensor]


def text_pairs(layers: Iterable[Any], states: Tensor, clips: int) -> list[TextPair]:
    """Keys and values of the text for each layer of the decoder.

    All positions of the unconditional text are equal, so only the first ones are computed: as many as a product needs.

    Args:
        layers: of the decoder.
        states: of the encoder, [N, S, E]; rows from `clips` on are unconditional.
        clips: B.
    """
    given, zero = states[:clips], states[clips:, :1].expand(-1, blocked(1, states), -1)
    pairs = []
    for layer in layers:
        halves = [layer.cross_attention.text_states(part, None) for part in (given, zero)]
        pairs.append(TextPair(*([*first, *second] for first, second in zip(*halves, strict=True))))
    return pairs


def starts_of(
    own: Sequence[Any],
    text: Sequence[Any],
    grid: Grid,
    text_mask: Tensor | None,
    positions: Tensor,
    limit: int,
    sampler: Sampler,
    keys: Sequence[int],
    logits: Tensor | None,
) -> list[Start]:
    """The clips of a call whose prompts the model has computed.

    Args:
        own: layers of a cache that the model has filled; empty for a prompt of one row.
        text: `TextPair`s, or layers of a cache that the model has filled.
        grid: of the call.
        text_mask: 0 for padding, [N, S]; None if nothing is padded.
        positions: of the grid's rows, [1 or B, rows].
        limit: maximum number of rows of the grid.
        sampler: chooses the ids.
        keys: of the clips' noise.
        logits: of the first new row, [N · C, V]; None for a prompt of one row.
    """
    halves = 1 if sampler.guidance is None else 2
    first = None if logits is None else logits.float().reshape(halves, grid.clips, -1).transpose(0, 1)
    starts = []
    for clip, padding in enumerate(grid.padding or ()):
        rows, read = slice(padding, grid.prefilled), _read(text_mask, clip)
        every = slice(clip, None, grid.clips)  # the clip's rows of the network
        starts.append(
            Start(
                forced=grid.forced.unflatten(0, (-1, grid.channels))[clip, :, padding:],
                prefilled=grid.prefilled - padding,
                max_rows=limit - padding,
                offset=int(positions[clip % len(positions), padding]),
                sampler=sampler,
                key=keys[clip],
                own=[(layer.keys[every, :, rows], layer.values[every, :, rows]) for layer in own],
                text=[(layer.keys[clip][:, read], layer.values[clip][:, read]) for layer in text],
                unconditional=_unconditional(text, grid.clips + clip) if halves == 2 else (),
                logits=None if first is None else first[clip],
            )
        )
    return starts


def save(step: Any, cache: EncoderDecoderCache, starts: Sequence[Start], grid: Grid, text: Tensor, rows: int) -> None:
    """Copy the keys and values of a call's rows and texts to an empty cache, where `generate` would continue.

    Args:
        step: the `Step` that has computed the rows.
        cache: the cache to fill.
        starts: the clips, in slots of the same numbers.
        grid: of the call.
        text: which text ids are read, bool [B, S].
        rows: number of the grid's rows to copy.
    """
    padding = [grid.prefilled - start.prefilled for start in starts]
    for layer in range(len(step.layers)):
        found = [step.computed(layer, slot, rows - padding[slot]) for slot in range(len(starts))]
        own = [torch.stack([_behind(pair[kind], rows) for pair in found]) for kind in (0, 1)]  # [B, halves, G, R, D]
        own_pair = own[0].transpose(0, 1).flatten(0, 1), own[1].transpose(0, 1).flatten(0, 1)
        fill(cache, layer, own_pair, (_texts(starts, layer, 0, text), _texts(starts, layer, 1, text)))


def _texts(starts: Sequence[Start], layer: int, kind: int, read: Tensor) -> Tensor:
    """Keys (`kind` 0) or values (1) of all texts, [N, G, S, D]."""
    texts = torch.stack([_spread(start.text[layer][kind], own) for start, own in zip(starts, read, strict=True)])
    if not starts[0].unconditional:
        return texts
    return torch.cat([texts, starts[0].unconditional[layer][kind][:, None].expand_as(texts)])


def _unconditional(layers: Sequence[Any], row: int) -> Pairs:
    return [(layer.keys[row][:, 0], layer.values[row][:, 0]) for layer in layers]


def _read(mask: Tensor | None, clip: int) -> Any:
    """Which ids of a text are read; all of a text that is only padding."""
    if mask is None or not mask[clip].any():
        return slice(None)
    return mask[clip].bool()


def _behind(computed: Tensor, rows: int) -> Tensor:
    """Keys or values [halves, G, n, D] as the last of `rows` rows."""
    return torch.nn.functional.pad(computed, (0, 0, rows - computed.shape[2], 0))


def _spread(text: Tensor, read: Tensor) -> Tensor:
    """Keys or values [G, n, D] of the ids that are read, at their places [G, S, D]."""
    spread = text.new_zeros(len(text), len(read), text.shape[-1])
    spread[:, read if read.any() else slice(None)] = text
    return spread


__all__ = ["SlotRequest", "Start", "save", "starts_of"]
