"""Sends odd requests to a running `dia serve`: fields, damaged JSON, forms, paths, headers and raw bytes.

    dia serve --port 8000 2> server.log
    python -m tests.fuzz.http_requests http://127.0.0.1:8000 --count 10000 --seed 0 --log server.log

Every answer must be a success or an error of the catalogue: never 500, and never a traceback. The words of the
requests must not be in the server's log. `--only KIND:SEED` sends one request again. Uses no code of the server.
"""

import argparse
import base64
import json
import random
import re
import socket
import string
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from tests.fuzz.values import hostile, script

MARK = "Xylophone"  # a word of every text; the log must not have it
SPEECH = "/v1/audio/speech"
KEYS = {"message", "type", "param", "code"}
REFUSED = {"overloaded", "queue_full", "not_ready", "out_of_memory", "storage_failed"}  # 429 and 503 that may pass
SECONDS = 600.0  # for an answer; the machine may be busy
PATHS = ("/", "/health", "/ready", "/metrics", "/docs", "/openapi.json", "/v1/models", "/v1/audio/voices", SPEECH)
FIELDS = (
    *("model", "input", "voice", "voices", "turns", "inputs", "instructions", "response_format", "speed", "seed"),
    *("sample_rate", "temperature", "top_p", "top_k", "guidance_scale", "ref_audio", "ref_text", "language"),
    *("word_timestamps", "normalize", "text_format", "retries", "best_of", "stream_format", "items", "sead", ""),
)


@dataclass(frozen=True)
class Sent:
    """A request; with `raw`, bytes instead of one."""

    method: str = "POST"
    path: str = SPEECH
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None
    files: dict[str, Any] | None = None
    data: dict[str, str] | None = None
    raw: bytes = b""


def words(draw: random.Random) -> str:
    """A text with the mark."""
    return f"{MARK} {script(draw)}"[: draw.choice([20, 60, 60, 200])]


def value(draw: random.Random, name: str) -> Any:
    """A value for a field of JSON: a valid one, or one of any type."""
    valid: dict[str, Callable[[], Any]] = {
        "model": lambda: "tts-1",
        "input": lambda: words(draw),
        "voice": lambda: draw.choice(["default", "S2", {"id": "clara"}, MARK]),
        "voices": lambda: {draw.choice(["S1", "S2", "S3"]): draw.choice(["default", "clara", MARK])},
        "turns": lambda: (
            [{"text": words(draw), "voice": draw.choice(["S1", "S2", "x"])}] * draw.choice([0, 1, 2, 1001])
        ),
        "items": lambda: [{"input": words(draw)}] * draw.choice([0, 1, 2, 65]),
        "response_format": lambda: draw.choice(["mp3", "opus", "aac", "flac", "wav", "pcm"]),
        "stream_format": lambda: draw.choice(["audio", "sse"]),
        "ref_audio": lambda: base64.b64encode(draw.randbytes(draw.choice([0, 3, 100, 5000]))).decode(),
        "ref_text": lambda: MARK,
        "text_format": lambda: draw.choice(["plain", "markdown", "html"]),
        "language": lambda: draw.choice(["en", "fr"]),
    }
    if name in valid and draw.random() < 0.5:
        return valid[name]()
    return plain(hostile(draw))


def plain(given: Any) -> Any:
    """A value as JSON can hold it."""
    if isinstance(given, dict):
        return {str(key): plain(one) for key, one in given.items()}
    if isinstance(given, list | tuple | set):
        return [plain(one) for one in given]
    return given if isinstance(given, str | int | float | bool | None) else repr(given)


def fields(draw: random.Random) -> Sent:
    """JSON with some wrong fields."""
    body: dict[str, Any] = {"model": "tts-1", "input": f"{MARK}.", "voice": "default"}
    path = draw.choice([SPEECH, SPEECH, f"{SPEECH}/preview", f"{SPEECH}/preview", f"{SPEECH}/batch"])
    if path.endswith("preview"):
        del body["model"]
    if path.endswith("batch"):
        body["items"] = [{"input": body.pop("input")}]
    for name in draw.sample(FIELDS, draw.choice([1, 1, 2, 4])):
        if draw.random() < 0.1:
            body.pop(name, None)
        else:
            body[name] = value(draw, name)
    return Sent(path=path, headers={"content-type": "application/json"}, content=_json(body))


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()  # NaN and infinity as Python writes them, lone surrogates as escapes


