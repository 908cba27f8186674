"""The engine: many clips in the slots of one step, which each joins and leaves on its own.

A thread runs while there is work and ends when there is none. Independent of text and sound.

    submit ──> waiting ──> prefill, join ──> a row in every step ──> leave ──> Ticket.result
                  │                               │
                cancel                        cancel, error
"""

import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary, finalize, ref

import torch
from transformers.generation.streamers import BaseStreamer

from dia.decoding.step.config import DecodeConfig, check_model
from dia.decoding.step.prefill import SlotRequest
from dia.decoding.step.runner import GraphRunner, runner_for
from dia.decoding.tickets import EngineClosed, EngineFull, Prefill, Ticket
from dia.runtime.forks import Lock, after_fork
from dia.runtime.log import get_logger
from dia.runtime.ranges import Range
from dia.runtime.resources.free_memory import free_memory
from dia.runtime.resources.threads import SMALL, compute_with_one_thread, join, start
from dia.runtime.worker import Worker

logger = get_logger(__name__)

_SLOTS_ON_CPU, _SLOTS = 16, 8  # by default
_WAITING = 1024  # clips that may wait by default
_COUNT = Range(1, 1 << 20, whole=True)  # of slots and of clips that wait; memory ends sooner
_SHARE = 0.5  # of free memory that keys and values may take
_STOP_SECONDS = 60.0
# After such an error, as of an illegal memory access, a GPU fails every call. PyTorch before 2.8 has no type for it.
_ACCELERATOR_ERROR: type[BaseException] | tuple[()] = getattr(torch, "AcceleratorError", ())
_ahead = Worker("dia.prefill", alone=True)  # computes prompts of small models while their steps run


@dataclass(frozen=True)
class Load:
    """What an engine does at the moment.

    Attributes:
        slots: number of slots.
        live: clips in slots.
        waiting: clips that wait for a slot.
    """

    slots: int
    live: int
    waiting: int


