"""Runs a step eagerly, compiled or recorded, keeps steps for later calls, and writes the rows of a call.

On a GPU the step is recorded as a CUDA graph and replayed: once, or where attention reads masks, once for every span
of rows. Recorded and compiled steps are cached for later calls that they have room for.

Shapes: B clips, R grid rows, C channels, V ids of each.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers.generation.streamers import BaseStreamer

from dia.decoding.call.inputs import Grid
from dia.decoding.call.streamers import emit
from dia.decoding.step.config import DecodeConfig
from dia.decoding.step.prefill import Start
from dia.decoding.step.step import Step
from dia.quantization.linear import QuantizedLinear
from dia.runtime.forks import Lock
from dia.runtime.log import get_logger
from dia.runtime.resources.fingerprint import has_known_class
from dia.runtime.resources.free_memory import free_memory

logger = get_logger(__name__)

_ROWS_PER_END_CHECK = 8  # on a GPU
_RECOMPILE_LIMIT = 1 << 16  # compiled versions of one function
_CACHED_SHARE = 0.25  # of memory, the GPU's or that which is free, for the cached steps of a model
_recording = threading.Lock()  # held while a graph is recorded

ALL_LAYERS = "C kernel of all layers"  # the name of attention that `kernels/network.py` computes


@dataclass(frozen=True)
class StepReport:
    """How a step runs.

    Attributes:
        mode: eager, compiled or recorded.
        attention: the implementation of attention over rows.
        text_attention: the implementation of attention over the text.
        slots: number of slots.
        rows: capacity of each slot in rows.
        text: capacity of each slot in text ids; None where each keeps its own.
        spans: the numbers of rows that were recorded or compiled so far.
        nbytes: of keys, values and tables.
    """

    mode: str
    attention: str
    text_attention: str
    slots: int
    rows: int
    text: int | None
    spans: tuple[int, ...]
    nbytes: int


class GraphRunner:
    """Runs a step eagerly, compiled, or as a recorded CUDA graph. All three write the same rows."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self._run: Callable[[int], None] = step if step.config.compiled is None else self._compile()
        self._ready: dict[int, Callable[[], None]] = {}
        self._pool: Any = None  # memory of all recordings, which never run at once
        self._recorded = step.config.recorded

    def _compile(self) -> Callable[[int], None]:
        compiled: Callable[[int], None] = torch.compile(self.step.__call__, **dict(self.step.config.compiled or ()))
        return compiled

    def __call__(self) -> None:
        """Write the next row of every slot in use."""
        span = self.step.span
        if self.step.config.reusable:
            self._prepare_span(span)
            self._ready[span]()
        else:
            self._run(span)
        self.step.advanced()

    def prepare(self) -> None:
        """Record or compile the step for all lengths now, instead of when a clip gets there. For a step without clips.

        The longest span comes first, so that the others find the memory that they need in its pool.
        """
        if self.step.config.reusable:
            for span in reversed(self.step.spans):
                self._prepare_span(span)

    def report(self) -> StepReport:
        """How the step runs at the moment."""
        step, config = self.step, self.step.config
        names = (step.attentions.rows.name, step.attentions.text.name) if step.network is None else (ALL_LAYERS,) * 2
        how = replace(config, recorded=self._recorded, compiled=None if self._run is step else config.compiled)
        return StepReport(
            mode=how.mode,
            attention=names[0],
            text_attention=names[1],
            slots=config.slots,
            rows=config.rows,
            text=config.text,
            spans=tuple(sorted(self._ready)),
            nbytes=step.nbytes,
        )

    def _prepare_span(self, span: int) -> None:
        if span not in self._ready:
            self._ready[span] = self._prepared(span)

    def _prepared(self, span: int) -> Callable[[], None]:
        """The step for one span. Preparing runs the step, so its state is restored after each run."""
        self._warm_up(span)
        if self._recorded:
            try:
                return self._record(span)
            except RuntimeError as error:  # a host sync, or not enough memory
                self._recorded = False
                logger.warning_once(f"CUDA graph recording failed, so the step runs eagerly: {_first_line(error)}")
        return lambda: self._run(span)

    def _record(self, span: int) -> Callable[[], None]:
        device = self.step.ids.device
        # A failed recording would leave its own stream as the current stream.
        with _recording, torch.cuda.device(device), torch.cuda.stream(torch.cuda.current_stream(device)):
            stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
            self._pool = self._pool or torch.cuda.graph_pool_handle()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                self._warm_up(span)
            torch.cuda.current_stream().wait_stream(stream)
            with torch.cuda.graph(graph, pool=self._pool, stream=stream, capture_error_mode="thread_local"):
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
_runners_lock = Lock()


