"""The tools for language models, with the client of the `mcp` package: in the process, and over standard streams."""

import asyncio
import base64
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from mcp import Client, StdioServerParameters
from serving import wait_until

from dia.audio.files import decode, read
from dia.serving.limits import ANSWER_CHARACTERS
from dia.serving.mcp import _Input, make_server
from dia.serving.service import Service

LONG = " ".join(["The rain has stopped, and the sun is out again."] * 12)


@pytest.fixture(scope="module")
def service(mini, tmp_path_factory):
    """One of its own, since the one of HTTP belongs to another event loop."""
    service = Service(mini, voices=tmp_path_factory.mktemp("voices"))
    yield service
    service.close()


def call(server, tool, progress=None, **arguments):
    async def run():
        async with Client(server) as client:
            return await client.call_tool(tool, arguments, progress_callback=progress)

    return asyncio.run(run())


def refused(answer):
    assert answer.is_error
    (text,) = answer.content
    return text.text


def test_the_tools_say_what_they_take(service):
    async def run():
        async with Client(make_server(service)) as client:
            return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in asyncio.run(run())}
    assert set(tools) == {"synthesize", "list_voices", "describe"}
    fields = tools["synthesize"].input_schema["properties"]
    assert set(fields) == {"text", "voice", "format", "speed", "seed", "text_format"}
    assert (fields["speed"]["minimum"], fields["speed"]["maximum"]) == (0.25, 4)
    assert tools["synthesize"].input_schema["required"] == ["text"]
    assert "consent" in tools["synthesize"].description
    assert "\n  " not in tools["synthesize"].description


def test_speech_is_returned_as_by_the_facade(service, mini):
    heard = []

    async def progress(seconds, total, message):
        heard.append(seconds)

    answer = call(make_server(service), "synthesize", progress, text="Yes.", voice="clara", seed=3, format="flac")
    text, audio = answer.content
    take = mini.speak("Yes.", voice=service.voices.find("clara"), seed=3)
    sound = decode(base64.b64decode(audio.data))
    assert (audio.mime_type, sound.rate) == ("audio/flac", mini.sample_rate)
    assert len(sound.samples) == len(take.audio)
    facts = answer.structured_content
    assert (facts["seed"], facts["format"]) == (3, "flac")
    assert facts["duration_seconds"] == pytest.approx(take.seconds, abs=0.001)
    assert "seed 3" in text.text
    assert heard == sorted(heard)
    assert heard


def test_a_folder_receives_files_and_the_answer_their_paths(service, tmp_path):
    server = make_server(service, tmp_path / "new")
    paths = [call(server, "synthesize", text="Yes.", seed=3).structured_content["path"] for _ in range(2)]
    assert sorted(map(str, (tmp_path / "new").iterdir())) == sorted(paths)
    assert len(set(paths)) == 2
    assert read(paths[0])[1] == service.model.sample_rate


def test_voices_and_signs_are_described(service):
    voices = call(make_server(service), "list_voices").structured_content["result"]
    assert voices[:3] == ["default", "S1", "S2"]
    assert "alloy" not in voices
    about = call(make_server(service), "describe").structured_content
    assert about["characters"] == ANSWER_CHARACTERS
    assert "(laughs)" in about["sounds"]
    assert "consent" in about["ethics"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "text"),
        ({"text": " "}, "invalid_value: input is empty"),
        ({"text": "…"}, "invalid_value"),
        ({"text": 5}, "text"),
        ({"text": "a" * (ANSWER_CHARACTERS + 1)}, f"input_too_long: the text has {ANSWER_CHARACTERS + 1}"),
        ({"text": "Hi.", "voice": "clra"}, "did you mean 'clara'"),
        ({"text": "Hi.", "voice": "a" * 300}, "voice"),
        ({"text": "Hi.", "format": "ogg"}, "format"),
        ({"text": "Hi.", "speed": 9}, "must be a number from 0.25 to 4"),
        ({"text": "Hi.", "seed": 2**65}, "seed"),
    ],
)
def test_a_wrong_argument_is_an_error_for_the_language_model(service, arguments, message):
    assert message in refused(call(make_server(service), "synthesize", **arguments))


def test_a_folder_takes_longer_texts_and_still_has_a_limit(service, tmp_path):
    text = refused(call(make_server(service, tmp_path), "synthesize", text="a" * 20_001))
    assert "20000 are allowed" in text


def test_errors_have_no_details_of_the_server(service, monkeypatch):
    monkeypatch.setattr(service, "start", lambda *_: {}["a secret of the server"])
    assert "secret" not in refused(call(make_server(service), "synthesize", text="Hi."))


def test_a_cancelled_call_frees_its_slot(service):
    async def run():
        begun, before = asyncio.Event(), service.metrics.cancelled._value.get()

        async def progress(*_):
            begun.set()

        async with Client(make_server(service)) as client:
            speaking = asyncio.create_task(client.call_tool("synthesize", {"text": LONG}, progress_callback=progress))
            await begun.wait()
            speaking.cancel()
            await asyncio.to_thread(wait_until, lambda: service.metrics.cancelled._value.get() == before + 1)
            assert service.engine.load().live == 0

    asyncio.run(run())


def test_a_signal_can_end_a_read_of_standard_input():
    kept, (source, client) = os.dup(0), os.pipe()
    os.dup2(source, 0)
    try:
        given = _Input()
        os.write(client, b"hello")
        assert os.read(0, 100) == b"hello"
        with ThreadPoolExecutor(1) as reader:
            waiting = reader.submit(os.read, 0, 100)
            given.close()
            assert waiting.result(5.0) == b""
    finally:
        os.dup2(kept, 0)
        for one in (kept, source, client):
            os.close(one)
    given.thread.join(5.0)
    assert not given.thread.is_alive()


def test_the_command_serves_on_standard_streams(tmp_path):
    command = ["-m", "dia", "mcp", "--model", "mini", "--output", str(tmp_path / "speech"), "--slots", "2"]
    server = StdioServerParameters(
        command=sys.executable, args=[*command, "--voices", str(tmp_path)], env={"PYTHONPATH": ":".join(sys.path)}
    )

    async def run():
        async with Client(server) as client:
            assert client.server_info.name == "dia"
            return await client.call_tool("synthesize", {"text": "[S1] Yes. [S2] No.", "seed": 3})

    answer = asyncio.run(run())
    assert not answer.is_error
    assert read(answer.structured_content["path"])[0].any()
