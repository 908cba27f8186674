"""Voices: listed, uploaded, used, kept and deleted."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from serving import WORDS, assert_error

from dia.serving.errors import Code, ServingError
from dia.serving.limits import RECORDING_BYTES
from dia.serving.voices import ALIASES, OwnVoice, VoiceCatalogue, voice_id

FIELDS = {"name": "Ann B.", "transcript": WORDS, "consent": "made by a model, nobody's voice"}
VOICES = "/v1/audio/voices"


def encoded(samples, rate=16_000, kind="WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind)
    return file.getvalue()


def upload(http, content, kind="audio/wav", **fields):
    return http.post(VOICES, data={**FIELDS, **fields}, files={"audio_sample": ("../../a.wav", content, kind)})


@pytest.fixture
def ann(http, recording):
    answer = upload(http, recording)
    assert answer.status_code == 200, answer.text
    yield answer.json()
    http.delete(f"{VOICES}/ann-b")


def test_voices_are_listed_as_programs_expect(http):
    voices = http.get(VOICES).json()["voices"]
    assert {"default", "S1", "S2", "clara", "bruno", *ALIASES} <= {voice["id"] for voice in voices}
    assert all(set(voice) == {"id", "name"} for voice in voices)


def test_an_uploaded_voice_is_used_and_kept(http, client, ann, service, mini):
    assert (ann["id"], ann["object"], ann["name"]) == ("ann-b", "audio.voice", "ann-b")
    assert ann["created_at"] > 1_700_000_000
    options = {"model": "tts-1", "input": "And more.", "response_format": "pcm", "extra_body": {"seed": 1}}
    said = client.audio.speech.create(voice="ann-b", **options).content
    assert said != client.audio.speech.create(voice="default", **options).content
    after_a_restart = VoiceCatalogue(mini, service.voices.folder)
    assert "ann-b" in after_a_restart.names()
    assert [path.name for path in service.voices.folder.iterdir()] == ["ann-b.safetensors"]


def test_a_voice_is_not_replaced(http, ann, recording):
    assert_error(upload(http, recording), 409, "voice_exists", "name")
    assert_error(upload(http, recording, name="ANN b"), 409, "voice_exists", "name")


def test_a_deleted_voice_is_gone(http, ann, service):
    service.voices.find("ann-b")
    assert any(path.stem == "ann-b" for path in service.voices._loaded)
    assert http.delete(f"{VOICES}/ann-b").json() == {"id": "ann-b", "object": "audio.voice.deleted", "deleted": True}
    assert_error(http.delete(f"{VOICES}/ann-b"), 404, "voice_not_found", "voice")
    assert not any(path.stem == "ann-b" for path in service.voices._loaded)


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"consent": "yes"}, "consent_missing", "consent"),
        ({"transcript": " "}, "invalid_value", "transcript"),
        ({"transcript": "a" * 2001}, "invalid_value", "transcript"),
        ({"name": "…"}, "invalid_value", "name"),
    ],
)
def test_a_wrong_field_of_an_upload_is_named(http, recording, change, code, param):
    assert_error(upload(http, recording, **change), 400, code, param)


@pytest.mark.parametrize("name", ["alloy", "Clara", "default", "s1"])
def test_names_of_built_in_voices_are_taken(http, recording, name):
    assert_error(upload(http, recording, name=name), 409, "voice_exists", "name")


def test_a_missing_field_is_named(http):
    assert_error(http.post(VOICES, data=FIELDS), 400, "missing_parameter", "audio_sample")


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"no sound", "audio/wav", 400, "invalid_audio"),
        (b"", "audio/wav", 400, "invalid_audio"),
        (b"no sound", "text/plain", 415, "unsupported_media_type"),
        (bytes(RECORDING_BYTES + 1), "audio/wav", 413, "body_too_large"),
        (encoded(np.zeros(16_000)), "audio/wav", 400, "invalid_audio"),
        (encoded(np.zeros(16_000 * 3_000, np.float32), kind="FLAC"), "audio/flac", 400, "invalid_audio"),
        (encoded(np.zeros((48_000, 200), np.float32), kind="OGG"), "audio/ogg", 400, "invalid_audio"),
    ],
    ids=["not audio", "empty", "not audio by type", "large", "silent", "an hour in little", "200 channels"],
)
def test_a_bad_recording_is_refused(http, content, kind, status, code):
    assert_error(upload(http, content, kind), status, code, "audio_sample")


def test_a_path_is_not_a_voice(http):
    for path in ("..%2F..%2Fetc%2Fpasswd", "%00", "clara.safetensors", "a" * 5000):
        assert http.delete(f"{VOICES}/{path}").status_code in (404, 405)


@pytest.mark.parametrize(
    ("name", "found"), [("../../etc/passwd", "etc-passwd"), ("Zoë", "zoe"), ("a" * 100, "a" * 64), ("-a--b-", "a-b")]
)
def test_names_are_reduced_to_letters_digits_and_dashes(name, found):
    assert voice_id(name) == found


def test_damaged_files_and_voices_of_other_codecs_are_left_out(mini, tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"{}")
    fitting = VoiceCatalogue(mini, tmp_path).find("clara")
    fitting.save(tmp_path / "fits.safetensors")
    replace(fitting, codec=replace(fitting.codec, weights="00000000")).save(tmp_path / "other.safetensors")
    voices = VoiceCatalogue(mini, tmp_path)
    assert {"bad", "fits", "other"} & set(voices.names()) == {"fits"}
    for name in ("bad", "other"):
        with pytest.raises(ServingError) as refused:
            voices.find(name)
        assert refused.value.code is Code.voice_not_found


def test_aliases_stand_for_the_model_where_the_examples_do_not_fit(mini, tmp_path, monkeypatch):
    monkeypatch.setattr("dia.serving.voices.EXAMPLES", tmp_path)
    voices = VoiceCatalogue(mini, tmp_path)
    assert voices.find("Alloy") == OwnVoice("S1")
    assert voices.find("echo") == OwnVoice("S2")


def test_models_are_listed(client):
    listed = list(client.models.list())
    assert {"mini", "tts-1", "gpt-4o-mini-tts"} <= {model.id for model in listed}
    assert listed[0].object == "model"
    assert client.models.retrieve("tts-1").id == "tts-1"


def test_the_document_has_examples_and_our_errors(http):
    document = http.get("/openapi.json").json()
    speech = document["paths"]["/v1/audio/speech"]["post"]
    assert set(speech["requestBody"]["content"]["application/json"]["examples"]) >= {"a text", "a script"}
    assert speech["responses"]["4XX"]["content"]["application/json"]["schema"]["$ref"].endswith("/Error")
    assert "422" not in str(document["paths"])


def test_the_page_of_the_document_names_everything_and_loads_nothing(http):
    document, page = http.get("/openapi.json").json(), http.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    for path, route in document["paths"].items():
        for method in route:
            assert f"{method.upper()} {path}" in page.text
    for field in ("best_of", "ref_audio", "turns", "audio_sample", "consent"):
        assert f"<code>{field}</code>" in page.text
    assert "number, 0.25 to 4" in page.text
    assert "curl localhost:8000/v1/audio/speech" in page.text
    assert re.findall(r"https?://|src=|<script|@import|url\(", page.text) == []
