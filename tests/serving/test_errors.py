"""Every error has OpenAI's shape, and the official client raises its own classes for them."""

import json

import openai
import pytest
import torch
from serving import assert_error, client_of, full_once, wait_until

from dia.decoding.engine import EngineClosed, EngineFull
from dia.serving.errors import Code, as_serving_error, input_error, logged
from dia.serving.generation import Generation
from dia.serving.http.schema import SPEECH_EXAMPLES

ASKED = {"model": "tts-1", "voice": "alloy", "input": "Good morning."}
SPEECH = "/v1/audio/speech"


@pytest.mark.parametrize(
    ("change", "status", "code", "param"),
    [
        ({"model": None}, 400, "invalid_value", "model"),
        ({"model": "tts1"}, 404, "model_not_found", "model"),
        ({"input": None}, 400, "missing_parameter", "input"),
        ({"input": " "}, 400, "invalid_value", "input"),
        ({"input": 5}, 400, "invalid_value", "input"),
        ({"input": "a" * 20_001}, 400, "input_too_long", "input"),
        ({"input": "[S1]"}, 400, "invalid_value", "input"),
        ({"voice": None}, 400, "missing_parameter", "voice"),
        ({"voice": "aloy"}, 404, "voice_not_found", "voice"),
        ({"voice": {"id": "../../etc/passwd"}}, 404, "voice_not_found", "voice"),
        ({"voice": {"name": "alloy"}}, 400, "invalid_value", "voice"),
        ({"response_format": "ogg"}, 400, "invalid_value", "response_format"),
        ({"speed": 5}, 400, "invalid_value", "speed"),
        ({"speed": "1"}, 400, "invalid_value", "speed"),
        ({"seed": 2**64}, 400, "invalid_value", "seed"),
        ({"temperature": True}, 400, "invalid_value", "temperature"),
        ({"top_k": 1.5}, 400, "invalid_value", "top_k"),
        ({"sample_rate": 44_000}, 400, "invalid_value", "sample_rate"),
        ({"sample_rate": 44_100, "response_format": "opus"}, 400, "invalid_value", "sample_rate"),
        ({"language": "fr"}, 400, "invalid_value", "language"),
        ({"text_format": "tex"}, 400, "invalid_value", "text_format"),
        ({"sead": 1}, 400, "unknown_parameter", "sead"),
        ({"responseFormat": "wav"}, 400, "unknown_parameter", "responseFormat"),
        ({"response-format": "wav"}, 400, "unknown_parameter", "response-format"),
        ({"best_of": 9}, 400, "invalid_value", "best_of"),
        ({"ref_audio": "AAAA"}, 400, "invalid_value", "ref_audio"),
        ({"voice": None, "ref_audio": "AAAA"}, 400, "missing_parameter", "ref_text"),
        ({"voice": None, "ref_text": "Hi."}, 400, "missing_parameter", "ref_audio"),
        ({"voice": None, "ref_audio": "http://host/a.wav", "ref_text": "Hi."}, 400, "invalid_audio", "ref_audio"),
        ({"voice": None, "ref_audio": "AAAA", "ref_text": "Hi."}, 400, "invalid_audio", "ref_audio"),
        ({"voice": "Alloy", "ref_audio": "AAAA"}, 400, "invalid_value", "ref_audio"),
        ({"voice": " Default", "ref_audio": "AAAA"}, 400, "missing_parameter", "ref_text"),
        ({"turns": []}, 400, "invalid_value", "input"),
        ({"input": None, "turns": []}, 400, "invalid_value", "turns"),
        ({"input": None, "turns": [{"text": "Hi", "voice": "x"}]}, 404, "voice_not_found", "turns.0.voice"),
        ({"input": None, "turns": [{"voice": "clara"}]}, 400, "missing_parameter", "turns.0.text"),
        ({"input": None, "turns": [{"text": "[S2] Hi."}]}, 400, "invalid_value", "turns.0.text"),
        ({"input": None, "voice": None, "turns": [{"text": "Hi."}]}, 400, "missing_parameter", "turns.0.voice"),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "",
)
def test_a_wrong_field_is_named(http, change, status, code, param):
    assert_error(http.post(SPEECH, json={**ASKED, **change}), status, code, param)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"\xff", "application/json"),
        (b'{"speed": NaN}', "application/json"),
        (b"", "application/json"),
        (b"{}", "text/plain"),
    ],
    ids=["half", "deep", "not text", "NaN", "empty", "not JSON"],
)
def test_a_body_that_is_not_json_is_refused(http, content, kind):
    error = http.post(SPEECH, content=content, headers={"content-type": kind})
    assert error.status_code == 400
    assert set(error.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", SPEECH, 405, "method_not_allowed"),
        ("DELETE", "/v1/audio/voices/nobody", 404, "voice_not_found"),
        ("DELETE", "/v1/audio/voices/clara", 403, "voice_protected"),
        ("GET", "/v1/models/nothing", 404, "model_not_found"),
    ],
)
def test_every_route_has_the_same_errors(http, method, path, status, code):
    answer = http.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert answer.headers["x-should-retry"] == "false"
    assert ("allow" in answer.headers) == (status == 405)


