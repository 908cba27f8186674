"""`POST /v1/audio/speech/preview`, and a text whose speakers have voices of their own."""

import json

import pytest
from serving import assert_error

TEXT = "[S1] It costs $5. [pause:300ms] Yes! [S2] (laughs) 🎉 Good. [S1] Ok (laugs)."


def preview(http, **body):
    return http.post("/v1/audio/speech/preview", json=body)


@pytest.fixture(scope="module")
def read(http):
    return preview(http, input=TEXT, voice="default").json()


def test_every_turn_is_shown_as_written_and_as_spoken(read):
    assert [(turn["turn_index"], turn["speaker"], turn["spoken"]) for turn in read["turns"]] == [
        (0, "S1", "It costs five dollars."),
        (0, "S1", "Yes!"),
        (1, "S2", "(laughs) Good."),
        (2, "S1", "Ok (laughs)."),
    ]
    assert read["turns"][0]["text"] == "It costs $5."
    assert [turn["pause_seconds"] for turn in read["turns"]] == [0.3, 0, 0, 0]


def test_positions_are_characters_of_the_text(read):
    assert [TEXT[turn["start"] : turn["end"]] for turn in read["turns"]] == [
        "It costs $5.",
        "Yes!",
        "(laughs) 🎉 Good.",
        "Ok (laugs).",
    ]


def test_a_text_for_the_second_speaker_keeps_its_positions(http):
    (turn,) = preview(http, input="Good morning.", voice="S2").json()["turns"]
    assert (turn["speaker"], turn["start"], turn["end"]) == ("S2", 0, 13)


def test_warnings_and_lengths_are_those_of_the_speech(http, read):
    body = {"model": "dia", "voice": "default", "input": TEXT, "word_timestamps": True, "seed": 1}
    spoken = http.post("/v1/audio/speech", json=body).json()
    assert spoken["warnings"][: len(read["warnings"])] == read["warnings"] != []
    assert spoken["usage"]["input_tokens"] == read["input_tokens"]
    assert spoken["duration_seconds"] == pytest.approx(read["estimated_seconds"], rel=0.5)
    assert {one["turn_index"] for one in spoken["segments"]} <= {turn["turn_index"] for turn in read["turns"]}


def test_speed_changes_the_estimate(http, read):
    fast = preview(http, input=TEXT, voice="default", speed=2).json()
    assert fast["estimated_seconds"] == pytest.approx(read["estimated_seconds"] / 2, abs=0.05)


def test_names_of_speakers_are_found(http):
    read = preview(http, input="JOHN: Hello.\nMARY: Hi.\nJOHN: Well?\nMARY: Yes.", voice="default").json()
    assert read["names"] == {"JOHN": "S1", "MARY": "S2"}


def test_a_dialogue_has_no_positions(http):
    turns = [{"text": "Well?", "voice": "clara"}, {"text": "Yes.", "voice": "bruno"}]
    read = preview(http, turns=turns).json()
    assert [(turn["turn_index"], turn["text"], "start" in turn) for turn in read["turns"]] == [
        (0, "Well?", False),
        (1, "Yes.", False),
    ]


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"voice": "default"}, "missing_parameter", "input"),
        ({"input": " ", "voice": "default"}, "invalid_value", "input"),
        ({"input": "[S3] Hello.", "voice": "default"}, "invalid_value", "input"),
        ({"input": "a" * 20_001, "voice": "default"}, "input_too_long", "input"),
        ({"input": "Yes.", "voice": "default", "seeds": 1}, "unknown_parameter", "seeds"),
        ({"input": "Yes.", "voice": "default", "voices": {"S1": "clara"}}, "invalid_value", "voices"),
        ({"input": "Yes.", "voices": {"S2": "S1"}}, "invalid_value", "voices.S2"),
        ({"input": "Yes.", "voices": {"S3": "clara"}}, "invalid_value", "voices"),
        ({"input": "Yes.", "voices": ["clara"]}, "invalid_value", "voices"),
        ({"input": "Yes.", "voices": {"S1": 3}}, "invalid_value", "voices"),
        ({"turns": [{"text": "Yes.", "voice": "S1"}], "voices": {"S1": "clara"}}, "invalid_value", "voices"),
        ({"input": "Yes.", "ref_audio": "", "ref_text": "a", "voices": {"S1": "clara"}}, "invalid_value", "voices"),
    ],
)
def test_what_cannot_be_spoken_cannot_be_previewed(http, body, code, param):
    error = assert_error_of(preview(http, **body), code)
    assert error["param"].startswith(param)


def assert_error_of(answer, code):
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    return error


def test_an_unknown_voice_of_a_speaker_is_named(http):
    assert_error(preview(http, input="Yes.", voices={"S2": "brunno"}), 404, "voice_not_found", "voices.S2")


# Speech


def speech(http, **body):
    asked = {"model": "dia", "seed": 2, "response_format": "pcm", **body}
    return http.post("/v1/audio/speech", json=asked)


def test_each_speaker_has_the_voice_that_is_named(http):
    """As with `turns`, which have a voice each."""
    turns = [{"text": "Good morning.", "voice": "bruno"}, {"text": "Good night.", "voice": "clara"}]
    script, voices = "[S1] Good morning.\n[S2] Good night.\n", {"S1": "bruno", "S2": "clara"}
    assert speech(http, input=script, voices=voices).content == speech(http, turns=turns).content


def test_without_names_the_model_has_its_own_voices(http):
    plain = speech(http, input="[S1] Yes. [S2] No.", voice="default").content
    for voices in ({}, {"S1": "default", "S2": "default"}, {"S1": "s1", "S2": "S2"}):
        assert speech(http, input="[S1] Yes. [S2] No.", voices=voices).content == plain


def test_a_voice_of_a_speaker_who_says_nothing_is_not_an_error(http):
    assert speech(http, input="[S1] Yes.", voices={"S1": "clara", "S2": "bruno"}).status_code == 200


@pytest.fixture(scope="module")
def answer(http):
    body = {"input": "[S1] Yes. [pause:200ms] Well. [S2] No.", "voices": {"S2": "bruno"}}
    return speech(http, **body, word_timestamps=True, stream_format="sse").text


def events(text):
    return [json.loads(line.removeprefix("data: ")) for line in text.split("\n\n") if line]


def test_segments_name_the_voice_of_the_speaker(answer):
    done = events(answer)[-1]
    assert [(one["turn_index"], one["voice"]) for one in done["segments"]] == [(0, "default"), (1, "bruno")]


def test_subtitles_come_with_the_times(answer):
    subtitles = events(answer)[-1]["subtitles"]
    assert subtitles["vtt"].startswith("WEBVTT\n")
    assert "<v S2>No." in subtitles["vtt"]
    assert subtitles["srt"].startswith("1\n00:00:0")


def test_the_times_of_a_part_come_when_it_is_finished(answer):
    found = [event["type"] for event in events(answer)]
    assert found.index("speech.audio.turns") < len(found) - 2
    turns = [turn for event in events(answer) for turn in event.get("turns", [])]
    assert [(turn["speaker"], turn["text"]) for turn in turns] == [("S1", "Yes."), ("S1", "Well."), ("S2", "No.")]
    assert turns[-1]["end_seconds"] == events(answer)[-1]["segments"][-1]["end_seconds"]
