"""The fast decoder step: reads one row, chooses the next and writes it, on static tensors and without host syncs.

The model itself computes the keys and values of the prompt. On a GPU the step is recorded as a CUDA graph once for
every span of rows and replayed. Recorded and compiled steps are cached for later calls with the same shapes.

Shapes: B clips, N rows of the network (B, under guidance 2B), R grid rows, C channels, V ids of each, S text length.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers.cache_utils import Cache, EncoderDecoderCache
from transformers.generation.streamers import BaseStreamer

from dia.decoding.cache import fill
from dia.decoding.decode_config import DecodeConfig, span_of
from dia.decoding.delay import last_end
from dia.decoding.inputs import Grid
from dia.decoding.static_layer import FastLayer, linear_of, norm_of, signed
from dia.decoding.streamers import emit
from dia.quantization.linear import QuantizedLinear
from dia.runtime.log import get_logger

logger = get_logger(__name__)

_ROWS_PER_END_CHECK = 8  # on a GPU
_RECOMPILE_LIMIT = 1 << 16  # compiled versions of one function
_CACHED_RUNNERS = 4  # per model; each holds its keys and values
_STATELESS_PACKAGES = ("dia", "torch", "transformers")  # the output of their modules depends on their weights only
_recording = threading.Lock()  # held while a graph is recorded


class Step:
    """Computes the next row of every clip. The config is fixed, and all state is in static tensors."""

    def __init__(self, model: Any, config: DecodeConfig) -> None:
        decoder, device, dtype = model.model.decoder, model.device, model.dtype
        batch, channels, eager = config.clips * config.halves, len(config.pattern), config.compiled is None
        self.config = config
        self.embed, self.norm, self.head = (
            decoder.embeddings,
            norm_of(decoder.norm, eager),
            linear_of(model.logits_dense, eager),
        )
        sizes = (batch, config.rows), (config.clips, config.text)
        new = torch.zeros if config.reusable else torch.empty
        self.layers = [FastLayer(layer, *sizes, dtype, eager, new) for layer in decoder.layers]
        positions, like = torch.arange(config.rows, device=device)[None], torch.empty(0, dtype=dtype, device=device)
        self.rotary = signed(*(part[0] for part in decoder.rotary_emb(like, positions)))  # [R, 2, D]
        self.delays = torch.tensor(config.pattern, device=device)
        self.ids = torch.full((config.clips * channels, config.rows), config.pad, device=device)
        self.forced = self.ids.clone()
        self.ended = torch.ones(config.clips * channels, dtype=torch.bool, device=device)
        self.row, self.last_end = torch.zeros(2, 1, dtype=torch.long, device=device)  # the next row; the last for EOS
        self.first_row = torch.zeros_like(self.row)  # the first row that is drawn
        self.keys = torch.zeros(config.clips, dtype=torch.long, device=device)
        self.mask = torch.zeros(batch, 1, 1, config.rows, dtype=dtype, device=device) if config.masked else None
        self.text_mask = (
            torch.zeros(config.clips, 1, 1, config.text, dtype=dtype, device=device) if config.text_masked else None
        )

    def load(
        self, grid: Grid, cache: EncoderDecoderCache, text_mask: Tensor | None, max_rows: int, keys: Tensor | None
    ) -> None:
        """Start a call: copy its grid, and the keys and values of the prompt and the text.

        Args:
            grid: the grid from `start_grid`.
            cache: the cache that the model has filled.
            text_mask: [n, S], 0 for padding; None if nothing is padded. The unconditional half is not read.
            max_rows: length limit of the grid.
            keys: of the clips' noise, [n]; None for greedy search.
        """
        pairs = zip(cache.self_attention_cache.layers, cache.cross_attention_cache.layers, strict=True)
        for layer, (own, text) in zip(self.layers, pairs, strict=True):
            if self.config.reusable:
                layer.clear()
            layer.load(own, text, self._place, self.config.guided)
        _copy_to_corner(self.ids.fill_(self.config.pad), grid.ids)
        _copy_to_corner(self.forced.fill_(self.config.pad), grid.forced)
        self.ended.fill_(True)[: len(grid.ids)] = False
        self.row.fill_(grid.prefilled)
        self.first_row.fill_(grid.prefilled)
        if keys is not None:
            self.keys[: len(keys)] = keys
        self.last_end.fill_(last_end(max_rows, grid.prefilled, max(self.config.pattern)))
        batch = len(grid.ids) // grid.channels * self.config.halves
        if self.mask is not None:
            seen = None if grid.mask is None else grid.mask[:, : grid.prefilled].repeat(self.config.halves, 1)
            self._hide(self.mask, self.row.new_ones(batch, grid.prefilled) if seen is None else seen, self._place)
        if self.text_mask is not None:
            clips, length = batch // self.config.halves, cache.cross_attention_cache.get_seq_length()
            read = self.row.new_ones(clips, length) if text_mask is None else text_mask[:clips]
            self._hide(self.text_mask, read, _copy_to_corner)

    def save(self, cache: EncoderDecoderCache, text: Cache, clips: int, rows: int) -> None:
        """Copy the keys and values of the call's rows, and those of its text, to an empty cache."""
        for index, (layer, read) in enumerate(zip(self.layers, text.layers, strict=True)):
            own = self._of(layer.keys, clips, rows), self._of(layer.values, clips, rows)
            fill(cache, index, own, (read.keys, read.values))

    def _of(self, buffer: Tensor, clips: int, length: int) -> Tensor:
        """The part [n, G, length, D] of keys or values that belongs to the call's clips."""
        return torch.cat([half[:clips, :, :length] for half in buffer.chunk(self.config.halves)])

    def begin(self, logits: Tensor) -> None:
        """Write the first row from logits [n, C · V] that the model has computed."""
        padded = logits.new_zeros(self.config.clips * self.config.halves, logits.shape[1])
        self._place(padded, logits)
        self._write(padded)

    def __call__(self, span: int) -> None:
        """Decode the last row and write the next one, attending to the first `span` rows."""
        last = self.row - 1
        last_ids = self.ids.index_select(1, last).view(-1, 1, len(self.config.pattern))  # [B, 1, C]
        hidden_states = self.embed(last_ids)[:, 0].repeat(self.config.halves, 1)  # [N, E]
        position_embeddings, mask = self.rotary.index_select(0, last).unbind(1), None
        if self.mask is not None:
            mask = self.mask.index_fill_(3, last, 0.0)[..., :span]
        for layer in self.layers:
            hidden_states = layer(hidden_states, position_embeddings, last, span, mask, self.text_mask)
        self._write(self.head(self.norm(hidden_states)))

    def _write(self, logits: Tensor) -> None:
        """Choose the next row from logits [N, C · V] and write it, with delayed EOS, PAD after EOS, and the prompt."""
        config, eos = self.config, self.config.sampler.eos
        scores = logits.float().unflatten(-1, (len(config.pattern), -1))
        picked = config.sampler(scores, self.keys, self.row - self.first_row)  # [B, C]
        leader = self.ids.view(config.clips, -1, config.rows)[:, 0]  # [B, R]
        before = self.row - self.delays
        due = (leader.index_select(1, before.clamp(min=0)) == eos) & (before >= 0)
        now = (picked[:, :1] == eos) | (self.row >= self.last_end)
        picked = picked.masked_fill(torch.where(self.delays == 0, now, due), eos)
        drawn = picked.view(-1).masked_fill(self.ended, config.pad)
        forced = self.forced.index_select(1, self.row)[:, 0]
        drawn = torch.where(forced == config.pad, drawn, forced)
        self.ids.index_copy_(1, self.row, drawn[:, None])
        self.ended.logical_or_(drawn == eos)
        self.row.add_(1)

    def _place(self, buffer: Tensor, given: Tensor) -> None:
        """Copy values of the call's clips to a buffer that may be larger in clips, rows and text."""
        for part, half in zip(buffer.chunk(self.config.halves), given.chunk(self.config.halves), strict=True):
            _copy_to_corner(part, half)

    def _hide(self, buffer: Tensor, mask: Tensor, place: Callable[[Tensor, Tensor], None]) -> None:
        """Fill an additive mask [N, 1, 1, …] from a mask of ones and zeros [n, …]. Positions beyond it are hidden."""
        # Unused and fully masked clips attend to everything, because some devices return NaN for empty rows.
        buffer.zero_()[..., mask.shape[1] :] = float("-inf")
        hidden = (mask == 0) & (mask != 0).any(1, keepdim=True)
        place(buffer, torch.zeros_like(mask, dtype=buffer.dtype).masked_fill(hidden, float("-inf"))[:, None, None])


