"""Wyoming over a socket, with the client of the `wyoming` package."""

import asyncio
import json
import socket

import numpy as np
import pytest
from serving import wait_until
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
    SynthesizeVoice,
)

from dia.serving.generation import Generation
from dia.serving.voices import ALIASES
from dia.serving.wyoming.server import WyomingServer
from dia.serving.wyoming.sockets import listen
from dia.version import __version__

LONG = " ".join(["The rain has stopped, and the sun is out again."] * 12)


@pytest.fixture
def port(wyoming, address):
    return wyoming[0]


def exchange(port, *events, last="audio-stop"):
    """Send events, and read until the type `last` or the end of the connection."""

    async def run():
        async with AsyncTcpClient("127.0.0.1", port, read_timeout=60) as client:
            for event in events:
                await client.write_event(event.event() if hasattr(event, "event") else event)
            found = []
            while (event := await client.read_event()) is not None:
                found.append(event)
                if event.type == last:
                    break
            return found

    return asyncio.run(run())


def received(port, data):
    """Send bytes; those of the answer, until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), 60) as one:
        one.sendall(data)
        return one.makefile("rb").read()


def answer(port, data):
    """Send bytes; the JSON of the answer: an event and its data."""
    return [json.loads(line) for line in received(port, data).replace(b"}{", b"}\n{").splitlines()]


def samples(events):
    chunks = [AudioChunk.from_event(event) for event in events if AudioChunk.is_type(event.type)]
    return np.frombuffer(b"".join(chunk.audio for chunk in chunks), "<i2"), chunks


def refused(events, code):
    assert [event.type for event in events] == ["error"]
    assert Error.from_event(events[0]).code == code
    return Error.from_event(events[0]).text


def test_describe_lists_the_voices_once(port):
    (event,) = exchange(port, Describe(), last="info")
    (program,) = Info.from_event(event).tts
    names = [voice.name for voice in program.voices]
    assert {"default", "S1", "S2", "clara", "bruno"} <= set(names)
    assert not set(ALIASES) & set(names)
    assert (program.name, program.version, program.installed) == ("dia", __version__, True)
    assert program.supports_synthesize_streaming
    assert {tuple(voice.languages) for voice in program.voices} == {("en",)}


def test_a_text_is_spoken_as_by_the_facade(port, mini, monkeypatch, service):
    monkeypatch.setattr("secrets.randbelow", lambda _: 3)
    start, *rest, stop = exchange(port, Synthesize("Yes.", SynthesizeVoice("alloy")))
    form = AudioStart.from_event(start)
    assert (form.rate, form.width, form.channels) == (mini.sample_rate, 2, 1)
    take = mini.speak("Yes.", voice=service.voices.find("alloy"), seed=3)
    found, chunks = samples(rest)
    marker = mini.watermarker(seed=3)
    marked = np.concatenate([marker.process(take.audio), marker.finish()])
    assert np.array_equal(found, (np.clip(marked, -1, 1) * 32767).round().astype("<i2"))
    assert chunks[0].timestamp == 0
    assert AudioStop.from_event(stop).timestamp == 1000 * len(found) // form.rate


def test_a_text_that_arrives_in_pieces_is_spoken_from_its_first_sentence_on(port):
    """As Home Assistant sends it: the whole text follows once more, and is not spoken again."""

    async def run():
        async with AsyncTcpClient("127.0.0.1", port, read_timeout=60) as client:
            await client.write_event(SynthesizeStart(SynthesizeVoice("clara")).event())
            for piece in ("It ra", "ins. And t", "he sun"):
                await client.write_event(SynthesizeChunk(piece).event())
            early = await client.read_event()  # before the text is complete
            await client.write_event(SynthesizeChunk(" shines.").event())
            await client.write_event(Synthesize("It rains. And the sun shines.").event())
            await client.write_event(SynthesizeStop().event())
            found = [early]
            while not SynthesizeStopped.is_type(found[-1].type):
                found.append(await client.read_event())
            return found

    events = asyncio.run(run())
    kinds = [event.type for event in events]
    assert kinds[0] == "audio-start"
    assert kinds[-2:] == ["audio-stop", "synthesize-stopped"]
    assert set(kinds[1:-2]) == {"audio-chunk"}
    found, chunks = samples(events)
    times = [chunk.timestamp for chunk in chunks]
    assert times == sorted(times)
    assert 1.0 < len(found) / chunks[0].rate < 8.0


def test_nothing_is_spoken_for_an_empty_stream(port):
    events = exchange(port, SynthesizeStart(), SynthesizeStop(), last="synthesize-stopped")
    assert [event.type for event in events] == ["synthesize-stopped"]


def test_requests_of_a_connection_are_spoken_in_order(port):
    events = exchange(
        port, Event("ping", {"text": "a"}), Event("unknown"), Synthesize("Yes."), SynthesizeStart(),
        SynthesizeChunk("No."), SynthesizeStop(), last="synthesize-stopped",
    )  # fmt: skip
    kinds = [event.type for event in events if event.type != "audio-chunk"]
    assert kinds == ["pong", "audio-start", "audio-stop", "audio-start", "audio-stop", "synthesize-stopped"]


def test_ssml_is_read_as_markup(port):
    text = '<speak>Yes.<break time="900ms"/>No.</speak>'
    events = exchange(port, Synthesize(text, text_format="ssml"))
    found, chunks = samples(events)
    rate = chunks[0].rate
    quiet = np.flatnonzero(np.convolve(found != 0, np.ones(rate * 8 // 10), "valid") == 0)
    assert len(quiet)


@pytest.mark.parametrize(
    ("event", "code", "named"),
    [
        (Synthesize("Hi.", SynthesizeVoice("clra")), "voice_not_found", "'clara'"),
        (Synthesize("Hi.", SynthesizeVoice("../../etc/passwd")), "voice_not_found", "passwd"),
        (Synthesize("Hi.", SynthesizeVoice("clara", speaker="S1")), "invalid_value", "speakers"),
        (Synthesize("Hi.", SynthesizeVoice(language="fr")), "invalid_value", "English"),
        (Synthesize("Hi.", text_format="tex"), "invalid_value", "text_format"),
        (Synthesize(" "), "invalid_value", "empty"),
        (Synthesize("…"), "invalid_value", "no words"),
        (Synthesize("a" * 20_001), "input_too_long", "20000"),
        (Event("synthesize"), "missing_parameter", "text"),
        (Event("synthesize", {"text": 5}), "invalid_value", "text"),
        (Event("synthesize", {"text": "Hi.", "voice": "clara"}), "invalid_value", "voice"),
        (Event("synthesize", {"text": "Hi.", "voice": {"name": 5}}), "invalid_value", "voice.name"),
        (Event("synthesize", {"text": "Hi.", "text_format": []}), "invalid_value", "text_format"),
        (SynthesizeChunk("Hi."), "invalid_value", "synthesize-start"),
        (SynthesizeStop(), "invalid_value", "synthesize-start"),
    ],
    ids=lambda value: None if isinstance(value, str) else "",
)
def test_a_wrong_event_is_an_error_and_ends_the_connection(port, event, code, named):
    assert named in refused(exchange(port, event), code)


def test_a_second_text_while_one_arrives_is_an_error(port):
    refused(exchange(port, SynthesizeStart(), SynthesizeStart()), "invalid_value")


def test_requests_that_wait_in_a_connection_are_limited(port, idle):
    request = json.dumps({"type": "synthesize", "data": {"text": LONG}}).encode() + b"\n"
    assert b'"queue_full"' in received(port, request * 12)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "invalid_json"),
        (b"[1]\n", "invalid_json"),
        (b"[" * 100_000 + b"\n", "invalid_json"),
        (b"\xff\n", "invalid_json"),
        (b"{}\n", "missing_parameter"),
        (b'{"type": "describe", "data": 5}\n', "invalid_value"),
        (b'{"type": "describe", "data_length": 99999999999}\n', "body_too_large"),
        (b'{"type": "describe", "payload_length": 99999999999}\n', "body_too_large"),
        (b'{"type": "describe", "data_length": -1}\n', "invalid_value"),
        (b'{"type": "describe", "data_length": "1"}\n', "invalid_value"),
        (b'{"type": "describe", "data_length": 3}\n[1]', "invalid_json"),
        (b'{"type": "synthesize", "data": {"text": "\\ud800"}}\n', "invalid_value"),
        (b'{"type": "synthesize-start", "data": {"voice": {"name": "\\ud800"}}}\n', "invalid_value"),
        (b"a" * 300_000, "body_too_large"),
    ],
)
def test_what_is_no_event_is_an_error(port, data, code):
    header, error = answer(port, data)
    assert (header["type"], error["code"]) == ("error", code)


def test_a_payload_is_skipped(port):
    (event,) = exchange(port, Event("describe", payload=bytes(100_000)), last="info")
    assert event.type == "info"


def test_a_client_that_leaves_frees_its_slot(port, service, idle):
    before = service.metrics.cancelled._value.get()

    async def leave():
        client = AsyncTcpClient("127.0.0.1", port)
        await client.connect()
        await client.write_event(Synthesize(LONG).event())
        await client.read_event()
        assert service.admission.running == 1
        client._writer.transport.abort()

    asyncio.run(leave())
    wait_until(lambda: service.admission.running == 0)
    assert service.metrics.cancelled._value.get() == before + 1  # it has not come to its end
    assert service.engine.load().live == 0


def test_a_failure_in_mid_stream_is_an_error_without_details(port, monkeypatch):
    whole = Generation._sound

    def broken(self):
        yield next(whole(self))
        raise RuntimeError("a secret of the server")

    monkeypatch.setattr(Generation, "_sound", broken)
    *audio, last = exchange(port, Synthesize("Yes."))
    assert "audio-stop" not in [event.type for event in audio]
    assert Error.from_event(last).code == "internal_error"
    assert "secret" not in Error.from_event(last).text


def test_a_silent_connection_is_closed_unless_it_waits_for_speech(port, service, monkeypatch, idle):
    monkeypatch.setattr(service, "limits", type(service.limits)(idle_seconds=0.5))
    assert answer(port, b"") == []
    assert exchange(port, Synthesize("The rain has stopped, and the sun is out again. " * 3))[-1].type == "audio-stop"


def test_no_more_clients_than_the_limit_are_served(port, service, monkeypatch):
    monkeypatch.setattr(service, "limits", type(service.limits)(open_requests=0))
    refused(exchange(port, Describe()), "overloaded")


def test_requests_are_counted(port, http, service):
    exchange(port, Synthesize("Yes."))
    exchange(port, Synthesize(" "))
    wait_until(lambda: 'dia_requests_total{route="wyoming",status="400"}' in http.get("/metrics").text)
    assert 'dia_requests_total{route="wyoming",status="200"}' in http.get("/metrics").text


def test_connections_end_with_the_server(service, address):
    async def run():
        sockets = listen("127.0.0.1", 0)
        async with AsyncTcpClient("127.0.0.1", sockets[0].getsockname()[1], read_timeout=10) as client:
            async with WyomingServer(service, sockets):
                await client.write_event(Event("ping"))
                assert (await client.read_event()).type == "pong"
            assert await client.read_event() is None

    asyncio.run(run())


def test_a_port_in_use_is_an_error_that_names_it(port):
    with pytest.raises(OSError, match="in use") as caught:
        listen("127.0.0.1", port)
    assert caught.value.filename == f"127.0.0.1:{port}"


def test_an_address_that_the_machine_lacks_is_skipped_if_there_is_another(monkeypatch):
    """`localhost` names ::1 also where IPv6 is turned off."""
    lacking, here = ((socket.AF_INET, 1, 6, "", (host, 0)) for host in ("192.0.2.1", "127.0.0.1"))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [lacking, here])
    (found,) = listen("name", 0)
    assert found.getsockname()[0] == "127.0.0.1"
    found.close()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [lacking])
    with pytest.raises(OSError, match="assign"):
        listen("name", 0)
