"""The engine: clips share a step, and each joins, ends, fails or is cancelled on its own."""

import gc
import sys
import threading
from dataclasses import replace
from weakref import ref

import pytest
import torch
from forks import ended, forked
from tiny import EOS, Rows, threads_left, tiny_model

from dia.decoding import engine as engines
from dia.decoding.engine import Engine, EngineClosed, EngineFull, engine_of
from dia.decoding.step.prefill import SlotRequest
from dia.decoding.step.step import Step
from dia.decoding.tickets import Prefill, Ticket
from tests.decoding.slot_clips import CLIPS, arguments
from tests.fuzz import operations


@pytest.fixture(scope="module")
def model():
    return operations.ending_model()


@pytest.fixture(scope="module")
def alone(model):
    return operations.alone(model)


@pytest.fixture
def engine(model):
    with Engine(model, slots=3) as engine:
        yield engine
    assert threads_left() == []


class Held(Rows):
    """A streamer that lets the engine go on only after `go` is set."""

    def __init__(self):
        super().__init__()
        self.go, self.begun, self.closed = threading.Event(), threading.Event(), False

    def put(self, value):
        super().put(value)
        self.begun.set()
        assert self.go.wait(20)


def request(model, number=0, **changes):
    return model.slot_request(**{**arguments(number), **changes})


def raising(error):
    def fails(*_):
        raise error

    return fails


def busy(model, engine, count=1):
    """Clips that hold the engine's thread until `go` is set, and their streamers."""
    held = [Held() for _ in range(count)]
    tickets = [engine.submit(request(model), streamer) for streamer in held]
    assert held[0].begun.wait(20)
    return tickets, held


def test_more_clips_than_slots_are_generated_as_alone(model, alone, engine):
    tickets = [(number, engine.submit(request(model, number))) for number in [*range(len(CLIPS))] * 3]
    for number, ticket in tickets:
        assert ticket.result(60).tolist() == alone[number].tolist()
    assert engine.load() == engines.Load(slots=3, live=0, waiting=0)


def test_clips_are_submitted_from_many_threads(model, alone, engine):
    found = {}

    def run(number):
        found[number] = engine.submit(request(model, number)).result(60)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(CLIPS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[number].tolist() == grid.tolist() for number, grid in enumerate(alone))


def test_rows_go_to_the_streamer_as_they_are_generated(model, alone, engine):
    streamer = Rows()
    grid = engine.submit(request(model, 3), streamer).result(60)
    prompt, *rows = streamer.taken
    assert torch.cat([prompt[0], *rows]).tolist() == grid.tolist() == alone[3].tolist()
    assert streamer.ended


def test_a_cancelled_clip_ends_with_its_rows_so_far(model, alone, engine):
    (ticket,), (held,) = busy(model, engine)
    other = engine.submit(request(model, 4))
    ticket.cancel()
    held.go.set()
    rows = ticket.result(60)
    assert len(rows) <= arguments(0)["decoder_input_ids"].shape[1] + 1
    assert rows.tolist() == alone[0][: len(rows)].tolist()
    assert held.ended
    assert other.result(60).tolist() == alone[4].tolist()


def test_a_clip_that_waits_is_cancelled_at_once(model, engine):
    (ticket, *_), held = busy(model, engine, 3)
    waiting = engine.submit(request(model, 1))
    waiting.cancel()
    assert waiting.result(0) is not None
    assert engine.load().waiting == 2, "the thread is held by the first clip, and the other two wait"
    for one in held:
        one.go.set()
    assert len(ticket.result(60))


def test_a_closed_streamer_cancels_its_clip(model, engine):
    (ticket,), (held,) = busy(model, engine)
    held.closed = True
    held.go.set()
    assert len(ticket.result(60)) < len(model.generate(**arguments(0))[0])


def test_an_error_is_that_of_its_clip_alone(model, alone, engine):
    class Fails(Rows):
        def put(self, value):
            super().put(value)
            if len(self.taken) == 4:
                raise OSError("the disk is full")

    streamer = Fails()
    failing, fine = engine.submit(request(model, 0), streamer), engine.submit(request(model, 6))
    with pytest.raises(OSError, match="the disk is full"):
        failing.result(60)
    assert streamer.ended
    assert fine.result(60).tolist() == alone[6].tolist()
    assert engine.submit(request(model, 2)).result(60).tolist() == alone[2].tolist(), "its slot is free again"


