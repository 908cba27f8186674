"""Answers to readers that are slow, or leave. Needs no model and no socket."""

import asyncio
import socket
from types import SimpleNamespace

import pytest
from serving import running

from dia.serving.errors import Code, ServingError
from dia.serving.generation import Buffer
from dia.serving.http.protocol import Protocol
from dia.serving.http.responses import EventResponse, LongJSONResponse, SpeechResponse
from dia.serving.limits import Limits

HEADERS = {"content-type": "audio/pcm"}


def answer(make, read=None, parts=(b"a" * 100_000,), error=None, leave=None):
    """The messages of an answer; `read` is awaited with each, `leave` before the client leaves."""
    sent, stopped = [], []

    async def run():
        buffer = Buffer(10**6, 1.0)
        for part in parts:
            buffer.put(part)
        buffer.end(error)
        generation = SimpleNamespace(buffer=buffer, pieces=[], cancel=lambda: stopped.append(True))

        async def start():
            return generation

        async def send(message):
            if read is not None:
                await read(len(sent))
            sent.append(message)

        async def receive():
            await (asyncio.sleep(60) if leave is None else leave())
            return {"type": "http.disconnect"}

        await make(start)({"type": "http"}, receive, send)

    asyncio.run(run())
    assert stopped == [True]
    return sent


def test_audio_is_sent_in_slices_and_ends():
    head, *parts = answer(lambda start: SpeechResponse(start, Limits(), HEADERS))
    assert head["status"] == 200
    assert [len(part["body"]) for part in parts] == [65_536, 34_464, 0]
    assert [part["more_body"] for part in parts] == [True, True, False]


def test_json_is_sent_in_slices_and_a_reader_that_stops_is_given_up():
    async def run(read=None):
        sent = []

        async def make():
            return {"audio": "a" * 100_000}

        async def send(message):
            if read is not None:
                await read(len(sent))
            sent.append(message)

        async def receive():
            await asyncio.sleep(60)

        await LongJSONResponse(make, Limits(reader_seconds=0.2))({"type": "http"}, receive, send)
        return sent

    head, *parts = asyncio.run(run())
    assert [len(part["body"]) for part in parts] == [65_536, 34_476, 0]
    assert [part["more_body"] for part in parts] == [True, True, False]
    assert dict(head["headers"])[b"content-length"] == b"100012"
    assert len(asyncio.run(run(stuck))) == 2


async def stuck(number):
    await asyncio.sleep(60 if number == 2 else 0)


def test_a_reader_that_has_stopped_reading_is_given_up():
    sent = answer(lambda start: SpeechResponse(start, Limits(reader_seconds=0.2), HEADERS), stuck)
    assert len(sent) == 2
    assert sent[-1]["more_body"]


def test_the_whole_answer_has_a_limit():
    sent = answer(lambda start: SpeechResponse(start, Limits(stream_seconds=0.2), HEADERS), stuck)
    assert sent[-1]["more_body"]


def test_a_client_that_leaves_stops_the_answer():
    reading = asyncio.Event()

    async def read(number):
        if number == 2:
            reading.set()
        await stuck(number)

    sent = answer(lambda start: SpeechResponse(start, Limits(), HEADERS), read, leave=reading.wait)
    assert len(sent) == 2


@pytest.mark.parametrize("parts", [(), (b"a",)], ids=["before the first audio", "after it"])
def test_an_error_has_a_status_before_the_first_audio_and_is_an_event_after_it(parts):
    def make(start):
        return EventResponse(start, Limits(), HEADERS, lambda generation: {})

    head, *rest = answer(make, parts=parts, error=ServingError(Code.speech_failed, "why"))
    assert head["status"] == (200 if parts else 500)
    assert b'"speech_failed"' in rest[-1]["body"].replace(b" ", b"")
    assert (b"speech.audio.error" in rest[-1]["body"]) == bool(parts)
    assert not rest[-1].get("more_body", False)


def test_a_connection_without_a_request_is_closed(monkeypatch):
    monkeypatch.setattr(Protocol, "header_seconds", 0.1)

    async def app(scope, receive, send):
        """Nothing is asked of it."""

    with running(app, lifespan="off") as address:
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as silent:
            silent.sendall(b"GET / HTTP/1.1\r\n")
            assert silent.recv(100) == b""
