"""Dialogues with times, and batches."""

import asyncio
import base64
import json
from dataclasses import replace

import pytest

from dia.audio.files import decode
from dia.serving.http import speech
from dia.serving.http.schema import BatchRequest, Item
from dia.serving.http.speech import spoken_batch

DIALOGUE = {
    "model": "tts-1",
    "seed": 4,
    "retries": 2,
    "turns": [
        {"text": "Well?", "voice": "clara"},
        {"text": "Yes. [pause:300ms] It costs $5 today.", "voice": {"id": "bruno"}},
        {"text": "That is good.", "voice": "bruno"},
        {"text": "Good.", "voice": "clara"},
    ],
}


@pytest.fixture(scope="module")
def answer(http):
    return http.post("/v1/audio/speech", json={**DIALOGUE, "word_timestamps": True, "response_format": "wav"}).json()


def test_every_turn_has_its_times(answer):
    segments = answer["segments"]
    assert [(one["turn_index"], one["voice"]) for one in segments] == [
        (0, "clara"),
        (1, "bruno"),
        (2, "bruno"),
        (3, "clara"),
    ]
    assert [one["text"] for one in segments] == ["Well?", "Yes. It costs $5 today.", "That is good.", "Good."]
    times = [time for one in segments for time in (one["start_seconds"], one["end_seconds"])]
    assert times == sorted(times)
    assert times[-1] <= answer["duration_seconds"]


def test_every_word_has_its_times(answer):
    words = [(one["word"], one["turn_index"]) for one in answer["alignment"]]
    written = ["Well", "Yes", "It", "costs", "$5", "today", "That", "is", "good", "Good"]
    assert words == list(zip(written, [0, 1, 1, 1, 1, 1, 2, 2, 2, 3], strict=True))


def test_the_audio_comes_with_the_times(answer):
    sound = decode(base64.b64decode(answer["audio"]))
    assert (answer["format"], answer["sample_rate"]) == ("wav", sound.rate)
    assert len(sound.samples) / sound.rate == pytest.approx(answer["duration_seconds"], abs=0.01)
    assert answer["warnings"] == []


def test_events_have_the_times_too_and_times_follow_the_speed(http, answer):
    """`inputs` is another name of `turns`."""
    asked = {
        "model": "tts-1",
        "seed": 4,
        "retries": 2,
        "inputs": DIALOGUE["turns"],
        "stream_format": "sse",
        "speed": 2,
    }
    text = http.post("/v1/audio/speech", json={**asked, "response_format": "pcm"}).text
    done = json.loads(text.strip().split("\n\n")[-1].removeprefix("data: "))
    assert done["duration_seconds"] == pytest.approx(answer["duration_seconds"] / 2, rel=0.05)
    assert [one["text"] for one in done["segments"]] == [one["text"] for one in answer["segments"]]
    assert done["segments"][-1]["end_seconds"] == pytest.approx(answer["segments"][-1]["end_seconds"] / 2, abs=0.01)


def test_a_dialogue_has_two_voices_at_most(http):
    turns = [{"text": "Hi.", "voice": voice} for voice in ("clara", "bruno", "S2")]
    answer = http.post("/v1/audio/speech", json={"model": "tts-1", "turns": turns})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "turns"


def test_names_in_another_case_and_aliases_are_one_voice(http):
    for voices in (("clara", "bruno", "Clara"), ("alloy", "bruno", "clara")):
        turns = [{"text": "Hi.", "voice": voice} for voice in voices]
        answer = http.post("/v1/audio/speech/preview", json={"turns": turns})
        assert [turn["speaker"] for turn in answer.json()["turns"]] == ["S1", "S2", "S1"]