def test_an_unknown_field_of_an_item_is_named_and_not_proposed(http):
    body = {"model": "tts-1", "voice": "alloy", "items": [{"input": "Hi.", "responseFormat": "wav"}]}
    assert_error(http.post(f"{SPEECH}/batch", json=body), 400, "unknown_parameter", "items.0.responseFormat")
    answer = http.post(f"{SPEECH}/preview", json={"input": "Hi.", "voice": "alloy", "stream_format": "sse"})
    assert "did you mean 'stream_format'" not in answer.json()["error"]["message"]


@pytest.mark.parametrize(("path", "allowed"), [("/v1/audio/voices", "GET, POST"), (SPEECH, "POST")])
def test_a_wrong_method_is_told_the_others(http, path, allowed):
    assert http.request("OPTIONS", path).headers["allow"] == allowed


def test_an_unknown_voice_names_the_nearest(client):
    with pytest.raises(openai.NotFoundError, match="did you mean 'alloy'") as caught:
        client.audio.speech.create(model="tts-1", voice="aloy", input="Hi.")
    assert caught.value.code == "voice_not_found"
    assert caught.value.param == "voice"
    assert caught.value.request_id.startswith("req_")


def test_a_full_queue_is_an_error_to_try_again(client, http, service, monkeypatch, idle):
    monkeypatch.setattr(service.admission, "_most_waiting", 0)
    text = "The rain has stopped, and the sun is out again. " * 10
    with http.stream("POST", SPEECH, json={**ASKED, "input": text, "response_format": "pcm"}) as answer:
        next(answer.iter_raw())
        monkeypatch.setattr(service.admission, "places", 1)
        monkeypatch.setattr(service.admission, "_free", 0)
        with pytest.raises(openai.RateLimitError) as caught:
            client.audio.speech.create(model="tts-1", voice="alloy", input="Hi.")
        monkeypatch.undo()
    assert int(caught.value.response.headers["retry-after"]) >= 1
    assert caught.value.response.headers["x-should-retry"] == "true"


def test_the_official_client_tries_again_after_the_given_time(address, service, monkeypatch, idle):
    calls = full_once(service, monkeypatch, retry_after=0.5)
    with client_of(address, max_retries=2) as client:
        assert client.audio.speech.create(model="tts-1", voice="alloy", input="Yes.").content
    assert len(calls) == 2


def test_a_dead_engine_is_not_healthy(http, service, monkeypatch):
    assert http.get("/health").json() == {"status": "ok"}
    assert http.get("/ready").json() == {"status": "ready", "model": "mini"}
    for fault in ("closed", "broken"):
        with monkeypatch.context() as patch:
            patch.setattr(type(service.engine), fault, True)
            assert_error(http.get("/health"), 503, "engine_stopped")
            assert_error(http.get("/ready"), 503, "not_ready")


def test_speech_without_any_sound_is_an_error_instead_of_an_empty_file(http, monkeypatch, idle):
    monkeypatch.setattr(Generation, "_sound", lambda _: (sound for sound in ()))
    error = assert_error(http.post(SPEECH, json=ASKED), 500, "speech_failed")
    assert error["message"] == "the model has spoken nothing; try another seed or text."


