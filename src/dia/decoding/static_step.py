"""The fast decoder step: reads one row, chooses the next and writes it, on static tensors and without host syncs.

A clip has a slot with its own row, text, sampler and noise. It joins and leaves between two steps. The model itself
computes the keys and values of the prompt. On a GPU the step is recorded as a CUDA graph once for every span of rows
and replayed. Recorded and compiled steps are cached for later calls with the same shapes.

Shapes: B clips, N rows of the network (B, under guidance 2B), R grid rows, C channels, V ids of each, S text length,
G key heads, D head width.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers.generation.streamers import BaseStreamer

from dia.decoding.decode_config import DecodeConfig, span_of
from dia.decoding.delay import last_end
from dia.decoding.fused_sampling import Numbers, Sampler
from dia.decoding.inputs import Grid
from dia.decoding.prefill import Start
from dia.decoding.static_layer import FastLayer, StepRows, blocked, linear_of, norm_of, padded, signed
from dia.decoding.streamers import emit
from dia.quantization.linear import QuantizedLinear
from dia.runtime.log import get_logger

logger = get_logger(__name__)

_ROWS_PER_END_CHECK = 8  # on a GPU
_RECOMPILE_LIMIT = 1 << 16  # compiled versions of one function
_CACHED_RUNNERS = 4  # per model; each holds its keys and values
_STATELESS_PACKAGES = ("dia", "torch", "transformers")  # the output of their modules depends on their weights only
_recording = threading.Lock()  # held while a graph is recorded


@dataclass(frozen=True)
class _InUse:
    """The slots that a step computes."""

    slots: tuple[int, ...]
    at: Tensor  # the same, [B]
    halves: int
    draws: tuple[tuple[Sampler, Tensor | None], ...]  # kinds of samplers, and the places of their slots in `slots`


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
        new = torch.zeros if config.fixed else torch.empty
        sizes = (slots, config.halves), config.rows, config.text
        self.layers = [FastLayer(layer, *sizes, dtype, eager, new) for layer in decoder.layers]
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
        self.text_mask = (
            None if config.text is None else torch.zeros(slots, 1, 1, config.text, dtype=dtype, device=device)
        )
        self.places = torch.arange(config.rows, device=device)
        self._samplers: list[Sampler | None] = [None] * slots
        self._has_unconditional = False
        self._in_use: _InUse | None = None
        if config.fixed:
            assert config.sampler is not None
            self._in_use = _InUse(
                tuple(range(slots)), torch.arange(slots, device=device), config.halves, ((config.sampler, None),)
            )

    def refresh(self) -> None:
        """Copy what depends on the model's weights, which training may have changed. For a step without clips."""
        self._has_unconditional = False
        for layer in self.layers:
            layer.refresh()

    def join(self, slot: int, start: Start) -> None:
        """Place a clip in a free slot. `begin` writes its first row."""
        if self.config.fixed:
            for layer in self.layers:
                layer.clear(slot)
        for layer, own, text in zip(self.layers, start.own, start.text, strict=True):
            layer.load(slot, own, text)
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
        if self.text_mask is not None:
            self.text_mask[slot].fill_(float("-inf"))[..., : start.text[0][0].shape[1]] = 0.0
        self.written[slot], self.limits[slot] = start.prefilled, start.max_rows
        self._samplers[slot] = start.sampler.kind
        self._changed()

    def leave(self, slot: int) -> None:
        """Free a slot. Its grid stays until another clip joins."""
        self.live[slot] = 0
        self.ended[slot] = True
        self._samplers[slot] = None
        for layer in self.layers:
            layer.texts[slot] = None
        self._changed()

    def _changed(self) -> None:
        if not self.config.fixed:
            self._in_use = None

    @property
    def in_use(self) -> _InUse:
        """The slots that the step computes."""
        if self._in_use is None:
            self._in_use = self._used([slot for slot, sampler in enumerate(self._samplers) if sampler])
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
        return _InUse(tuple(slots), torch.tensor(slots, device=device), 2 if guided else 1, draws)

    def computed(self, layer: int, slot: int, rows: int) -> tuple[Tensor, Tensor]:
        """Keys and values that a layer has computed for the first rows of a slot, [halves, G, rows, D]."""
        kept = self.layers[layer]
        return kept.keys[slot, :, :, :rows], kept.values[slot, :, :, :rows]

    def begin(self, slots: Sequence[int], logits: Tensor) -> None:
        """Write the first row of slots from logits [B, halves, C · V] that the model has computed."""
        used = self._used(slots)
        self._write(logits.unflatten(-1, (len(self.config.pattern), -1)), used)
        for slot in slots:
            self.written[slot] += 1

    def __call__(self, span: int = 0) -> None:
        """Decode the last row of each slot in use and write the next one. `span` rows are attended to under masks."""
        used, config = self.in_use, self.config
        last = self.row[used.at] - 1
        hidden_states = self.embed(self.ids[used.at, :, last][:, None])[:, 0]  # [B, E]
        hidden_states = hidden_states.repeat_interleave(used.halves, dim=0)
        count = len(hidden_states)
        hidden_states = padded(hidden_states, blocked(count, hidden_states))
        rows = self._rows(used, last, span)
        for layer in self.layers:
            hidden_states = layer(hidden_states, rows)
        logits = self.head(self.norm(hidden_states))[:count]
        self._write(logits.float().view(len(last), used.halves, len(config.pattern), -1), used)

    def advanced(self) -> None:
        """Count the rows that a step has written. Not part of the step, which may be recorded."""
        for slot, sampler in enumerate(self._samplers):
            if sampler is not None:
                self.written[slot] += 1

    def _rows(self, used: _InUse, last: Tensor, span: int) -> StepRows:
        cells = (self.cells[used.at, : used.halves] + last[:, None, None]).flatten()
        angles = self.rotary[last + self.offset[used.at]].repeat_interleave(used.halves, dim=0)[:, :, None]
        mask = lengths = None
        if self.config.fixed:
            hidden = self.places[:span] > last[:, None]
            mask = torch.zeros_like(hidden, dtype=self.rotary.dtype).masked_fill(hidden, float("-inf"))
            mask = mask.repeat_interleave(used.halves, dim=0)[:, None, None]
        else:
            lengths = [(slot, self.written[slot]) for slot in used.slots]
        pair = angles[:, 0], angles[:, 1]
        return StepRows(len(last), used.halves, cells, pair, lengths, mask, self.text_mask, span)

    def _write(self, logits: Tensor, used: _InUse) -> None:
        """Choose the next row from logits [B, halves, C, V] and write it: delayed EOS, PAD after EOS, the prompt."""
        at, eos, pad = used.at, self.config.eos, self.config.pad
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
        self.finite[at] = logits[:, 0].sum((1, 2)).isfinite()

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


