"""What every request passes: host, origin, key, size, time and id. Needs no model."""

import asyncio

import httpx
import pytest
from serving import assert_error
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router

from dia.serving.http.gate import Access, Gate
from dia.serving.limits import Limits
from dia.serving.metrics import Metrics

LIMITS = Limits(body_bytes=1000, bodies_bytes=1500)
LOOPBACK = Access(hosts=("localhost", "127.0.0.1", "::1"))


async def length(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def broken(request: Request) -> PlainTextResponse:
    raise RuntimeError("a secret of the server")


OPEN = ("/", "/health", "/page/app.js")
INNER = Router(
    routes=[
        Route("/length", length, methods=["GET", "POST"]),
        *(Route(path, length) for path in OPEN),
        Route("/broken", broken),
    ]
)


def ask(access=LOOPBACK, path="/length", method="GET", limits=LIMITS, **options):
    """One request to a gate."""

    async def asked():
        gate = Gate(INNER, access, limits, Metrics())
        transport = httpx.ASGITransport(gate)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, **options)

    return asyncio.run(asked())


def test_health_is_answered_although_too_many_requests_are_open():
    assert_error(ask(limits=Limits(open_requests=0)), 503, "overloaded")
    assert ask(path="/health", limits=Limits(open_requests=0)).status_code == 200


def endless():
    async def parts():
        while True:
            await asyncio.sleep(0.01)
            yield b"a"

    return parts()


def large(size=2000):
    async def parts():
        for _ in range(size // 100):
            yield b"a" * 100

    return parts()


def test_a_body_within_the_limits_arrives_whole():
    assert ask(method="POST", content=b"a" * 1000).text == "1000"
    assert ask(method="POST", content=large(900)).text == "900"
    assert ask().text == "0"


def test_a_large_body_is_refused_whether_it_states_its_length_or_not():
    assert_error(ask(method="POST", content=b"a" * 1001), 413, "body_too_large")
    assert_error(ask(method="POST", content=large()), 413, "body_too_large")
    assert_error(ask(method="POST", content=b"a", headers={"content-length": "9" * 30}), 413, "body_too_large")


def test_all_bodies_together_have_a_limit():
    answer = ask(method="POST", content=b"a" * 900, limits=Limits(body_bytes=1000, bodies_bytes=800))
    assert_error(answer, 503, "overloaded")
    assert answer.headers["retry-after"] == "1"


def test_a_body_that_never_ends_is_given_up():
    assert_error(ask(method="POST", content=endless(), limits=Limits(body_seconds=0.05)), 408, "body_timeout")


def test_open_requests_have_a_limit():
    assert_error(ask(limits=Limits(open_requests=0)), 503, "overloaded")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "192.168.0.2:8000", "[::1"])
def test_another_host_is_refused(host):
    assert_error(ask(headers={"host": host}), 400, "invalid_host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000"])
def test_names_of_this_machine_are_hosts(host):
    assert ask(headers={"host": host}).status_code == 200


def test_a_public_server_has_any_host():
    assert ask(Access("key"), headers={"host": "any.example", "authorization": "Bearer key"}).status_code == 200


def test_pages_of_other_sites_may_not_write():
    assert_error(ask(method="POST", headers={"origin": "https://evil.example"}), 403, "origin_not_allowed")
    assert_error(ask(method="POST", headers={"origin": "null"}), 403, "origin_not_allowed")
    assert ask(method="POST", headers={"origin": "http://localhost:8000"}).status_code == 200


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer wrong", "Basic key", "key", "Bearer kéy", "Bearer keykey"]
)
def test_a_wrong_key_is_refused(given):
    headers = {} if given is None else {"authorization": given.encode("latin-1")}
    answer = ask(Access("key"), headers=headers)
    assert_error(answer, 401, "invalid_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_the_right_key_passes():
    assert ask(Access("key"), headers={"authorization": "bearer key"}).status_code == 200


@pytest.mark.parametrize("path", OPEN)
def test_probes_and_the_page_need_no_key(path):
    assert ask(Access("key"), path=path).status_code == 200


@pytest.mark.parametrize(("given", "kept"), [("my-id.1", True), ("a b", False), ("a" * 65, False), ("é", False)])
def test_a_request_has_an_id(given, kept):
    answer = ask(headers={"x-request-id": given.encode("latin-1")})
    assert (answer.headers["x-request-id"] == given) == kept
    assert len(answer.headers["x-request-id"]) > 5


def test_an_internal_error_tells_nothing():
    answer = ask(path="/broken")
    assert_error(answer, 500, "internal_error")
    assert "secret" not in answer.text