def damaged(draw: random.Random) -> Sent:
    """JSON that is cut, changed, too deep, too large or of another encoding."""
    body = _json({"model": "tts-1", "input": words(draw), "voice": "default"})
    changes: list[Callable[[], bytes]] = [
        lambda: body[: draw.randrange(len(body))],
        lambda: bytes(byte if draw.random() > 0.05 else draw.randrange(256) for byte in body),
        lambda: b"[" * draw.choice([10, 1000, 200_000]),
        lambda: b'{"input":' * draw.choice([10, 1000, 100_000]),
        lambda: b'{"model":"tts-1","voice":"default","input":"x","seed":' + b"9" * draw.choice([30, 5000]) + b"}",
        lambda: body.decode().encode(draw.choice(["utf-16", "utf-32", "utf-8-sig"])),
        lambda: draw.choice([b"", b"null", b"[]", b'"x"', b"1", b"{}", b"\0", b"NaN", b"\xff\xfe"]),
        lambda: b'{"input":"' + MARK.encode() + b"\xed\xa0\x80" + b'"}',
        lambda: body[:-1] + b"," + body[1:],
    ]
    kind = draw.choice(
        ["application/json"] * 5 + ["text/plain", "", "application/json; charset=utf-16", "multipart/form-data"]
    )
    path = draw.choice([SPEECH, f"{SPEECH}/batch", f"{SPEECH}/preview", "/v1/audio/voices"])
    return Sent(path=path, headers={"content-type": kind}, content=draw.choice(changes)())


def forms(draw: random.Random) -> Sent:
    """An upload of a voice with odd fields. The recording is never valid, so nothing is saved."""
    data = {"name": MARK, "transcript": MARK, "consent": f"{MARK} agreed"}
    for name in draw.sample(sorted(data), draw.choice([0, 1, 2])):
        data[name] = draw.choice(["", "../../x", "a\0b", "é" * 300, "y" * 5000, " ", "x\r\nheader: y"])
        if draw.random() < 0.3:
            del data[name]
    head = draw.choice(
        [b"", b"RIFF\xff\xff\xff\xffWAVEfmt ", b"fLaC", b"OggS\0\2", b"ID3\4", b"\x1aE\xdf\xa3", b"\0\0\0 ftypM4A "]
    )
    sample = (
        draw.choice(["a.wav", "../../a", "", 'a"b']),
        head + draw.randbytes(draw.choice([0, 10, 4000])),
        "audio/wav",
    )
    return Sent(path="/v1/audio/voices", data=data, files={} if draw.random() < 0.1 else {"audio_sample": sample})


def paths(draw: random.Random) -> Sent:
    """Another address or method."""
    text = draw.choice(
        [MARK, "..", "%2e%2e%2f", "%00", "é", "a" * 3000, "%", "?", "//", "%ff", "tts-1", "S1", "clara"]
    )
    path = draw.choice(
        [
            *PATHS,
            f"/v1/models/{quote(text)}",
            f"/v1/models/{text}",
            f"/v1/audio/voices/{quote(text)}",
            f"/page/{text}",
            f"/{text}",
        ]
    )
    method = draw.choice(["GET", "GET", "HEAD", "PUT", "PATCH", "OPTIONS", "DELETE", "TRACE", "POST", "BREW"])
    return Sent(method, path, headers={"x-request-id": draw.choice(["a", "a b", "é", "x" * 100])})


def headers(draw: random.Random) -> Sent:
    """A preview with odd headers."""
    name = draw.choice(
        ["content-length", "content-type", "transfer-encoding", "host", "authorization", "accept", "range", "expect"]
    )
    text = draw.choice(
        [
            "",
            "0",
            "-1",
            "1e9",
            "9" * 50,
            "chunked",
            "gzip",
            "a" * 5000,
            "evil.example",
            "Bearer " + MARK,
            "100-continue",
        ]
    )
    body = _json({"input": f"{MARK}.", "voice": "default"})
    lines = [f"POST {SPEECH}/preview HTTP/1.1", "Connection: close", f"{name}: {text}"]
    lines += [] if name == "host" else ["Host: 127.0.0.1"]
    lines += [] if name == "content-length" else [f"Content-Length: {len(body)}"]
    lines += [] if name == "content-type" else ["Content-Type: application/json"]
    return Sent(raw="\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)


def raw(draw: random.Random) -> Sent:
    """Bytes that are hardly HTTP."""
    good = f"GET /v1/models/{MARK} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    choices: list[Callable[[], bytes]] = [
        lambda: draw.randbytes(draw.choice([1, 10, 1000])),
        lambda: bytes(byte if draw.random() > 0.1 else draw.randrange(256) for byte in good),
        lambda: good[: draw.randrange(len(good))],
        lambda: b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000,
        lambda: b"GET /" + b"a" * 200_000,
        lambda: good.replace(b"GET", "".join(draw.choices(string.printable, k=5)).encode()),
    ]
    return Sent(raw=draw.choice(choices)())