class Engine:
    """Generates many clips at once.

    A clip's codes do not depend on the other clips; docs/engine.md says for which devices and dtypes that holds bit
    for bit.

    Args:
        model: the `DiaForConditionalGeneration`. The engine keeps no reference to it while it has no work.
        slots: how many clips to generate at once; by default 16 on a CPU and 8 elsewhere, or fewer if their keys and
            values would take more than half of the free memory.
        waiting: how many clips may wait.

    Raises:
        TypeError, ValueError: a number is not a whole number from 1 on.
    """

    def __init__(self, model: Any, slots: int | None = None, waiting: int = _WAITING) -> None:
        waiting = _COUNT.check("waiting", waiting)
        slots = None if slots is None else _COUNT.check("slots", slots)
        slots = slots or (_SLOTS_ON_CPU if model.device.type == "cpu" else _SLOTS)
        self._state = _State(ref(model), slots, waiting)
        # Also runs at exit: a thread that computes while the interpreter shuts down can crash it.
        self._close = finalize(self, self._state.close)

    def submit(
        self, request: SlotRequest, streamer: BaseStreamer | None = None, with_attention: bool = False
    ) -> Ticket:
        """Add a clip. It is generated as soon as a slot is free, in the order of submission.

        Args:
            request: from `model.slot_request(…)`.
            streamer: receives the prompt's rows [1, R, C] and then every row [1, C], in the engine's thread. Once its
                attribute `closed` is true, the clip stops at its next row.
            with_attention: keep what each row attends to in the text, for `Ticket.attention`.

        Raises:
            EngineFull: too many clips wait.
            EngineClosed: the engine is closed.
            MemoryError: the clip's keys and values do not fit into memory.
        """
        return self._state.submit(Ticket(request, streamer, with_attention))

    def load(self) -> Load:
        """The number of clips at the moment."""
        state = self._state
        with state.lock:
            return Load(state.slots, len(state.live), len(state.waiting) + len(state.beginning))

    def set_slots(self, slots: int) -> None:
        """Set how many clips to generate at once. It takes effect once the clips in slots have ended.

        Raises:
            TypeError, ValueError: `slots` is not a whole number from 1 on.
        """
        slots = _COUNT.check("slots", slots)
        with self._state.lock:
            self._state.slots = slots

    @property
    def closed(self) -> bool:
        """Whether the engine accepts no more clips."""
        return self._state.closed

    @property
    def broken(self) -> bool:
        """Whether the accelerator has failed, after which nothing can be computed in this process."""
        return self._state.broken

    def close(self) -> None:
        """Stop: clips that are not finished fail with `EngineClosed`. Waits for the thread to end."""
        self._close()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _State:
    """The queue, the slots and the thread. Separate from `Engine`, so that a forgotten engine stops its thread."""

    def __init__(self, model: Any, slots: int, most_waiting: int) -> None:
        self.model, self.slots, self.most_waiting = model, slots, most_waiting
        self.lock = Lock()
        self.waiting: deque[Ticket] = deque()
        self.beginning: deque[Prefill] = deque()  # taken from `waiting`, for slots that are free
        self.live: dict[int, Ticket] = {}
        self.thread: threading.Thread | None = None
        self.closed = self.broken = False
        after_fork(self, _State.start_anew)

    def start_anew(self) -> None:
        """Drop the clips of the parent in a forked process, where the thread is missing."""
        self.waiting, self.beginning, self.live, self.thread = deque(), deque(), {}, None

    def submit(self, ticket: Ticket) -> Ticket:
        with self.lock:
            if self.closed:
                raise EngineClosed("the engine is closed; create a new one.")
            if len(self.waiting) >= self.most_waiting:
                raise EngineFull(f"{len(self.waiting)} clips wait for {self.slots} slots. Try again later.")
            ticket._withdraw = self._withdraw
            self.waiting.append(ticket)
            if self.thread is None:
                self.thread = start(self._run, "dia.engine")
        return ticket

    def _withdraw(self, ticket: Ticket) -> bool:
        with self.lock:
            found = ticket in self.waiting
            if found:
                self.waiting.remove(ticket)
        return found

    def close(self) -> None:
        with self.lock:
            self.closed, thread = True, self.thread
        if thread is not None:
            join(thread, _STOP_SECONDS)

    def _run(self) -> None:
        """Serve until nothing waits. Runs in the thread."""
        while (config := self._next_config()) is not None:
            try:
                self._serve(self.model(), config)
            except BaseException as error:  # of the step: all clips in it are lost
                self.broken = self.broken or isinstance(error, _ACCELERATOR_ERROR)
                self._fail(error)

    def _next_config(self) -> DecodeConfig | None:
        """The configuration of the next clip, or None after the end of the thread has been noted."""
        with self.lock:
            dropped = list(self.waiting) if self.closed else []
            if self.closed:
                self.waiting.clear()
            if not self.waiting:
                self.thread = None
            config = self.waiting[0].request.config if self.waiting else None
        for ticket in dropped:
            ticket.fail(EngineClosed("the engine was closed before the clip began."))
        return config

    def _serve(self, model: Any, wanted: DecodeConfig) -> None:
        """Generate clips with a step that fits the next one, until none is left or one needs another step."""
        small = model.num_parameters() < SMALL
        ahead = small and model.device.type == "cpu"  # a larger model uses all cores, a GPU records its steps
        if small:
            compute_with_one_thread()
        try:
            check_model(model)
            config = config_for(model, wanted, self.slots)
        except BaseException as error:
            if (ticket := self._take()) is not None:
                ticket.fail(error)
            return
        try:
            with torch.no_grad(), runner_for(model, config) as runner:
                runner.step.refresh()
                while not self.closed:
                    self._admit(runner, ahead)
                    if self.live:
                        runner()
                        self._deliver(runner)
                    elif not self._fits(config):
                        return
        finally:
            self._wait_again()
        self._fail_live(EngineClosed("the engine was closed before the clip was finished."))

    def _fits(self, config: DecodeConfig) -> bool:
        """Whether a clip waits that the step has room for."""
        with self.lock:
            return bool(self.waiting) and _has_room(config, self.waiting[0].request.config)

    def _take(self) -> Ticket | None:
        with self.lock:
            return self.waiting.popleft() if self.waiting else None

    def _admit(self, runner: GraphRunner, ahead: bool) -> None:
        """Let waiting clips join: one, so that the others do not wait for long, or as many as there are slots.

        Args:
            runner: of the step.
            ahead: whether prompts are computed in another thread while steps run.
        """
        was_busy = bool(self.live)
        self._begin(runner.step.config, ahead)
        while self.beginning:
            first = self.beginning[0]
            if not first.done.is_set():
                if ahead and self.live:
                    return
                if not any(one.compute() for one in (reversed(self.beginning) if ahead else self.beginning)):
                    first.done.wait()
            elif self._join(runner) and was_busy:
                return

    def _begin(self, config: DecodeConfig, ahead: bool) -> None:
        """Take as many clips from the queue as there are slots for."""
        while self._fits(config) and len(self.live) + len(self.beginning) < config.slots:
            with self.lock:
                if not self.waiting:
                    return
                prefill = Prefill(self.waiting.popleft())
                self.beginning.append(prefill)
            if ahead:
                _ahead.submit(prefill.compute)

    def _wait_again(self) -> None:
        """Put clips that have not joined back into the queue, in their order."""
        with self.lock:
            self.waiting.extendleft(one.ticket for one in reversed(self.beginning))
            self.beginning.clear()

    def _join(self, runner: GraphRunner) -> bool:
        """Let the first of the beginning clips join, with its first row if that needs no step.

        An error is the clip's own.

        Returns:
            Whether it has joined.
        """
        prefill, slots = self.beginning.popleft(), range(runner.step.config.slots)
        ticket, slot = prefill.ticket, next(number for number in slots if number not in self.live)
        if ticket.cancelled:
            ticket.finish(ticket.request.prompt[0])
            return False
        try:
            begun = prefill.result()
            ticket.put(ticket.request.prompt)
            runner.step.join(slot, begun, ticket.with_attention)
        except BaseException as error:
            ticket.fail(error)
            return False
        with self.lock:
            self.live[slot] = ticket
        if begun.logits is not None:
            runner.step.begin([slot], [begun])
            self._deliver(runner, [slot])
        return True

    def _deliver(self, runner: GraphRunner, slots: list[int] | None = None) -> None:
        """Hand out the last rows of slots, and free those that have ended."""
        step = runner.step
        slots = list(self.live) if slots is None else slots
        for slot, row, over, sound in zip(slots, *step.last_rows(slots), strict=True):
            ticket = self.live[slot]
            try:
                if not sound:
                    raise FloatingPointError(
                        "the model computed NaN for this clip; its weights or its prompt are damaged."
                    )
                ticket.put(row)
            except BaseException as error:
                self._free(runner, slot)
                ticket.fail(error)
                continue
            if over or ticket.cancelled or step.written[slot] >= step.limits[slot]:
                grid = step.ids[slot, :, : step.written[slot]].T.to("cpu", copy=True)
                ticket.attention = step.text_attention(slot)
                self._free(runner, slot)
                ticket.finish(grid)

    def _free(self, runner: GraphRunner, slot: int) -> None:
        runner.step.leave(slot)
        with self.lock:
            del self.live[slot]

    def _fail(self, error: BaseException) -> None:
        """Fail the clips in slots; if there are none, the step could not be made, and the next clip fails instead.

        With fewer slots, it may be possible to make the step.
        """
        if self.live:
            self._fail_live(error)
        elif isinstance(error, torch.OutOfMemoryError) and self.slots > 1:
            with self.lock:
                self.slots //= 2
            logger.warning_once(f"there is no memory for more slots; the engine goes on with {self.slots}.")
        elif (ticket := self._take()) is not None:
            ticket.fail(error)

    def _fail_live(self, error: BaseException) -> None:
        with self.lock:
            lost, self.live = list(self.live.values()), {}
        for ticket in lost:
            ticket.fail(error)