class GraphRunner:
    """Runs a step eagerly, compiled, or as a recorded CUDA graph. All three write the same rows."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self._run: Callable[[int], None] = step if step.config.compiled is None else self._compile()
        self._ready: dict[int, Callable[[], None]] = {}

    def _compile(self) -> Callable[[int], None]:
        compiled: Callable[[int], None] = torch.compile(self.step.__call__, **dict(self.step.config.compiled or ()))
        return compiled

    def __call__(self) -> None:
        """Write the next row of every slot in use."""
        step = self.step
        if step.config.reusable:
            span = span_of(max(step.written))
            if span not in self._ready:
                self._ready[span] = self._prepared(span)
            self._ready[span]()
        else:
            self._run(max(step.written))
        step.advanced()

    def _prepared(self, span: int) -> Callable[[], None]:
        """The step for one span. Preparing runs the step, so its state is restored after each run."""
        self._warm_up(span)
        if self.step.config.recorded:
            try:
                return self._record(span)
            except RuntimeError as error:  # a host sync, or not enough memory
                logger.warning_once(f"CUDA graph recording failed, so the step runs eagerly: {_first_line(error)}")
        return lambda: self._run(span)

    def _record(self, span: int) -> Callable[[], None]:
        device = self.step.ids.device
        # A failed recording would leave its own stream as the current stream.
        with _recording, torch.cuda.device(device), torch.cuda.stream(torch.cuda.current_stream(device)):
            stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                self._warm_up(span)
            torch.cuda.current_stream().wait_stream(stream)
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                self._run(span)
        return graph.replay

    def _warm_up(self, span: int) -> None:
        state = self.step.ids, self.step.ended, self.step.row
        saved = [tensor.clone() for tensor in state]
        try:
            with nullcontext() if self._run is self.step else _raised_recompile_limit():
                self._run(span)
        except Exception as error:  # compilers have no common error class
            if self._run is self.step:
                raise
            logger.warning_once(f"torch.compile failed, so the step runs eagerly: {_first_line(error)}")
            self._run = self.step
        for tensor, value in zip(state, saved, strict=True):
            tensor.copy_(value)


def _raised_recompile_limit() -> AbstractContextManager[Any]:
    """Every span of every cached step is a recompilation of one function. By default torch stops after eight."""
    config: Any = torch._dynamo.config
    limits = dict.fromkeys(("recompile_limit", "accumulated_recompile_limit"), _RECOMPILE_LIMIT)
    raised: AbstractContextManager[Any] = config.patch(**limits)
    return raised


# For each model, pairs of `_weights_key` and a runner that is not in use, the latest last.
_runners: WeakKeyDictionary[Any, list[tuple[Any, GraphRunner]]] = WeakKeyDictionary()
_runners_lock = threading.Lock()


@contextmanager
def runner_for(model: Any, config: DecodeConfig) -> Iterator[GraphRunner]:
    """A runner for the exclusive use of one call. Reusable runners are cached until the weights change."""
    config = config.rounded()
    if not config.reusable or not _is_cacheable(model):
        yield GraphRunner(Step(model, config))
        return
    weights = _weights_key(model)
    with _runners_lock:
        idle = _runners.setdefault(model, [])
        idle[:] = [one for one in idle if one[0] == weights]  # drop runners of former weights, which hold memory
        found = next((index for index, one in enumerate(idle) if one[1].step.config == config), None)
        runner = None if found is None else idle.pop(found)[1]
    runner = runner or _new_runner(model, config, idle)
    yield runner
    with _runners_lock:
        idle.append((weights, runner))
        del idle[:-_CACHED_RUNNERS]


def _new_runner(model: Any, config: DecodeConfig, idle: list[tuple[Any, GraphRunner]]) -> GraphRunner:
    # Tensors created in inference mode cannot be written to outside of it, by a later call.
    with torch.inference_mode(False), torch.no_grad():
        try:
            return GraphRunner(Step(model, config))
        except torch.OutOfMemoryError:
            if not idle:
                raise
        with _runners_lock:
            idle.clear()
        return GraphRunner(Step(model, config))


def _is_cacheable(model: Any) -> bool:
    """Whether `_weights_key` detects all changes. It misses switched adapters and replaced packed tensors."""
    modules = [*model.model.decoder.modules(), model.logits_dense]
    stateless = all(type(module).__module__.partition(".")[0] in _STATELESS_PACKAGES for module in modules)
    return stateless and all(type(weight) is torch.nn.Parameter for weight in model.parameters())


def _weights_key(model: Any) -> Any:
    """The addresses of the weights. A step for other addresses would read freed memory."""
    kernels = [module._kernel for module in model.modules() if isinstance(module, QuantizedLinear)]
    return [(weight.data_ptr(), weight.dtype, weight.shape) for weight in model.parameters()], kernels


def write_rows(
    runner: GraphRunner,
    grid: Grid,
    starts: Sequence[Start],
    logits: Tensor,
    over: Callable[[Tensor], bool],
    streamer: BaseStreamer | None,
    stay: bool = False,
) -> int:
    """Write rows until every channel has ended.

    Args:
        runner: a runner whose step is free.
        grid: the grid to write to.
        starts: the clips of the grid, without padding on the left.
        logits: logits of the first row, [B, halves, C · V].
        over: returns whether a tensor is all true, possibly late.
        streamer: receives every row [B, C], and stops the loop when it is closed.
        stay: compute clips that have ended like the others, because their keys are wanted.

    Returns:
        The number of rows in the grid.
    """
    step, row, clips = runner.step, grid.prefilled, list(range(len(starts)))
    max_rows = row + starts[0].max_rows - starts[0].prefilled
    first = torch.tensor([start.prefilled - grid.prefilled for start in starts], device=grid.ids.device)
    at = torch.arange(len(starts), device=grid.ids.device)
    rows_per_check = _ROWS_PER_END_CHECK if grid.ids.is_cuda and streamer is None else 1
    for slot, start in enumerate(starts):
        step.join(slot, start)
    while row < max_rows:
        if row == grid.prefilled:
            step.begin(clips, logits)
        else:
            runner()
        row += 1
        if streamer is not None and not emit(streamer, step.ids[at, :, first + row - 1]):
            break
        if row % rows_per_check == 0 and (over(step.ended[clips]) if stay else _all_ended(step, clips, over)):
            break
    cells = grid.ids.unflatten(0, (-1, grid.channels))
    for slot, start in enumerate(starts):
        padding = grid.prefilled - start.prefilled
        cells[slot, :, padding:row] = step.ids[slot, :, : row - padding]
    return grid.written(row)


def _all_ended(step: Step, clips: list[int], over: Callable[[Tensor], bool]) -> bool:
    """Whether all clips have ended. Those that have ended leave a step that does not compute all slots anyway."""
    if step.config.fixed:
        return over(step.ended)
    for slot, ended in zip(tuple(clips), step.ended[clips].all(1).tolist(), strict=True):
        if ended:
            step.leave(slot)
            clips.remove(slot)
    return not clips


def _first_line(error: Exception) -> str:
    """The first line of an error, as a str: `warning_once` would keep the error itself alive, with its frames."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


__all__ = ["GraphRunner", "Step", "runner_for", "write_rows"]
