"""Servers on real sockets for tests: uvicorn in a thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import uvicorn
from waiting import wait_until

from dia.serving.errors import Code, ServingError
from dia.serving.http.protocol import Protocol

WORDS = "Good morning to all of you."
KEYS = {"message", "type", "param", "code"}


@contextmanager
def running(app: Any, **options: Any) -> Iterator[str]:
    """Serve an application at a free port; gives its address."""
    config = uvicorn.Config(app, port=0, http=Protocol, log_level="error", timeout_graceful_shutdown=1, **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def client_of(address: str, **options: Any) -> openai.OpenAI:
    """The official client for a server of ours."""
    return openai.OpenAI(base_url=f"{address}/v1", **{"api_key": "none", "max_retries": 0, **options})


def assert_error(answer: Any, status: int, code: str, param: str | None = None) -> dict[str, Any]:
    """Check the status and the shape of an error, and return it."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == KEYS
    assert (error["code"], error["param"]) == (code, param), error
    return error


def full_once(service, monkeypatch, retry_after):
    """Make the queue of a service full for the first request; returns a list that has an entry for each."""
    enter, calls = service.admission.enter, []

    async def entered(patient=False, places=1):
        calls.append(1)
        if len(calls) == 1:
            raise ServingError(Code.queue_full, "full", retry_after=retry_after)
        return await enter(patient, places)

    monkeypatch.setattr(service.admission, "enter", entered)
    return calls