def config_for(model: Any, wanted: DecodeConfig, slots: int) -> DecodeConfig:
    """The configuration of a step with many slots that has room for a clip. Raises MemoryError."""
    decoder = model.config.decoder_config
    rows = max(decoder.max_position_embeddings + max(wanted.pattern), wanted.rows)
    text = None if wanted.text is None else max(model.config.encoder_config.max_position_embeddings, wanted.text)
    config = replace(wanted, slots=slots, rows=rows, text=text, guided=True)
    free = free_memory() if model.device.type == "cpu" else None
    if free is None:
        return config
    if (needed := _bytes_per_slot(model, wanted)) > free:
        raise MemoryError(
            f"a clip of {wanted.rows} rows takes {needed / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free. Use a "
            "smaller max_new_tokens, or free some memory."
        )
    return replace(config, slots=max(1, min(slots, int(_SHARE * free / max(_bytes_per_slot(model, config), 1)))))


def _bytes_per_slot(model: Any, config: DecodeConfig) -> int:
    """The bytes of a slot's keys and values."""
    decoder = model.config.decoder_config
    own = decoder.num_key_value_heads * decoder.head_dim * config.halves * config.rows
    text = decoder.cross_num_key_value_heads * decoder.cross_head_dim * (config.text or 0)
    return int(2 * decoder.num_hidden_layers * (own + text) * torch.finfo(model.dtype).bits // 8)


def _has_room(config: DecodeConfig, wanted: DecodeConfig) -> bool:
    """Whether a step can take a clip."""
    same = config.pattern == wanted.pattern and config.fixed == wanted.fixed and config.compiled == wanted.compiled
    return same and wanted.rows <= config.rows and (not config.fixed or config.sampler == wanted.sampler)


_engines: WeakKeyDictionary[Any, Engine] = WeakKeyDictionary()
_engines_lock = Lock()


def engine_of(model: Any) -> Engine:
    """The engine that all calls for a model share."""
    with _engines_lock:
        engine = _engines.get(model)
        if engine is None:
            engine = _engines[model] = Engine(model)
        return engine


__all__ = ["Engine", "EngineClosed", "EngineFull", "Load", "Ticket", "engine_of"]
