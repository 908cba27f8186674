"""docs/integrations.md: its classes speak, at the rate they say, and stop when the consumer does."""

import asyncio
import re
import threading
from contextlib import aclosing
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from dia import Dia
from tests.project import frameworks

PAGE = Path(__file__).parents[2] / "docs" / "integrations.md"
RATE = 24000
INVALID = "[S1] Hello.\x01"


@pytest.fixture(scope="module")
def model():
    return Dia.from_pretrained("mini", device="cpu")


@pytest.fixture
def page(monkeypatch):
    """The functions and classes of the page: its blocks that begin with imports. test_readme runs the others, too."""
    frameworks.stand_in(monkeypatch)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    names = {}
    for block in blocks:
        if block.startswith(("import", "from")):
            exec(block, names)
    return names


@pytest.fixture
def counted(model, monkeypatch):
    """Counts the pieces that the model was asked for, and whether the stream was closed before its end."""
    pieces, whole = [], model.stream

    def stream(*arguments, **options):
        try:
            for piece in whole(*arguments, **options):
                pieces.append(len(piece))
                yield piece
        except GeneratorExit:
            pieces.append("closed")
            raise

    monkeypatch.setattr(model, "stream", stream)
    return pieces


def no_thread_is_left():
    names = [thread.name for thread in threading.enumerate()]
    return not [name for name in names if name.startswith(("ThreadPoolExecutor", "dia."))]


async def wait_for(condition, seconds=10):
    for _ in range(int(seconds * 100)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nothing happened in time")


async def frames_of(service, text):
    async with aclosing(service.run_tts(text, "a context")) as frames:
        return [frame async for frame in frames]


def test_a_service_yields_the_speech_at_the_rate_of_the_pipeline(page, model, monkeypatch):
    monkeypatch.setattr(model, "stream", partial(model.stream, seed=7))
    frames = asyncio.run(frames_of(page["DiaTTSService"](model), "Hello."))
    assert len(frames) > 1
    assert {(type(frame).__name__, frame.sample_rate, frame.num_channels, frame.context_id) for frame in frames} == {
        ("TTSAudioRawFrame", RATE, 1, "a context")
    }
    heard = np.frombuffer(b"".join(frame.audio for frame in frames), "<i2") / 32767
    spoken = soxr.resample(model.generate("Hello.", voice="clara", seed=7), model.sample_rate, RATE)
    np.testing.assert_allclose(heard, spoken, atol=1e-3)


def test_at_the_rate_of_the_model_the_samples_are_those_of_generate(page, model):
    speech = b"".join(page["pcm"](model, "[S1] Hello.", model.sample_rate, seed=7))
    np.testing.assert_allclose(np.frombuffer(speech, "<i2") / 32767, model.generate("[S1] Hello.", seed=7), atol=1e-3)


def test_a_consumer_that_leaves_stops_the_work(page, model, counted):
    chunks = page["pcm"](model, "One two three four five six seven.", RATE)  # kept, so that only `close` ends it

    async def take_one():
        async with aclosing(page["in_thread"](chunks)) as speech:
            async for _ in speech:
                break
        await wait_for(no_thread_is_left)

    asyncio.run(take_one())
    assert counted[-1] == "closed"
    assert len(counted) <= 3


def test_a_cancelled_task_stops_the_work_although_it_waits_for_a_piece(page, model, counted):
    async def interrupt():
        task = asyncio.create_task(frames_of(page["DiaTTSService"](model), "One two three four five six seven."))
        await wait_for(lambda: not no_thread_is_left())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await wait_for(no_thread_is_left)

    asyncio.run(interrupt())
    assert not counted or counted[1:] == ["closed"]  # at most the piece that was under way


def test_an_invalid_text_becomes_an_error_frame(page, model):
    (frame,) = asyncio.run(frames_of(page["DiaTTSService"](model), INVALID))
    assert type(frame).__name__ == "ErrorFrame"
    assert "control character U+0001" in frame.error


def test_a_tool_returns_the_path_of_a_file(page, model, tmp_path):
    tool = page["DiaTool"](dia=model, folder=tmp_path, options={"seed": 7})
    paths = [tool.invoke({"script": "[S1] Hi."}), asyncio.run(tool.ainvoke("[S1] Hi."))]
    assert sorted(paths) == sorted(str(path) for path in tmp_path.iterdir())
    for path in paths:
        samples, rate = soundfile.read(path)
        assert rate == model.sample_rate
        assert np.ptp(samples) > 0.05


def test_a_tool_returns_the_error_of_an_invalid_script_and_no_file(page, model, tmp_path):
    tool = page["DiaTool"](dia=model, folder=tmp_path)
    assert "control character U+0001" in tool.invoke({"script": INVALID})
    assert list(tmp_path.iterdir()) == []
