"""Connections that stall, a full disk, odd requests. Long runs: `benchmarks/serving`."""

import json
import logging
import resource
import socket
import time
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

import httpx
import pytest
from serving import WORDS, assert_error, running

from dia.serving.http.protocol import Protocol
from tests.fuzz import http_requests

VOICES = "/v1/audio/voices"
FIELDS = {"name": "Full", "transcript": f"[S1] {WORDS}", "consent": "the model's own voice"}


@contextmanager
def files_of_at_most(size):
    """No file of this process grows beyond so many bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 100], ids=["nothing", "a part"])
def test_a_full_disk_is_an_error_that_may_pass_and_leaves_nothing(http, service, recording, size):
    files = {"audio_sample": ("a.wav", recording, "audio/wav")}
    with files_of_at_most(size):
        answer = http.post(VOICES, data=FIELDS, files=files)
    assert_error(answer, 503, "storage_failed")
    left = [path.name for path in service.voices.folder.glob("*")] if service.voices.folder.exists() else []
    assert not [name for name in left if "full" in name]
    assert http.post(VOICES, data=FIELDS, files=files).status_code == 200
    assert http.delete(f"{VOICES}/full").status_code == 200


def test_what_a_killed_server_has_left_is_no_voice(http, service):
    left = service.voices.folder / ".cut.safetensors.0123abcd.partial"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"half")
    assert not [voice for voice in http.get(VOICES).json()["voices"] if "cut" in voice["id"]]
    left.unlink()


def connected(stack, address, content):
    place = urlsplit(address)
    connection = stack.enter_context(socket.create_connection((place.hostname, place.port), 10))
    connection.sendall(content)
    return connection


def test_the_oldest_silent_connection_makes_room_for_a_new_client(monkeypatch):
    monkeypatch.setattr(Protocol, "most_connections", 10)

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    with running(app, lifespan="off") as address, ExitStack() as stack:
        stalled = [connected(stack, address, b"GET / HTTP/1.1\r\n"[: number % 5]) for number in range(30)]
        for _ in range(3):
            assert httpx.get(address).text == "ok"
        with suppress(ConnectionError):
            assert stalled[0].recv(10) == b""
        stalled[-1].settimeout(0.05)
        with pytest.raises(TimeoutError):
            stalled[-1].recv(10)


def test_clients_that_stall_keep_nobody_waiting(http, address, idle):
    body = json.dumps({"model": "dia", "input": WORDS, "voice": "default"}).encode()
    head = f"POST /v1/audio/speech HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
    with ExitStack() as stack:
        for number in range(60):
            connected(stack, address, (b"", head.encode(), head.encode() + b"\r\n" + body[:-3])[number % 3])
        began = time.monotonic()
        assert http.post("/v1/audio/speech", json=json.loads(body)).status_code == 200
        assert time.monotonic() - began < 20


def test_odd_requests_are_refused_by_the_catalogue_and_leave_no_words_in_the_log(http, caplog):
    counts = Counter()
    with caplog.at_level(logging.INFO, "dia.serving"):
        found = list(http_requests.faults(http, http_requests.drawn(40, 0), counts))
    assert found == []
    assert http_requests.MARK not in caplog.text
    assert counts[400] > 10
    assert counts[200]