KINDS: dict[str, Callable[[random.Random], Sent]] = {
    "fields": fields,
    "damaged": damaged,
    "forms": forms,
    "paths": paths,
    "headers": headers,
    "raw": raw,
}
WEIGHTS = (10, 4, 2, 3, 1, 1)


def drawn(count: int, seed: int) -> list[tuple[str, int]]:
    """Draw kinds of requests and their seeds."""
    draw = random.Random(seed)
    return [(name, draw.randrange(2**32)) for name in draw.choices(list(KINDS), WEIGHTS, k=count)]


def answered(client: httpx.Client, sent: Sent) -> tuple[int, bytes]:
    """The status and the body of the answer; 0 if the connection was closed without one."""
    if sent.raw:
        return _raw_answer(client, sent.raw)
    with client.stream(
        sent.method, sent.path, headers=sent.headers, content=sent.content, files=sent.files, data=sent.data
    ) as answer:
        return answer.status_code, answer.read()


def _raw_answer(client: httpx.Client, content: bytes) -> tuple[int, bytes]:
    place = urlsplit(str(client.base_url))
    found = b""
    # Errors: the server has closed the connection.
    with suppress(OSError), socket.create_connection((place.hostname, place.port), SECONDS) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        while data := connection.recv(65_536):
            found += data
    head, _, body = found.partition(b"\r\n\r\n")
    status = re.match(rb"HTTP/1\.1 (\d{3})", head)
    return int(status[1]) if status else 0, body


def fault(status: int, body: bytes, sent: Sent) -> str:
    """What is wrong with an answer; empty if nothing is."""
    if b"Traceback" in body or b"site-packages" in body:
        return "the answer has a traceback"
    if status < 400 or sent.raw or sent.method == "HEAD":
        return "" if status < 500 else f"status {status}: {body[:200]!r}"
    try:
        error = json.loads(body)["error"]
        code = error["code"]
    except (ValueError, KeyError, TypeError):
        return f"status {status} has another shape: {body[:200]!r}"
    if set(error) != KEYS:
        return f"status {status} lacks a key: {error}"
    if status >= 500 and code not in REFUSED:
        return f"status {status}: {error}"
    return ""


def faults(client: httpx.Client, inputs: list[tuple[str, int]], counts: Counter[int]) -> Iterator[str]:
    """Send requests; yields what is wrong with their answers."""
    for name, seed in inputs:
        sent = KINDS[name](random.Random(seed))
        try:
            status, body = answered(client, sent)
        except (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeError):  # the client refuses to send it
            counts[-1] += 1
            continue
        except httpx.TransportError as error:
            yield f"{name}:{seed}: {type(error).__name__}: {error}"
            continue
        counts[status] += 1
        if found := fault(status, body, sent):
            yield f"{name}:{seed}: {found}"


def main() -> int:
    """Send many requests, and print what is wrong. Returns 1 if something is."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("address", help="of the server, such as http://127.0.0.1:8000")
    options.add_argument("--count", type=int, default=10_000, help="number of requests")
    options.add_argument("--seed", type=int, default=0, help="seed of the requests")
    options.add_argument("--only", nargs="*", default=[], metavar="KIND:SEED", help="send only these")
    options.add_argument("--log", type=Path, help="the server's log, which must not have the words of the requests")
    arguments = options.parse_args()
    chosen = [(name, int(seed)) for name, _, seed in (one.partition(":") for one in arguments.only)]
    counts, bad, began = Counter[int](), 0, time.monotonic()
    with httpx.Client(base_url=arguments.address, timeout=SECONDS) as client:
        for line in faults(client, chosen or drawn(arguments.count, arguments.seed), counts):
            print(line, flush=True)
            bad += 1
        alive = client.get("/health").status_code == 200
    leaked = arguments.log is not None and MARK.encode() in arguments.log.read_bytes()
    print({{-1: "not sent", 0: "closed"}.get(one, one): counts[one] for one in sorted(counts)})
    print(f"{bad} faults in {time.monotonic() - began:.0f} s; alive: {alive}; words in the log: {leaked}")
    return int(bool(bad) or not alive or leaked)


if __name__ == "__main__":
    sys.exit(main())
