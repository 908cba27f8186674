"""The decoder step over tensors of fixed shape: one row read, the next one chosen and written, the host asked nothing.

Receives a model, and what the model itself has computed of the rows before the first chosen one. On a GPU the step is
recorded once for every span of rows and replayed. Recorded and compiled steps are kept for calls of the same shapes.

Shapes: B clips, N rows of the network (B, under guidance 2B), R grid rows, C channels, V ids of each, S text length.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers.cache_utils import EncoderDecoderCache
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

_LOOKS = 8  # rows between two looks at the end on a GPU
_VERSIONS = 1 << 16  # of one function, compiled
_KEPT = 4  # steps that are kept for later calls; each holds its keys and values
_OF_OUR_KIND = ("dia", "torch", "transformers")  # packages whose modules do not change but by their weights
_recording = threading.Lock()  # meanwhile nobody else may record, or draw from the device's own generator


class Step:
    """The next row of every clip. What is decided once is in the config; what moves are tensors that stay put."""

    def __init__(self, model: Any, config: DecodeConfig) -> None:
        decoder, device, dtype = model.model.decoder, model.device, model.dtype
        batch, channels, eager = config.clips * config.halves, len(config.pattern), config.compiled is None
        self.config = config
        self.embed, self.norm, self.head = (
            decoder.embeddings,
            norm_of(decoder.norm, eager),
            linear_of(model.logits_dense, eager),
        )
        size = batch, config.rows, config.text, dtype, eager, torch.zeros if config.fixed else torch.empty
        self.layers = [FastLayer(layer, *size) for layer in decoder.layers]
        positions, like = torch.arange(config.rows, device=device)[None], torch.empty(0, dtype=dtype, device=device)
        self.rotary = signed(*(part[0] for part in decoder.rotary_emb(like, positions)))  # [R, 2, D]
        self.delays = torch.tensor(config.pattern, device=device)
        self.ids = torch.full((config.clips * channels, config.rows), config.pad, device=device)
        self.forced = self.ids.clone()
        self.ended = torch.ones(config.clips * channels, dtype=torch.bool, device=device)
        self.row, self.last_end = torch.zeros(2, 1, dtype=torch.long, device=device)  # the next row; the last for EOS
        self.noise = torch.ones(config.clips * channels, model.config.get_text_config().vocab_size, device=device)
        self.mask = torch.zeros(batch, 1, 1, config.rows, dtype=dtype, device=device) if config.masked else None
        self.text_mask = (
            torch.zeros(batch, 1, 1, config.text, dtype=dtype, device=device) if config.text_masked else None
        )

    def load(self, grid: Grid, cache: EncoderDecoderCache, text_mask: Tensor | None, max_rows: int) -> None:
        """Begin a call: its grid, and keys and values of the rows and the text that the model has read."""
        pairs = zip(cache.self_attention_cache.layers, cache.cross_attention_cache.layers, strict=True)
        for layer, (own, text) in zip(self.layers, pairs, strict=True):
            if self.config.fixed:
                layer.clear()
            layer.load(own, text, self._place)
        _corner(self.ids.fill_(self.config.pad), grid.ids)
        _corner(self.forced.fill_(self.config.pad), grid.forced)
        self.ended.fill_(True)[: len(grid.ids)] = False
        self.row.fill_(grid.prefilled)
        self.last_end.fill_(last_end(max_rows, grid.prefilled, max(self.config.pattern)))
        batch = len(grid.ids) // grid.channels * self.config.halves
        if self.mask is not None:
            seen = None if grid.mask is None else grid.mask[:, : grid.prefilled].repeat(self.config.halves, 1)
            self._hide(self.mask, self.row.new_ones(batch, grid.prefilled) if seen is None else seen)
        if self.text_mask is not None:
            length = cache.cross_attention_cache.get_seq_length()
            self._hide(self.text_mask, self.row.new_ones(batch, length) if text_mask is None else text_mask)

    def save(self, cache: EncoderDecoderCache, clips: int, rows: int, text: int) -> None:
        """Copy keys and values of the call's rows and text into an empty cache, as the model would have left it."""
        for index, layer in enumerate(self.layers):
            own, read = (layer.keys, layer.values), (layer.text_keys, layer.text_values)
            fill(
                cache,
                index,
                (self._of(own[0], clips, rows), self._of(own[1], clips, rows)),
                (self._of(read[0], clips, text), self._of(read[1], clips, text)),
            )

    def _of(self, buffer: Tensor, clips: int, length: int) -> Tensor:
        """The part [n, G, length, D] of keys or values that belongs to a call's clips."""
        return torch.cat([half[:clips, :, :length] for half in buffer.chunk(self.config.halves)])

    def begin(self, logits: Tensor) -> None:
        """Write the first row, whose logits [n, C · V] the model itself has computed."""
        whole = logits.new_zeros(self.config.clips * self.config.halves, logits.shape[1])
        self._place(whole, logits)
        self._write(whole)

    def __call__(self, span: int) -> None:
        """Read the row before the next one and write that; the first `span` rows are looked at."""
        last = self.row - 1
        hidden = self.embed(self.ids.index_select(1, last).view(-1, 1, len(self.config.pattern)))[:, 0]  # [B, E]
        hidden = hidden.repeat(self.config.halves, 1)  # [N, E]
        rotary, mask = self.rotary.index_select(0, last).unbind(1), None
        if self.mask is not None:
            mask = self.mask.index_fill_(3, last, 0.0)[..., :span]
        for layer in self.layers:
            hidden = layer(hidden, rotary, last, span, mask, self.text_mask)
        self._write(self.head(self.norm(hidden)))

    def _write(self, logits: Tensor) -> None:
        """Choose the next row from logits [N, C · V] and write it: ends that are due, PAD after an end, the prompt."""
        config, eos, shape = self.config, self.config.sampler.eos, (-1, len(self.config.pattern), self.noise.shape[1])
        picked = config.sampler(logits.float().view(shape), self.noise.view(shape))  # [B, C]
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
        """Put what belongs to a call's clips where a step for more clips, rows or text has it."""
        for part, half in zip(buffer.chunk(self.config.halves), given.chunk(self.config.halves), strict=True):
            _corner(part, half)

    def _hide(self, buffer: Tensor, mask: Tensor) -> None:
        """Fill an additive mask [N, 1, 1, …] from one of ones and zeros [n, …]; what that does not reach is hidden."""
        # A clip that is not there, or of which nothing is seen, sees everything: of nothing some devices make NaN.
        buffer.zero_()[..., mask.shape[1] :] = float("-inf")
        hidden = (mask == 0) & (mask != 0).any(1, keepdim=True)
        self._place(
            buffer, torch.zeros_like(mask, dtype=buffer.dtype).masked_fill(hidden, float("-inf"))[:, None, None]
        )


