"""Requests that are passed on to other processes. Generators stand for the processes."""

import asyncio
import json
import time

import httpx
import pytest

from dia.distributed.relay import Relay, answer_of
from dia.serving.admission import arrived
from dia.serving.http.gate import Access, Gate
from dia.serving.limits import Limits
from dia.serving.metrics import Metrics


class Lost(Exception):
    """A process has ended."""


def start(kind="audio/pcm"):
    return {"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind.encode())]}


def part(data, more=True):
    return {"type": "http.response.body", "body": data, "more_body": more}


def process(*messages):
    """A process that sends messages; one that is an exception ends it."""

    async def answer(scope, body):
        for message in messages:
            if isinstance(message, Exception):
                raise message
            yield message

    return answer


def asked(*processes, method="POST", content=b"hello"):
    """The answer to a request, and how many processes were asked."""
    numbers = []

    def ask(scope, body):
        numbers.append(body)
        return processes[min(len(numbers), len(processes)) - 1](scope, body)

    async def run():
        relay = Relay(ask, lambda error: isinstance(error, Lost))
        transport = httpx.ASGITransport(Gate(relay, Access(), Limits(), Metrics()), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, "/speech", content=content)

    return asyncio.run(run()), numbers


def test_an_answer_passes_through():
    answer, bodies = asked(process(start(), part(b"one"), part(b"two", more=False)))
    assert (answer.content, answer.headers["content-type"], bodies) == (b"onetwo", "audio/pcm", [b"hello"])
    assert len(answer.headers.get_list("x-request-id")) == 1


def test_another_process_answers_if_one_is_lost_before_its_first_message():
    answer, bodies = asked(process(Lost()), process(Lost()), process(start(), part(b"x", more=False)))
    assert (answer.content, bodies) == (b"x", [b"hello"] * 3)


def test_a_request_fails_once_all_tries_are_lost():
    answer, bodies = asked(process(Lost()))
    assert (answer.status_code, answer.json()["error"]["code"], len(bodies)) == (503, "replica_lost", 4)
    assert answer.headers["x-should-retry"] == "true"


def test_a_process_that_is_lost_in_mid_answer_is_an_event():
    answer, bodies = asked(process(start("text/event-stream; charset=utf-8"), part(b"data: {}\n\n"), Lost()))
    last = json.loads(answer.text.split("data: ")[-1])
    assert (last["type"], last["error"]["code"], len(bodies)) == ("speech.audio.error", "replica_lost", 1)


def test_a_process_that_is_lost_in_mid_answer_leaves_audio_without_its_end():
    sent, received = [], []

    async def run():
        async def send(message):
            sent.append(message)

        async def receive():
            received.append(1)
            if len(received) == 1:
                return {"type": "http.request", "body": b"", "more_body": False}
            return await asyncio.Event().wait()

        relay = Relay(process(start(), part(b"one"), Lost()), lambda error: isinstance(error, Lost))
        await relay({"type": "http", "method": "GET", "path": "/"}, receive, send)

    asyncio.run(run())
    assert sent == [start(), part(b"one")]


def test_an_error_of_the_process_is_no_loss():
    answer, bodies = asked(process(RuntimeError("secret")))
    assert len(bodies) == 1
    assert answer.status_code >= 400
    assert "secret" not in answer.text


def test_a_client_that_leaves_ends_the_answer_of_the_process():
    async def run():
        ended = asyncio.Event()

        async def application(scope, receive, send):
            try:
                await send(start())
                await asyncio.sleep(60)
            finally:
                ended.set()

        left = asyncio.Event()

        async def receive():
            if not left.is_set():
                left.set()
                return {"type": "http.request", "body": b"", "more_body": False}
            await asyncio.sleep(0.05)
            return {"type": "http.disconnect"}

        async def send(message):
            """Nobody reads it."""

        relay = Relay(lambda scope, body: answer_of(application, scope, body), lambda error: False)
        await relay({"type": "http", "method": "GET", "path": "/"}, receive, send)
        await asyncio.wait_for(ended.wait(), 5)

        return ended.is_set()

    assert asyncio.run(run())


def test_the_messages_of_an_application_are_handed_over_as_they_come():
    async def application(scope, receive, send):
        body = (await receive())["body"]
        await send(start())
        for number in range(40):
            await send(part(body + bytes([number]), more=number < 39))

    async def run():
        return [message async for message in answer_of(application, {"type": "http"}, b"a")]

    messages = asyncio.run(run())
    assert len(messages) == 41
    assert messages[-1] == part(b"a" + bytes([39]), more=False)


def test_the_time_when_a_request_arrived_is_handed_over_and_kept_for_the_next_process():
    times = []

    async def application(scope, receive, send):
        times.append(arrived.get())
        await send(start())
        await send(part(b"", more=False))

    async def remote(scope, body):
        if len(times) < 2:
            times.append(scope["dia.arrived"])
            raise Lost
        async for message in answer_of(application, scope, body):
            yield message

    before = time.time()
    asked(remote)
    assert times[0] == times[1] == times[2]
    assert before <= times[0] <= time.time()
    assert arrived.get() is None


def test_an_error_of_an_application_comes_after_its_messages():
    async def application(scope, receive, send):
        await send(start())
        raise KeyError("x")

    async def run():
        messages = answer_of(application, {"type": "http"}, b"")
        assert (await anext(messages))["status"] == 200
        with pytest.raises(KeyError):
            await anext(messages)

    asyncio.run(run())