def test_nan_ends_a_clip_with_an_error(model, alone, engine):
    wrong = request(model, 1)
    prefill = wrong.prefill

    def damaged():
        start = prefill()
        start.own[0][0].fill_(float("nan"))
        return start

    object.__setattr__(wrong, "prefill", damaged)
    tickets = engine.submit(wrong), engine.submit(request(model, 2))
    with pytest.raises(FloatingPointError, match="NaN"):
        tickets[0].result(60)
    assert tickets[1].result(60).tolist() == alone[2].tolist()


def test_an_error_of_the_step_ends_the_clips_in_it_and_no_others(model, alone, engine, monkeypatch):
    calls, original = [], engines.GraphRunner.__call__

    def breaks(runner):
        calls.append(runner)
        if len(calls) == 3:
            raise MemoryError("no memory for this step")
        original(runner)

    monkeypatch.setattr(engines.GraphRunner, "__call__", breaks)
    lost = engine.submit(request(model, 0))
    with pytest.raises(MemoryError, match="for this step"):
        lost.result(60)
    assert engine.submit(request(model, 5)).result(60).tolist() == alone[5].tolist()


@pytest.mark.skipif(not hasattr(torch, "AcceleratorError"), reason="PyTorch before 2.8 has no such error")
def test_an_engine_whose_accelerator_has_failed_is_broken(model, engine, monkeypatch):
    monkeypatch.setattr(engines.GraphRunner, "__call__", raising(torch.AcceleratorError("illegal memory access")))
    assert not engine.broken
    with pytest.raises(RuntimeError, match="illegal memory access"):
        engine.submit(request(model, 0)).result(60)
    assert engine.broken


def test_a_step_that_cannot_be_made_fails_the_clip_that_needs_it(model, alone, engine, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Step, "__init__", raising(RuntimeError("no such device")))
        tickets = [engine.submit(request(model, number)) for number in (0, 1)]
        for ticket in tickets:
            with pytest.raises(RuntimeError, match="no such device"):
                ticket.result(20)
    assert torch.equal(engine.submit(request(model)).result(20), alone[0])


def test_without_memory_for_all_slots_the_engine_goes_on_with_fewer(model, alone, monkeypatch):
    made, asked = Step.__init__, []

    def crowded(self, model, config):
        asked.append(config.slots)
        if config.slots > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        made(self, model, config)

    monkeypatch.setattr(Step, "__init__", crowded)
    with Engine(model, slots=9) as engine:
        tickets = [engine.submit(request(model, number)) for number in range(5)]
        assert [ticket.result(20).tolist() for ticket in tickets] == [grid.tolist() for grid in alone[:5]]
        assert asked == [9, 4, 2]
        assert engine.load().slots == 2


def test_without_memory_for_one_slot_the_clip_fails(model, monkeypatch):
    monkeypatch.setattr(Step, "__init__", raising(torch.OutOfMemoryError("CUDA out of memory")))
    with Engine(model, slots=4) as engine, pytest.raises(torch.OutOfMemoryError):
        engine.submit(request(model)).result(20)


def test_a_full_queue_refuses_clips(model):
    with Engine(model, slots=1, waiting=1) as engine:
        (ticket,), (held,) = busy(model, engine)
        waiting = engine.submit(request(model, 1))
        with pytest.raises(EngineFull, match="1 clips wait for 1 slots"):
            engine.submit(request(model, 2))
        held.go.set()
        assert len(ticket.result(60))
        assert len(waiting.result(60))


def test_closing_fails_every_clip_that_is_not_finished(model, monkeypatch):
    engine = Engine(model, slots=1)
    (ticket,), (held,) = busy(model, engine)
    waiting = engine.submit(request(model, 1))
    join = engines.join
    monkeypatch.setattr(engines, "join", lambda *given: (held.go.set(), join(*given)))  # once it accepts no more
    engine.close()
    for unfinished in (ticket, waiting):
        with pytest.raises(EngineClosed):
            unfinished.result(20)
    with pytest.raises(EngineClosed, match="create a new one"):
        engine.submit(request(model))
    assert threads_left() == []