class GraphRunner:
    """Runs a step as it is, compiled, or recorded; all three write the same rows."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self._run: Callable[[int], None] = step if step.config.compiled is None else self._compile()
        self._ready: dict[int, Callable[[], None]] = {}

    def _compile(self) -> Callable[[int], None]:
        compiled: Callable[[int], None] = torch.compile(self.step.__call__, **dict(self.step.config.compiled or ()))
        return compiled

    def __call__(self, row: int) -> None:
        """Write row `row`."""
        if not self.step.config.fixed:
            return self._run(row)
        span = span_of(row)
        if span not in self._ready:
            self._ready[span] = self._prepared(span)
        return self._ready[span]()

    def _prepared(self, span: int) -> Callable[[], None]:
        """The step for one span. Preparing runs it, so what moves is put back after each run."""
        self._rehearse(span)
        if self.step.config.recorded:
            try:
                return self._recorded(span)
            except RuntimeError as error:  # something asks the host, or memory has ended
                logger.warning_once(f"the step could not be recorded and runs as it is, slower: {_said(error)}")
        return lambda: self._run(span)

    def _recorded(self, span: int) -> Callable[[], None]:
        device = self.step.ids.device
        # A recording that fails would leave its own stream as the current one.
        with _recording, torch.cuda.device(device), torch.cuda.stream(torch.cuda.current_stream(device)):
            stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                self._rehearse(span)
            torch.cuda.current_stream().wait_stream(stream)
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                self._run(span)
        return graph.replay

    def _rehearse(self, span: int) -> None:
        moving = self.step.ids, self.step.ended, self.step.row
        before = [tensor.clone() for tensor in moving]
        try:
            with nullcontext() if self._run is self.step else _many_versions():
                self._run(span)
        except Exception as error:  # compilers have no error in common
            if self._run is self.step:
                raise
            logger.warning_once(f"the step could not be compiled and runs as it is: {_said(error)}")
            self._run = self.step
        for tensor, kept in zip(moving, before, strict=True):
            tensor.copy_(kept)


def _many_versions() -> AbstractContextManager[Any]:
    """Every span and every kept step is a version of one function; after eight torch would give up compiling."""
    limits: Any = torch._dynamo.config
    many: AbstractContextManager[Any] = limits.patch(recompile_limit=_VERSIONS, accumulated_recompile_limit=_VERSIONS)
    return many


# Of each model where its weights lay, and the last steps that were used.
_kept: WeakKeyDictionary[Any, list[tuple[Any, GraphRunner]]] = WeakKeyDictionary()
_kept_lock = threading.Lock()


@contextmanager
def runner_for(model: Any, config: DecodeConfig) -> Iterator[GraphRunner]:
    """A runner for this call alone; one that is costly to make is kept for later calls and follows the weights."""
    config = config.rounded()
    if not config.fixed or not _keepable(model):
        yield GraphRunner(Step(model, config))
        return
    weights = _weights_now(model)
    with _kept_lock:
        idle = _kept.setdefault(model, [])
        idle[:] = [one for one in idle if one[0] == weights]  # others will never fit again, and hold memory
        found = next((index for index, one in enumerate(idle) if one[1].step.config == config), None)
        runner = None if found is None else idle.pop(found)[1]
    runner = runner or _made(model, config, idle)
    yield runner
    with _kept_lock:
        idle.append((weights, runner))
        del idle[:-_KEPT]


def _made(model: Any, config: DecodeConfig, idle: list[tuple[Any, GraphRunner]]) -> GraphRunner:
    # Tensors made in inference mode could not be written to outside of it, by a later call.
    with torch.inference_mode(False), torch.no_grad():
        try:
            return GraphRunner(Step(model, config))
        except torch.OutOfMemoryError:
            if not idle:
                raise
        with _kept_lock:
            idle.clear()
        return GraphRunner(Step(model, config))


def _keepable(model: Any) -> bool:
    """Whether `_weights_now` tells all changes. Adapters are switched, and packed tensors exchanged, unnoticed."""
    modules = [*model.model.decoder.modules(), model.logits_dense]
    ours = all(type(module).__module__.partition(".")[0] in _OF_OUR_KIND for module in modules)
    return ours and all(type(weight) is torch.nn.Parameter for weight in model.parameters())


def _weights_now(model: Any) -> Any:
    """Where the weights lie; a step made for others would read what is no longer there."""
    kernels = [module._kernel for module in model.modules() if isinstance(module, QuantizedLinear)]
    return [(weight.data_ptr(), weight.dtype, weight.shape) for weight in model.parameters()], kernels


def write_rows(
    runner: GraphRunner,
    grid: Grid,
    logits: Tensor,
    max_rows: int,
    noise: Callable[[Tensor], Tensor] | None,
    over: Callable[[Tensor], bool],
    streamer: BaseStreamer | None,
) -> int:
    """Write rows until every channel has ended.

    Args:
        runner: its step is loaded.
        grid: the rows are written to it.
        logits: of the first row, [N, C · V].
        max_rows: where the grid ends.
        noise: fills the noise of the clips, [B · C, V]; None for greedy search.
        over: tells when all of a tensor is true, perhaps late.
        streamer: is given every row [B, C], and ends the work when nobody listens to it any more.

    Returns:
        The number of rows in the grid.
    """
    step, flat, row = runner.step, len(grid.ids), grid.prefilled
    looks = _LOOKS if grid.ids.is_cuda and streamer is None else 1
    while row < max_rows:
        if noise is not None:
            with _recording:
                noise(step.noise[:flat])
        if row == grid.prefilled:
            step.begin(logits)
        else:
            runner(row)
        row += 1
        if not emit(streamer, step.ids[:flat, row - 1].view(-1, grid.channels)):
            break
        if row % looks == 0 and over(step.ended):
            break
    grid.ids[:, :row] = step.ids[:flat, :row]
    return grid.written(row)


def _said(error: Exception) -> str:
    """The first line of an error. The error itself would be kept for good by what logs once, with all it refers to."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def _corner(buffer: Tensor, given: Tensor) -> None:
    buffer[tuple(slice(size) for size in given.shape)] = given


__all__ = ["GraphRunner", "Step", "runner_for", "write_rows"]
