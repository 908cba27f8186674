"""Clients that are not Python packages of ours: npm's `openai`, ffmpeg, and programs made for other servers."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import httpx
import numpy as np
import pytest
from serving import full_once

from dia.serving.limits import PCM_RATE

SCRIPT = Path(__file__).with_name("openai_client.mjs")
SPEECH = "/v1/audio/speech"
ASKED = {"model": "tts-1", "voice": "alloy", "input": "Yes.", "seed": 3}


@pytest.fixture(scope="module")
def pcm(http):
    return http.post(SPEECH, json={**ASKED, "response_format": "pcm"}).content


def node_modules() -> Path | None:
    """The folder with npm's `openai`: named by NODE_PATH, or the one of global packages."""
    folders = [Path(folder) for folder in os.environ.get("NODE_PATH", "").split(os.pathsep) if folder]
    if shutil.which("npm") and not folders:
        folders.append(Path(subprocess.run(["npm", "root", "-g"], capture_output=True, text=True).stdout.strip()))
    return next((folder for folder in folders if (folder / "openai" / "package.json").is_file()), None)


def test_the_client_of_npm_speaks_streams_reads_events_lists_and_tries_again(
    address, service, pcm, tmp_path, monkeypatch
):
    """NODE_PATH=/folder/node_modules runs it, after `npm install openai` in /folder."""
    modules = node_modules() if shutil.which("node") else None
    if modules is None:
        pytest.skip("node or npm's openai is not installed")
    calls = full_once(service, monkeypatch, retry_after=1)
    (tmp_path / "node_modules").symlink_to(modules)
    shutil.copy(SCRIPT, tmp_path)
    command = ["node", SCRIPT.name, address]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert len(calls) == 5  # two for the first
    assert found["type"] == "audio/pcm"
    *deltas, done = found["events"]
    events = b"".join(base64.b64decode(delta["audio"]) for delta in deltas)
    assert {base64.b64decode(found[name]) for name in ("again", "bytes", "streamed")} | {events} == {pcm}
    assert done["type"] == "speech.audio.done"
    assert done["usage"]["total_tokens"] > 5
    assert {"mini", "tts-1"} <= set(found["models"])
    error = found["error"]
    assert (error["class"], error["status"], error["code"], error["param"]) == (
        "NotFoundError", 404, "voice_not_found", "voice"
    )  # fmt: skip
    assert error["requestID"].startswith("req_")


@pytest.mark.parametrize("kind", ["mp3", "opus", "aac", "flac", "wav"])
def test_ffmpeg_reads_the_stream_while_it_comes(address, pcm, kind):
    """From a pipe, which cannot be rewound."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    command = ["ffmpeg", "-v", "error", "-i", "pipe:0", "-f", "s16le", "-ac", "1", "-ar", str(PCM_RATE), "pipe:1"]
    body = {**ASKED, "response_format": kind}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as ffmpeg:
        with httpx.stream("POST", f"{address}{SPEECH}", json=body, timeout=60) as answer:
            for chunk in answer.iter_raw():
                ffmpeg.stdin.write(chunk)
        sound, errors = ffmpeg.communicate()
    assert errors == b""
    assert len(sound) == pytest.approx(len(pcm), abs=0.15 * PCM_RATE * 2)  # mp3 pads to whole frames at both ends


def test_pcm_can_be_played_in_frames_of_a_pipeline_as_it_comes(address, pcm):
    """As Pipecat's OpenAI service does: it takes 24 kHz for granted, and cuts what comes into frames of 20 ms."""
    frame, pending, frames = 2 * PCM_RATE // 50, b"", []
    body = {**ASKED, "response_format": "pcm"}
    with httpx.stream("POST", f"{address}{SPEECH}", json=body, timeout=60) as answer:
        assert answer.headers["x-sample-rate"] == "24000"
        assert "content-length" not in answer.headers
        for chunk in answer.iter_bytes(chunk_size=1024):
            pending += chunk
            while len(pending) >= frame:
                frames.append(np.frombuffer(pending[:frame], "<i2"))
                pending = pending[frame:]
    assert len(pending) % 2 == 0
    assert np.array_equal(np.concatenate([*frames, np.frombuffer(pending, "<i2")]), np.frombuffer(pcm, "<i2"))


def test_lists_have_the_shape_that_open_webui_reads(http):
    """It reads `voices` or `models`, takes `id` and `name` of each, and shows its own names on anything else."""
    voices = http.get("/v1/audio/voices").json()
    assert list(voices) == ["voices"]
    shown = {voice["id"]: voice.get("name", voice["id"]) for voice in voices["voices"]}
    assert shown["clara"] == "clara"
    models = http.get("/v1/models").json()
    assert {"id", "object", "created", "owned_by"} == set(models["data"][0])
    for voice in list(shown)[:3]:  # every voice of the list can be asked for by its id
        assert http.post(SPEECH, json={**ASKED, "voice": voice, "response_format": "wav"}).status_code == 200