def test_audio_in_json_has_a_limit_for_all_items_together(service, http, monkeypatch):
    said = {"model": "tts-1", "input": "Yes.", "voice": "S1", "seed": 1, "response_format": "wav"}
    audio = http.post("/v1/audio/speech", json={**said, "word_timestamps": True}).json()["audio"]
    size = len(base64.b64decode(audio))
    monkeypatch.setattr(service, "limits", replace(service.limits, answer_bytes=size))
    assert http.post("/v1/audio/speech", json={**said, "word_timestamps": True}).json()["audio"] == audio
    items = [{"input": "Yes."}] * 2
    answer = http.post(
        "/v1/audio/speech/batch",
        json={name: value for name, value in said.items() if name != "input"} | {"items": items},
    ).json()
    assert answer["failed"] == 1  # the other has room, as what the first took is given back
    failed = [one["error"] for one in answer["results"] if one["status"] == "error"]
    assert {error["code"] for error in failed} == {"input_too_long"}
    assert "stream_format" in failed[0]["message"]


def test_an_item_that_is_late_does_not_take_the_others_with_it(service, monkeypatch):
    async def slow(service, planned, *_, **__):
        await asyncio.sleep(60 if planned.seed == 1 else 0)
        return {"audio": "AAAA"}

    monkeypatch.setattr(speech, "whole", slow)
    monkeypatch.setattr(service, "limits", replace(service.limits, stream_seconds=0.5))
    items = [Item(input="Yes.", voice="S1", seed=seed) for seed in (0, 1)]
    first, second = asyncio.run(spoken_batch(service, items))["results"]
    assert first == {"index": 0, "status": "success", "audio": "AAAA"}
    assert second["error"]["code"] == "stream_timeout"


def test_a_batch_answers_each_item(http):
    items = [{"input": "Yes."}, {"input": "No.", "voice": "nobody"}, {"input": "Yes."}]
    body = {"model": "tts-1", "voice": "nova", "seed": 4, "response_format": "flac", "items": items}
    answer = http.post("/v1/audio/speech/batch", json=body).json()
    assert (answer["total"], answer["succeeded"], answer["failed"]) == (3, 2, 1)
    first, second, third = answer["results"]
    assert [one["index"] for one in answer["results"]] == [0, 1, 2]
    assert first["status"] == third["status"] == "success"
    assert base64.b64decode(first["audio"])[:4] == b"fLaC"
    assert first["audio"] == third["audio"]
    assert second["status"] == "error"
    assert second["error"]["code"] == "voice_not_found"


def test_a_batch_is_checked_as_a_whole(http):
    for items in ([], [{"input": "a"}] * 65, [{"input": "a" * 15_000}] * 2, [{"inptu": "a"}]):
        answer = http.post("/v1/audio/speech/batch", json={"model": "tts-1", "voice": "nova", "items": items})
        assert answer.status_code == 400


def test_an_item_of_a_batch_has_its_own_voice_or_the_shared_one():
    shared = BatchRequest(model="tts-1", items=[Item(input="a")], ref_audio="AAAA", ref_text="b", speed=2.0)
    own = Item(input="a", voice="clara").with_defaults(shared)
    assert (own.voice, own.ref_audio, own.ref_text, own.speed) == ("clara", None, None, 2.0)
    assert Item(input="a").with_defaults(shared).ref_audio == "AAAA"
    named = BatchRequest(model="tts-1", items=[Item(input="a")], voice="nova")
    assert Item(input="a", ref_audio="AAAA", ref_text="b").with_defaults(named).voice is None
    assert Item(turns=[]).with_defaults(named).voice == "nova"


def test_the_best_of_several_takes_is_the_same_as_by_the_facade(http, mini, service):
    body = {"model": "tts-1", "voice": "clara", "input": "Yes.", "seed": 4, "best_of": 2}
    answer = http.post("/v1/audio/speech", json={**body, "response_format": "pcm", "sample_rate": 16_000}).content
    take = mini.speak("Yes.", voice=service.voices.find("clara"), seed=4, best_of=2)
    assert len(answer) == 2 * len(take.audio)
