"""The parts of the server that know no protocol: the buffer, places, and speeds."""

import asyncio
import threading
import time

import pytest
from serving import wait_until

from dia.serving.admission import Admission, arrived
from dia.serving.errors import Code, ServingError
from dia.serving.generation import Buffer, stretches
from dia.serving.metrics import Playback
from dia.synthesis.synthesizer import Cancelled


def test_a_buffer_hands_over_what_is_ready():
    async def read():
        buffer = Buffer(100, 1.0)
        buffer.put(b"one")
        buffer.put(b"two")
        threading.Timer(0.05, lambda: (buffer.put(b"three"), buffer.end())).start()
        return [await buffer.read() for _ in range(3)]

    assert asyncio.run(read()) == [b"onetwo", b"three", b""]


def test_a_buffer_hands_over_64_kib_at_a_time_and_has_room_again():
    async def read():
        buffer, written = Buffer(100_000, 0.05), bytes(range(250)) * 800
        buffer.put(written[:1])
        buffer.put(written[1:])
        found = [await buffer.read()]
        with pytest.raises(ServingError, match="nothing was read"):
            await asyncio.to_thread(buffer.put, b"more")  # 134 000 bytes are left
        found.append(await buffer.read())
        buffer.put(b"more")
        buffer.end()
        while data := await buffer.read():
            found.append(data)
        assert b"".join(found) == written + b"more"
        assert list(map(len, found)) == [65_536, 65_536, 65_536, 3_396]

    asyncio.run(read())


def test_a_reader_that_is_slow_but_steady_is_served_to_the_end():
    async def read():
        buffer = Buffer(2 * 65_536, 1.0)

        def write():
            for _ in range(12):
                buffer.put(bytes(65_536))
            buffer.end()

        writing, size = asyncio.create_task(asyncio.to_thread(write)), 0
        while data := await buffer.read():
            size += len(data)
            await asyncio.sleep(0.15)  # 1.8 s in all, longer than the buffer may be full
        await writing
        assert size == 12 * 65_536

    asyncio.run(read())


def test_a_slow_reader_stops_its_own_writer_only_for_a_while():
    async def stall():
        buffer = Buffer(3, 0.05)
        buffer.put(b"full")
        with pytest.raises(ServingError, match="nothing was read"):
            await asyncio.to_thread(buffer.put, b"more")
        assert await buffer.read() == b"full"
        buffer.put(b"more")

    asyncio.run(stall())


def test_a_writer_that_waits_ends_when_the_reader_leaves():
    async def leave():
        buffer = Buffer(3, 60.0)
        buffer.put(b"full")
        writing = asyncio.create_task(asyncio.to_thread(buffer.put, b"more"))
        await asyncio.to_thread(wait_until, lambda: buffer._changed._waiters)
        buffer.close()
        with pytest.raises(Cancelled):
            await asyncio.wait_for(writing, 20)  # not after the 60 s that it may wait for room

    asyncio.run(leave())


def test_an_error_comes_after_what_was_written_before():
    async def fail():
        buffer = Buffer(100, 1.0)
        buffer.put(b"one")
        buffer.end(RuntimeError("broken"))
        assert await buffer.read() == b"one"
        with pytest.raises(RuntimeError, match="broken"):
            await buffer.read()

    asyncio.run(fail())


def test_requests_wait_in_order_and_within_bounds():
    async def wait():
        admission = Admission(1, 1, 60.0)
        started = await admission.enter()
        second = asyncio.create_task(admission.enter())
        await asyncio.sleep(0)
        with pytest.raises(ServingError, match="try again later") as full:
            await admission.enter()
        assert full.value.code.status == 429
        assert full.value.retry_after >= 1
        patient = asyncio.create_task(admission.enter(patient=True))
        admission.leave(started)
        admission.leave(await second)
        await patient
        assert (admission.running, admission.waiting) == (1, 0)

    asyncio.run(wait())


def test_items_of_batches_take_no_room_in_the_queue_from_others():
    async def wait():
        admission = Admission(1, 1, 60.0)
        started = await admission.enter()
        item = asyncio.create_task(admission.enter(patient=True))
        await asyncio.sleep(0)
        with pytest.raises(ServingError, match="1 requests wait") as full:
            admission.check_batch()
        assert full.value.code is Code.queue_full
        other = asyncio.create_task(admission.enter())
        await asyncio.sleep(0)
        assert admission.waiting == 2
        admission.leave(started)
        admission.leave(await item)
        admission.leave(await other)
        admission.check_batch()

    asyncio.run(wait())


def test_a_request_that_waits_too_long_is_refused():
    async def wait():
        admission = Admission(1, 1, 0.02)
        await admission.enter()
        with pytest.raises(ServingError) as late:
            await admission.enter()
        assert late.value.code.status == 503
        assert admission.waiting == 0

    asyncio.run(wait())


def test_the_wait_in_another_process_counts():
    async def wait():
        admission = Admission(1, 1, 60.0)
        arrived.set(time.time() - 61)
        await admission.enter()  # a free place is given, however late
        with pytest.raises(ServingError, match="within 60 s"):
            await asyncio.wait_for(admission.enter(), 5)
        arrived.set(time.time() + 100)  # the clock of the other machine is fast
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(admission.enter(), 0.05)

    asyncio.run(wait())


def test_a_request_for_many_places_is_not_overtaken_by_later_ones():
    async def wait():
        admission, order = Admission(3, 9, 60.0), []

        async def enter(name, places):
            entry = await admission.enter(places=places)
            order.append(name)
            return entry

        first = await enter("first", 1)
        many = asyncio.create_task(enter("many", 9))  # all three
        await asyncio.sleep(0)
        later = asyncio.create_task(enter("later", 1))
        await asyncio.sleep(0)
        assert order == ["first"]
        admission.leave(first)
        admission.leave(await many)
        admission.leave(await later)
        assert order == ["first", "many", "later"]
        assert admission._free == admission.places == 3

    asyncio.run(wait())


@pytest.mark.parametrize("when", ["before", "at the same moment"])
def test_a_request_that_is_cancelled_while_it_waits_keeps_no_place(when):
    async def wait():
        admission = Admission(1, 9, 60.0)
        first = await admission.enter()
        left, stays = (asyncio.create_task(admission.enter()) for _ in range(2))
        await asyncio.sleep(0)
        if when == "before":
            left.cancel()
            admission.leave(first)  # before the task knows that it is cancelled
        else:
            admission.leave(first)
            left.cancel()
        admission.leave(await stays)
        assert (admission._free, admission.waiting, admission.running) == (1, 0, 0)
        assert left.cancelled()

    asyncio.run(wait())


@pytest.mark.parametrize("speed", [0.25, 0.4, 0.5, 0.9, 1.0, 1.7, 2.0, 3.0, 4.0])
def test_stretches_reach_every_speed(speed):
    product = 1.0
    for rate in stretches(speed):
        assert 0.5 <= rate <= 2
        product *= rate
    assert product == pytest.approx(speed)


def test_a_chunk_is_late_if_the_player_has_run_dry(monkeypatch):
    times = iter([0.0, 0.5, 2.0, 2.9])
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    playback = Playback()
    assert [playback.late(1.0) for _ in range(4)] == [False, False, False, False]
    times = iter([0.0, 1.5, 2.0])
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    playback = Playback()
    assert [playback.late(1.0) for _ in range(3)] == [False, True, False]
