"""The fast decoder step: reads one row, chooses the next and writes it, on static tensors and without host syncs.

A clip has a slot with its own row, text, sampler and noise. It joins and leaves between two steps. The model itself
computes the keys and values of the prompt.

Shapes: B clips, N rows of the network (B, under guidance 2B), R grid rows, C channels, V ids of each, S text length,
G key heads, D head width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dia.decoding.delay import last_end
from dia.decoding.step.attention import attention_for_rows, attention_for_text
from dia.decoding.step.config import DecodeConfig, spans_of
from dia.decoding.step.layer import Attentions, FastLayer, StepRows, linear_of, needs_blocks, norm_of, signed
from dia.decoding.step.narrow import network_of
from dia.decoding.step.prefill import Start
from dia.decoding.step.sampler import Numbers, Sampler, kind_of
from dia.decoding.step.text_attention import TextAttention
from dia.kernels.blocks import blocked, padded
from dia.kernels.network import Network
from dia.kernels.row import RowWriter, kinds_of, slots_of, supports
from dia.kernels.row import load as load_writer


@dataclass(frozen=True)
class _InUse:
    """The slots that a step computes."""

    slots: tuple[int, ...]
    at: Tensor  # the same, [B]
    halves: int
    draws: tuple[tuple[Sampler, Tensor | None], ...]  # kinds of samplers, and the places of their slots in `slots`
    written: tuple[Any, Any] | None  # slots and kinds for a `RowWriter`


class Step:
    """Computes the next row of the clips in its slots. The config is fixed, and all state is in static tensors.

    A clip joins and leaves between two steps. Its codes depend neither on its slot nor on the clips in other slots;
    docs/engine.md says for which devices that holds bit for bit.

    Attributes:
        ids: the grids, [slots, C, R].
        ended: which channels have ended, [slots, C].
        finite: whether the last logits of each slot were finite, [slots].
        written: number of rows of each slot; 0 for a free one.
        limits: maximum number of rows of each slot.
    """

    def __init__(self, model: Any, config: DecodeConfig) -> None:
        decoder, device, dtype = model.model.decoder, model.device, model.dtype
        slots, channels, eager = config.slots, len(config.pattern), config.compiled is None
        self.config, self.written = config, [0] * slots
        self.embed, self.norm = decoder.embeddings, norm_of(decoder.norm, eager)
        self.head = linear_of(model.logits_dense, eager)
        self.blocks = needs_blocks([*decoder.layers.modules(), model.logits_dense], eager)
        new = torch.zeros if config.fixed else torch.empty
        sizes = (slots, config.halves), config.rows, config.text
        self.attentions = _attentions(decoder.config, device, dtype, eager)
        self.layers = [FastLayer(layer, *sizes, dtype, eager, self.attentions, new) for layer in decoder.layers]
        self.network = network_of(model, self.layers) if eager and not config.fixed else None
        positions, like = torch.arange(config.rows, device=device)[None], torch.empty(0, dtype=dtype, device=device)
        self.rotary = signed(*(part[0] for part in decoder.rotary_emb(like, positions)))  # [R, 2, D]
        self.delays = torch.tensor(config.pattern, device=device)
        self.ids = torch.full((slots, channels, config.rows), config.pad, device=device)
        self.forced = self.ids.clone()
        self.ended = torch.ones(slots, channels, dtype=torch.bool, device=device)
        whole = torch.zeros(6, slots, dtype=torch.long, device=device)
        # The next row, 1 for a slot in use, the last row for EOS, the first row that is drawn, position - row, noise.
        self.row, self.live, self.last_end, self.first_row, self.offset, self.keys = whole
        self.row.fill_(1)
        self.finite = torch.ones(slots, dtype=torch.bool, device=device)
        self.limits = [0] * slots
        self.numbers = Numbers.of(slots, device)
        groups = self.layers[0].groups
        cells = torch.arange(slots * config.halves * groups, device=device) * config.rows
        self.cells = cells.view(slots, config.halves, groups)  # of row 0 in the flat buffers of keys
        self.text_limit = self._new_text_limit(dtype)
        self.places = torch.arange(config.rows, device=device)
        self._samplers: list[Sampler | None] = [None] * slots
        self._attention: dict[int, TextAttention] = {}
        self._has_unconditional = False
        self._in_use: _InUse | None = None
        self._writer = None if config.fixed or device.type != "cpu" else self._row_writer(model)
        if config.fixed:
            assert config.sampler is not None
            every = torch.arange(slots, device=device)
            self._in_use = _InUse(tuple(range(slots)), every, config.halves, ((config.sampler, None),), None)

    def _row_writer(self, model: Any) -> RowWriter | None:
        """The kernel that chooses and writes rows, on the state of this step."""
        size = model.config.get_text_config().vocab_size
        if not supports(size) or (library := load_writer()) is None:
            return None
        names = "ids", "forced", "ended", "finite", "row", "live", "last_end", "first_row", "keys", "delays"
        numbers = self.numbers
        settings = {"guidance": numbers.guidance, "temperature": numbers.temperature, "excluded": numbers.excluded}
        state = {name: getattr(self, name) for name in names} | settings | {"shortest": numbers.rows}
        channels, config = len(self.config.pattern), self.config
        sizes = {"channels": channels, "rows": config.rows, "size": size, "eos": config.eos, "pad": config.pad}
        return RowWriter(state, sizes, library)

    def refresh(self) -> None:
        """Copy what depends on the model's weights, which training may have changed. For a step without clips."""
        self._has_unconditional = False
        if self.network is None:
            for layer in self.layers:
                layer.refresh()

    def join(self, slot: int, start: Start, with_attention: bool = False) -> None:
        """Place a clip in a free slot. `begin` writes its first row if the model has computed its logits.

        Args:
            slot: a free one.
            start: the clip.
            with_attention: keep what its rows attend to in the text, if the step computes it, for `text_attention`.
        """
        if self.config.fixed:
            for layer in self.layers:
                layer.clear(slot)
        for layer, text in zip(self.layers, start.text, strict=True):
            layer.load_text(slot, *text)
        if start.logits is not None:
            for layer, own in zip(self.layers, start.own, strict=True):
                layer.load(slot, *own)
        if start.unconditional and not self._has_unconditional:
            for layer, (_, value) in zip(self.layers, start.unconditional, strict=True):
                layer.load_unconditional(value)
            self._has_unconditional = True
        rows = start.forced.shape[1]
        for grid in (self.ids, self.forced):
            grid[slot].fill_(self.config.pad)[:, :rows] = start.forced
        self.ended[slot] = False
        end = last_end(start.max_rows, start.prefilled, max(self.config.pattern))
        numbers = start.prefilled, 1, end, start.prefilled, start.offset, start.key
        state = self.row, self.live, self.last_end, self.first_row, self.offset, self.keys
        for tensor, number in zip(state, numbers, strict=True):
            tensor[slot] = number
        self.numbers.set(slot, start.sampler)
        if self.text_limit is not None:
            length = start.text[0][0].shape[1]
            if self.attentions.text.counted:
                self.text_limit[slot] = length
            else:
                self.text_limit[slot].fill_(float("-inf"))[..., :length] = 0.0
        self.written[slot], self.limits[slot] = start.prefilled, start.max_rows
        self._samplers[slot] = start.sampler.kind
        if with_attention and self.network is not None and start.prefilled == 1:
            self._attention[slot] = TextAttention(self.network.text_heads, start.text[0][0].shape[1])
        self._changed()

    def leave(self, slot: int) -> None:
        """Free a slot. Copy its grid before: a step that computes all slots goes on writing to one row of it."""
        self.live[slot] = 0
        self.row[slot] = 1  # its last row may be the last that there is room for
        self.ended[slot] = True
        self.written[slot] = self.limits[slot] = 0
        self._samplers[slot] = None
        self._attention.pop(slot, None)
        for layer in self.layers:
            layer.texts[slot] = None
        self._changed()

    def clear(self) -> None:
        """Free all slots."""
        for slot, sampler in enumerate(self._samplers):
            if sampler is not None:
                self.leave(slot)

    def _changed(self) -> None:
        if not self.config.fixed:
            self._in_use = None

    @property
    def in_use(self) -> _InUse:
        """The slots that the step computes."""
        if self._in_use is None:
            slots = [slot for slot, sampler in enumerate(self._samplers) if sampler]
            if self.network is not None:
                self.network.use(slots, [[layer.text_of(slot) for slot in slots] for layer in self.layers])
            self._in_use = self._used(slots)
        return self._in_use

    def _used(self, slots: Sequence[int]) -> _InUse:
        device, kinds = self.ids.device, [self._samplers[slot] for slot in slots]
        draws = tuple(
            (kind, None if kinds.count(kind) == len(kinds) else torch.tensor(places, device=device))
            for kind in dict.fromkeys(kinds)
            if kind is not None
            for places in [[place for place, other in enumerate(kinds) if other == kind]]
        )
        guided = any(kind is not None and kind.guidance is not None for kind in kinds)
        for_writer = None
        if self._writer is not None:
            for_writer = slots_of(slots), kinds_of([kind_of(kind) for kind in kinds if kind is not None])
        return _InUse(tuple(slots), torch.tensor(slots, device=device), 2 if guided else 1, draws, for_writer)

    def computed(self, layer: int, slot: int, rows: int) -> tuple[Tensor, Tensor]:
        """Keys and values that a layer has computed for the first rows of a slot, [halves, G, rows, D]."""
        kept = self.layers[layer]
        return kept.keys[slot, :, :, :rows], kept.values[slot, :, :, :rows]

    def last_rows(self, slots: Sequence[int]) -> tuple[Sequence[Tensor], list[bool], list[bool]]:
        """The last row of each of some slots [1, C] on the CPU, whether it has ended, and whether it is finite."""
        at = torch.tensor(slots, device=self.ids.device)
        rows = self.ids[at, :, self.row[at] - 1].cpu()
        return rows.split(1), self.ended[at].all(1).tolist(), self.finite[at].tolist()

    def text_attention(self, slot: int) -> Tensor | None:
        """What the rows of a clip attended to in its text, float32 [R, layers · heads, S].

        None unless it was asked for, and in a step that does not compute it.
        """
        kept = self._attention.get(slot)
        return None if kept is None else kept.rows()

    def begin(self, slots: Sequence[int], starts: Sequence[Start]) -> None:
        """Write the first row of clips in slots from the logits that the model has computed."""
        logits = torch.stack([start.logits for start in starts if start.logits is not None])  # [B, halves, C · V]
        self._write(logits, self._used(slots))
        for slot in slots:
            self.written[slot] += 1

    def __call__(self, span: int = 0) -> None:
        """Decode the last row of each slot in use and write the next one.

        Args:
            span: one of `spans`, not below the number of rows of any slot.
        """
        used = self.in_use
        last = self.row[used.at] - 1
        hidden_states = self.embed(self.ids[used.at, :, last][:, None])[:, 0]  # [B, E]
        if self.network is not None:
            logits = self._run_network(self.network, hidden_states, used, last)
        else:
            logits = self._run_layers(hidden_states, used, last, span)
        self._write(logits.unflatten(0, (len(last), used.halves)), used)

    def _run_network(self, network: Network, embedded: Tensor, used: _InUse, last: Tensor) -> Tensor:
        """The logits of the rows, [N, C · V], by one kernel."""
        lengths, kept = [self.written[slot] for slot in used.slots], map(self._attention.get, used.slots)
        attention = [None if one is None else one.next_row() for one in kept] if self._attention else None
        return network(embedded, self.rotary[last + self.offset[used.at]], lengths, used.halves, attention)

    def _run_layers(self, hidden_states: Tensor, used: _InUse, last: Tensor, span: int) -> Tensor:
        """The logits of the rows, [N, C · V], layer by layer."""
        hidden_states = hidden_states.repeat_interleave(used.halves, dim=0)
        count = len(hidden_states)
        if self.blocks:
            hidden_states = padded(hidden_states, blocked(count, hidden_states))
        rows = self._rows(used, last, span)
        for layer in self.layers:
            hidden_states = layer(hidden_states, rows)
        return self.head(self.norm(hidden_states))[:count].float()

    def advanced(self) -> None:
        """Count the rows that a step has written. Not part of the step, which may be recorded."""
        for slot, sampler in enumerate(self._samplers):
            if sampler is not None:
                self.written[slot] += 1

    def _rows(self, used: _InUse, last: Tensor, span: int) -> StepRows:
        cells = (self.cells[used.at, : used.halves] + last[:, None, None]).flatten()
        turns = self.rotary[last + self.offset[used.at]]  # [B, 2, D]
        angles = turns.repeat_interleave(used.halves, dim=0)[:, :, None]
        limit = lengths = None
        if self.config.fixed:
            limit = self._limit(last, span).repeat_interleave(used.halves, dim=0)
        else:
            lengths = [(slot, self.written[slot]) for slot in used.slots]
        pair = angles[:, 0], angles[:, 1]
        return StepRows(len(last), used.halves, cells, pair, turns, lengths, limit, self.text_limit, span, self.blocks)

    def _limit(self, last: Tensor, span: int) -> Tensor:
        """What hides the rows behind the last one of each slot: their number [B], or a mask [B, 1, 1, span]."""
        if self.attentions.rows.counted:
            return (last + 1).int()
        hidden = self.places[:span] > last[:, None]
        mask = torch.zeros_like(hidden, dtype=self.rotary.dtype).masked_fill(hidden, float("-inf"))
        return mask[:, None, None]

    def _new_text_limit(self, dtype: torch.dtype) -> Tensor | None:
        slots, text, device = self.config.slots, self.config.text, self.ids.device
        if text is None:
            return None
        if self.attentions.text.counted:
            return torch.ones(slots, dtype=torch.int32, device=device)
        return torch.zeros(slots, 1, 1, text, dtype=dtype, device=device)

    @property
    def spans(self) -> tuple[int, ...]:
        """The numbers of rows that the step can attend to, the smallest first. Each is recorded or compiled."""
        if not self.config.fixed or self.attentions.rows.counted:
            return (self.config.rows,)
        return spans_of(self.config.rows)

    @property
    def span(self) -> int:
        """The span of the next row."""
        return next(span for span in self.spans if span >= max(self.written))

    @property
    def nbytes(self) -> int:
        """Bytes of the step's own tensors: keys, values, grids and tables. Weights are the model's."""
        own = [tensor for tensor in vars(self).values() if isinstance(tensor, Tensor)]
        kept = [tensor for layer in self.layers for tensor in layer.buffers]
        return sum(tensor.nbytes for tensor in (*own, *kept))

    def _write(self, logits: Tensor, used: _InUse) -> None:
        """Choose the next row from logits [B, halves, C · V] and write it: delayed EOS, PAD after EOS, the prompt."""
        if self._writer is not None and used.written is not None:
            self._writer(logits, *used.written)
            return
        at, eos, pad = used.at, self.config.eos, self.config.pad
        logits = logits.unflatten(-1, (len(self.config.pattern), -1))
        row = self.row[at]
        picked = self._draw(logits, used, row - self.first_row[at])
        before = row[:, None] - self.delays  # [B, C]
        due = (self.ids[at[:, None], 0, before.clamp(min=0)] == eos) & (before >= 0)
        now = (picked[:, :1] == eos) | (row >= self.last_end[at])[:, None]
        picked = picked.masked_fill(torch.where(self.delays == 0, now, due), eos)
        ended = self.ended[at]
        forced = self.forced[at, :, row]
        drawn = torch.where(forced == pad, picked.masked_fill(ended, pad), forced)
        self.ids[at, :, row] = drawn
        self.ended[at] = ended | (drawn == eos)
        self.row[at] = row + self.live[at]
        sums = logits.sum((2, 3))  # [B, halves]
        guided = self.numbers.guidance[at, 0, 0] != 0  # the other half of unguided clips is not read
        self.finite[at] = sums[:, 0].isfinite() & (sums[:, -1].isfinite() | ~guided)

    def _draw(self, logits: Tensor, used: _InUse, row: Tensor) -> Tensor:
        """Ids [B, C] from logits [B, halves, C, V] and the number of rows drawn before."""
        numbers, keys = self.numbers[used.at], self.keys[used.at]
        if len(used.draws) == 1:
            return used.draws[0][0](logits, numbers, keys, row)
        picked = logits.new_empty(len(row), len(self.config.pattern), dtype=torch.long)
        for sampler, places in used.draws:
            assert places is not None
            picked[places] = sampler(logits[places], numbers[places], keys[places], row[places])
        return picked


def _attentions(decoder: Any, device: torch.device, dtype: torch.dtype, eager: bool) -> Attentions:
    own = decoder.num_attention_heads, decoder.num_key_value_heads, decoder.head_dim
    text = decoder.cross_num_attention_heads, decoder.cross_num_key_value_heads, decoder.cross_head_dim
    return Attentions(attention_for_rows(device, dtype, own), attention_for_text(device, dtype, text, eager))


__all__ = ["Step"]