@contextmanager
def runner_for(model: Any, config: DecodeConfig) -> Iterator[GraphRunner]:
    """A runner for the exclusive use of one call. Reusable runners are cached until the weights change.

    The cache is limited in bytes: the runners that were used last stay. The latest one always does.
    """
    config = _rounded(model, config)
    if not config.reusable or not _is_cacheable(model):
        yield GraphRunner(Step(model, config))
        return
    weights = _weights_key(model)
    with _runners_lock:
        idle = _runners.setdefault(model, [])
        idle[:] = [one for one in idle if one[0] == weights]  # drop runners of former weights, which hold memory
        runner = _taken(idle, config)
    runner = runner or _new_runner(model, config, idle)
    yield runner
    runner.step.clear()
    with _runners_lock:
        idle.append((weights, runner))
        _evict(idle, _memory(model.device))


def _rounded(model: Any, config: DecodeConfig) -> DecodeConfig:
    decoder, encoder = model.config.decoder_config, model.config.encoder_config
    rows = decoder.max_position_embeddings + max(config.pattern)
    return config.rounded(rows, encoder.max_position_embeddings)


def _taken(idle: list[tuple[Any, GraphRunner]], config: DecodeConfig) -> GraphRunner | None:
    """Take the smallest runner that has room for a call."""
    roomy = [index for index, (_, runner) in enumerate(idle) if runner.step.config.has_room_for(config)]
    return idle.pop(min(roomy, key=lambda index: idle[index][1].step.nbytes))[1] if roomy else None


def _memory(device: torch.device) -> int | None:
    """Bytes of a GPU's memory, or of free memory; None if they are not known."""
    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else free_memory()


def _evict(idle: list[tuple[Any, GraphRunner]], memory: int | None) -> None:
    """Drop the oldest runners until the rest takes its share of the device's memory."""
    most = float("inf") if memory is None else _CACHED_SHARE * memory
    total = sum(runner.step.nbytes for _, runner in idle)
    while len(idle) > 1 and total > most:
        total -= idle.pop(0)[1].step.nbytes


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
    known = all(map(has_known_class, (*model.model.decoder.modules(), model.logits_dense)))
    return known and all(type(weight) is torch.nn.Parameter for weight in model.parameters())


def _weights_key(model: Any) -> Any:
    """The addresses of the weights. A step for other addresses would read freed memory."""
    kernels = [module._kernel for module in model.modules() if isinstance(module, QuantizedLinear)]
    return [(weight.data_ptr(), weight.dtype, weight.shape) for weight in model.parameters()], kernels


def write_rows(
    runner: GraphRunner,
    grid: Grid,
    starts: Sequence[Start],
    over: Callable[[Tensor], bool],
    streamer: BaseStreamer | None,
    stay: bool = False,
) -> int:
    """Write rows until every channel has ended.

    Args:
        runner: a runner whose step is free.
        grid: the grid to write to.
        starts: the clips of the grid, without padding on the left.
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
    while row < max_rows:
        if row == grid.prefilled:
            _begin(runner, starts)
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


def _begin(runner: GraphRunner, starts: Sequence[Start]) -> None:
    """Let all clips join, and write the first row of each. A step writes those of clips without logits."""
    without = [slot for slot, start in enumerate(starts) if start.logits is None]
    others = [slot for slot, start in enumerate(starts) if start.logits is not None]
    for slot in without:
        runner.step.join(slot, starts[slot])
    if without:
        runner()
    for slot in others:
        runner.step.join(slot, starts[slot])
    if others:
        runner.step.begin(others, [starts[slot] for slot in others])


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


__all__ = ["GraphRunner", "StepReport", "runner_for", "write_rows"]