class GraphRunner:
    """Runs a step eagerly, compiled, or as a recorded CUDA graph. All three write the same rows."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self._run: Callable[[int], None] = step if step.config.compiled is None else self._compile()
        self._ready: dict[int, Callable[[], None]] = {}

    def _compile(self) -> Callable[[int], None]:
        compiled: Callable[[int], None] = torch.compile(self.step.__call__, **dict(self.step.config.compiled or ()))
        return compiled

    def __call__(self, row: int) -> None:
        """Write row `row`."""
        if not self.step.config.reusable:
            return self._run(row)
        span = span_of(row)
        if span not in self._ready:
            self._ready[span] = self._prepared(span)
        return self._ready[span]()

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
    logits: Tensor,
    max_rows: int,
    over: Callable[[Tensor], bool],
    streamer: BaseStreamer | None,
) -> int:
    """Write rows until every channel has ended.

    Args:
        runner: a runner whose step has loaded the call.
        grid: the grid to write to.
        logits: logits of the first row, [N, C · V].
        max_rows: length limit of the grid.
        over: returns whether a tensor is all true, possibly late.
        streamer: receives every row [B, C], and stops the loop when it is closed.

    Returns:
        The number of rows in the grid.
    """
    step, flat, row = runner.step, len(grid.ids), grid.prefilled
    rows_per_check = _ROWS_PER_END_CHECK if grid.ids.is_cuda and streamer is None else 1
    while row < max_rows:
        if row == grid.prefilled:
            step.begin(logits)
        else:
            runner(row)
        row += 1
        if not emit(streamer, step.ids[:flat, row - 1].view(-1, grid.channels)):
            break
        if row % rows_per_check == 0 and over(step.ended):
            break
    grid.ids[:, :row] = step.ids[:flat, :row]
    return grid.written(row)


def _first_line(error: Exception) -> str:
    """The first line of an error, as a str: `warning_once` would keep the error itself alive, with its frames."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def _copy_to_corner(buffer: Tensor, given: Tensor) -> None:
    buffer[tuple(slice(size) for size in given.shape)] = given


__all__ = ["GraphRunner", "Step", "runner_for", "write_rows"]