def test_a_clip_that_needs_more_rows_gets_a_larger_step(model, engine):
    longest = model.config.decoder_config.max_position_embeddings + 50
    endless = tiny_model()
    endless.logits_dense.weight.data[EOS] = 0
    with Engine(endless, slots=2) as other:
        short = other.submit(request(endless, 0, max_new_tokens=10))
        long = other.submit(request(endless, 0, max_new_tokens=longest))
        assert len(short.result(60)) < len(long.result(60))
        assert len(long.result()) == len(endless.generate(**{**arguments(0), "max_new_tokens": longest})[0])


def test_a_clip_that_does_not_fit_into_memory_is_refused(model, engine, monkeypatch):
    monkeypatch.setattr(engines, "free_memory", lambda: 1000)
    with pytest.raises(MemoryError, match="smaller max_new_tokens"):
        engine.submit(request(model)).result(60)


@pytest.mark.parametrize("arguments", [{"slots": 0}, {"waiting": 0}])
def test_invalid_numbers_are_refused(model, arguments):
    with pytest.raises(ValueError, match="must be a whole number from 1 to"):
        Engine(model, **arguments)


def test_a_model_has_one_engine_that_ends_with_it():
    model = tiny_model()
    engine = engine_of(model)
    assert engine is engine_of(model)
    assert len(engine.submit(request(model, 4)).result(60))
    assert threads_left() == []
    gone, model, engine = ref(model), None, None
    gc.collect()
    assert gone() is None


def test_an_engine_says_that_it_is_closed(model):
    engine = Engine(model)
    assert not engine.closed
    engine.close()
    assert engine.closed


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_a_fork_of_a_busy_process_generates_anew(model, alone, engine):
    (first, *_), held = busy(model, engine, 5)  # in slots and in the queue

    def generate():
        with pytest.raises(RuntimeError, match="the process was forked"):
            first.result(20)
        first.cancel()
        assert engine.load() == engines.Load(slots=3, live=0, waiting=0)
        assert engine.submit(request(model, 1)).result(20).tolist() == alone[1].tolist()
        engine.close()

    child = forked(generate, seconds=60)
    for one in held:
        one.go.set()
    assert ended(child) == 0


def test_random_operations_leave_nothing_behind(model, alone):
    operations.operate(model, alone, 300)


def test_the_prompt_of_a_waiting_clip_is_computed_while_a_step_runs(model, alone, engine):
    computing, later, next_one = threading.Event(), threading.Event(), request(model, 1)

    class Watched(Held):
        def put(self, value):
            super().put(value)
            if len(self.taken) == 4:
                assert computing.wait(20)
            elif len(self.taken) == 5:
                later.set()

    def prefill():
        computing.set()
        assert later.wait(20), "no row came while the prompt was computed"
        return next_one.prefill()

    watched = Watched()
    first = engine.submit(request(model), watched)
    assert watched.begun.wait(20)
    second = engine.submit(replace(next_one, prefill=prefill))
    watched.go.set()
    assert second.result(60).tolist() == alone[1].tolist()
    assert first.result(60).tolist() == alone[0].tolist()


def test_a_prompt_that_another_thread_computes_fails_its_clip_alone(model, alone, engine):
    (ticket,), (held,) = busy(model, engine)
    failing = engine.submit(replace(request(model, 1), prefill=raising(ValueError("the text is odd"))))
    held.go.set()
    with pytest.raises(ValueError, match="the text is odd"):
        failing.result(60)
    assert ticket.result(60).tolist() == alone[0].tolist()


def test_a_prompt_is_computed_once_by_the_thread_that_asks_first():
    asked = []
    prefill = Prefill(Ticket(SlotRequest(None, None, lambda: asked.append(1) or "begun"), None))
    assert [prefill.compute(), prefill.compute()] == [True, False]
    assert prefill.done.is_set()
    assert prefill.result() == "begun"
    assert asked == [1]