def test_metrics_count_requests_and_audio(http, service, idle):
    http.post(SPEECH, json=ASKED)
    wait_until(lambda: not service.admission.running)
    text = http.get("/metrics").text
    assert 'dia_requests_total{route="/v1/audio/speech",status="200"}' in text
    for name in ("dia_slots 4.0", "dia_slots_in_use", "dia_requests_waiting", "dia_underruns_total"):
        assert name in text
    assert "dia_time_to_first_audio_seconds_count 0.0\n" not in text
    assert "dia_audio_seconds_per_second 0.0\n" not in text


def test_memory_of_the_gpu_is_memory():
    assert as_serving_error(torch.OutOfMemoryError("CUDA out of memory")).code is Code.out_of_memory


def test_an_unknown_error_is_logged_with_its_place_and_without_words_of_the_client(caplog):
    with pytest.raises(KeyError) as raised:
        {}["words of a client"]
    assert logged(raised.value).code is Code.internal_error
    assert logged(ValueError("temperature=9 is too high")).code is Code.invalid_value
    (line,) = caplog.messages
    assert "KeyError at " in line
    assert "test_errors.py:" in line
    assert "words" not in line


def test_codes_are_distinct():
    assert len(Code) == len(Code.__members__)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EngineFull("x"), Code.overloaded),
        (EngineClosed("x"), Code.engine_stopped),
        (MemoryError(), Code.out_of_memory),
        (TimeoutError(), Code.stream_timeout),
        (OSError(28, "full", "/secret"), Code.storage_failed),
        (KeyError("secret"), Code.internal_error),
    ],
)
def test_errors_of_the_synthesis_have_an_entry_and_tell_no_secrets(error, code):
    found = as_serving_error(error)
    assert found.code is code
    assert "secret" not in found.message


def test_errors_of_the_facade_use_the_names_of_the_request():
    found = input_error(ValueError("cfg_filter_top_k=0 must be a whole number from 1."))
    assert (found.param, found.message) == ("top_k", "top_k=0 must be a whole number from 1.")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"input": None, "turns": None},
        {"input": "Hi.", "turns": [{"text": "Hi.", "voice": "clara"}]},
        {"input": "Hi."},
        {"input": "Hi.", "voice": "clara", "voices": {"S1": "clara"}},
        {"turns": [{"text": "Hi.", "voice": "clara"}], "voices": {"S1": "clara"}},
        {"turns": [{"text": "Hi.", "voice": "clara"}], "ref_audio": "AAAA", "ref_text": "Hi."},
        {"input": "Hi.", "voices": {"S1": "clara"}, "ref_audio": "AAAA", "ref_text": "Hi."},
        {"input": "Hi.", "ref_audio": "AAAA"},
        {"input": "Hi.", "voice": "clara", "ref_text": "Hi."},
        {"input": "Hi.", "voice": "clara", "seed": 2**64},
    ],
)
def test_the_document_excludes_what_the_server_refuses(http, validator, fields):
    body = {"model": "tts-1", **fields}
    assert http.post("/v1/audio/speech", json=body).status_code == 400
    assert not validator.is_valid(body)


@pytest.mark.parametrize(
    "body",
    [
        *(example["value"] for example in SPEECH_EXAMPLES.values()),
        {"model": "tts-1", "input": "Hi.", "turns": None, "voice": None, "voices": {"S1": "clara"}, "seed": 2**64 - 1},
        {"model": "tts-1", "input": "Hi.", "ref_audio": "AAAA", "ref_text": "Hi.", "voices": None},
    ],
)
def test_the_document_allows_what_the_server_accepts(validator, body):
    validator.validate(body)


@pytest.fixture
def validator(http):
    """A validator of the body of `POST /v1/audio/speech`."""
    from jsonschema import Draft202012Validator

    document = http.get("/openapi.json").json()
    return Draft202012Validator(document | {"$ref": "#/components/schemas/SpeechRequest"})
