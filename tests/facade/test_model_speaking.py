"""`Dia` with scripts of any length: pieces, takes, and `generate` for scripts that are too long for one pass."""

from threading import Event

import numpy as np
import pytest
from talking import RATE, talking
from tiny import threads_left
from tiny_speech import tiny_speech
from waiting import wait_until

from dia.audio.dsp.silence import trimmed
from dia.model import Dia
from dia.streaming import DiaAudioStreamer
from dia.synthesis.synthesizer import Cancelled
from dia.synthesis.takes import analysis

SHORT, LONG = "[S1] Hi there. [S2] Yes.", " ".join(f"[S{1 + number % 2}] These are words." for number in range(10))


@pytest.fixture(scope="module")
def dia():
    synthesizer = tiny_speech(pass_seconds=6.0)
    return Dia(synthesizer.model, synthesizer.processor)


@pytest.fixture(autouse=True)
def never_wrong(monkeypatch):
    monkeypatch.setattr(analysis, "faults", lambda performance: ())


def test_a_take_tells_what_it_is(dia):
    take = dia.speak(SHORT, seed=3)
    assert (take.sampling_rate, take.seed) == (dia.sample_rate, 3)
    assert [turn.speaker for turn in take.turns] == ["S1", "S2"]
    assert np.array_equal(dia.speak(SHORT, seed=take.seed).audio, take.audio)


def test_concatenated_pieces_equal_the_take(dia):
    take = dia.speak(LONG, seed=3)
    pieces = list(dia.pieces(LONG, seed=3))
    assert len(pieces) > 1
    assert np.array_equal(np.concatenate([piece.audio for piece in pieces]), take.audio)


def test_generate_splits_a_long_script_into_parts(dia):
    assert np.array_equal(dia.generate(LONG, seed=3), dia.speak(LONG, seed=3).audio)
    once = dia.generate(LONG, seed=3, long_form=False)
    assert len(once) != len(dia.generate(LONG, seed=3))


def test_generate_uses_one_pass_for_a_short_script_and_trims_it(dia):
    (spoken,) = dia.synthesizer([SHORT], (), [3])
    whole, _ = trimmed(dia.synthesizer.sound(spoken.codes), dia.sample_rate)
    np.testing.assert_allclose(dia.generate(SHORT, seed=3), whole, atol=1e-6)


def test_a_stream_of_a_long_script_equals_generate(dia):
    heard = list(dia.stream(LONG, seed=3))
    assert len(heard) >= len(list(dia.pieces(LONG, seed=3)))
    assert np.array_equal(np.concatenate(heard), dia.generate(LONG, seed=3))
    once = np.concatenate(list(dia.stream(LONG, seed=3, long_form=False)))
    np.testing.assert_allclose(once, dia.generate(LONG, seed=3, long_form=False), atol=1e-4)


def test_closing_a_long_stream_ends_the_current_pass(dia, monkeypatch):
    rows, second, taken = [], Event(), DiaAudioStreamer.put

    def put(self, value):
        rows.append(value)
        taken(self, value)
        if passes() == 2 and not second.is_set():
            second.set()
            wait_until(lambda: self.closed)

    def passes():
        return sum(value.ndim == 3 for value in rows)  # the prompt's grid comes first

    monkeypatch.setattr(DiaAudioStreamer, "put", put)
    stream = dia.stream(LONG, seed=3)
    for _ in stream:
        assert second.wait(20)
        break
    assert passes() == 2
    assert sum(value.ndim == 2 for value in rows[next(i for i, r in enumerate(rows[1:], 1) if r.ndim == 3) :]) <= 1
    assert threads_left() == []


def test_a_cancelled_pass_is_not_a_take(dia):
    cancel = Event()
    pieces = dia.pieces(LONG, seed=3, cancel=cancel)
    next(pieces)
    cancel.set()
    with pytest.raises(Cancelled):
        next(pieces)


def test_an_invalid_timeout_is_refused_for_long_scripts(dia):
    with pytest.raises(ValueError, match="timeout=-1"):
        dia.stream(LONG, timeout=-1)


def test_long_and_short_scripts_can_be_mixed(dia):
    first, second = dia.generate([LONG, SHORT], seed=[3, 4])
    assert np.array_equal(first, dia.generate(LONG, seed=3))
    np.testing.assert_allclose(second, dia.generate(SHORT, seed=4), atol=1e-5)


def test_takes_and_retries_are_reported(dia, monkeypatch):
    monkeypatch.setattr(analysis, "faults", lambda performance: ("is silent",))
    take = dia.speak(SHORT, retries=1, best_of=2, seed=3)
    assert [attempt.seed for attempt in take.attempts] == [3, 4, 5, 6]
    assert take.warnings == ("is silent",)


@pytest.mark.parametrize("script", [SHORT, LONG], ids=["short", "long"])
def test_a_job_reads_its_recording_once_for_every_use(monkeypatch, script):
    speech = tiny_speech(pass_seconds=6.0, max_length=500)
    dia, encoded = Dia(speech.model, speech.processor), []
    encode = dia.processor.encode_audio
    monkeypatch.setattr(dia.processor, "encode_audio", lambda clips, *rest: encoded.append(1) or encode(clips, *rest))
    voice = {"audio_prompt": {"array": talking(1.2), "sampling_rate": RATE}, "audio_prompt_text": "[S1] Good morning."}
    job = dia.job(script, seed=3, retries=1, **voice)
    assert dia.is_long(job) == (script == LONG)
    told = [dia.speak(job).audio, np.concatenate([piece.audio for piece in dia.pieces(job)])]
    told.append(np.concatenate(list(dia.stream(job))))
    assert len(encoded) == 1
    for audio in told:
        np.testing.assert_allclose(audio, told[0], atol=1e-5)
    np.testing.assert_allclose(dia.generate(script, seed=3, **voice), told[0], atol=1e-5)


@pytest.mark.parametrize("way", ["pieces", "speak", "stream"])
def test_a_job_takes_no_further_options(dia, way):
    with pytest.raises(TypeError, match=r"text is a job, so no further options are allowed; pass them to `Dia\.job`"):
        getattr(dia, way)(dia.job(SHORT), seed=3)


def test_an_interrupted_run_resumes_from_its_folder(dia, tmp_path):
    whole = dia.speak(LONG, seed=3).audio
    spoken = dia.pieces(LONG, seed=3, parts=tmp_path / "parts")
    next(spoken)
    spoken.close()
    assert len(list((tmp_path / "parts").glob("part-*"))) == 1
    np.testing.assert_allclose(dia.speak(LONG, seed=3, parts=tmp_path / "parts").audio, whole, atol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "error", "named"),
    [
        ({"text": ""}, ValueError, "text is empty"),
        ({"text": "[S1] [S2]"}, ValueError, "text is empty"),
        ({"text": ["[S1] Hi."]}, TypeError, "text is list"),
        ({"retries": -1}, ValueError, "retries"),
        ({"best_of": 0}, ValueError, "best_of"),
        ({"seed": "7"}, TypeError, "seed"),
        ({"temperature": -1}, ValueError, "temperature"),
        ({"pitch": 3}, TypeError, "pitch"),
    ],
)
def test_invalid_arguments_are_named_before_the_work(dia, wrong, error, named):
    with pytest.raises(error, match=named):
        dia.pieces(**{"text": SHORT, **wrong})


@pytest.mark.parametrize("way", ["generate", "stream", "pieces", "job"])
def test_the_long_form_with_an_untranscribed_recording_is_refused_at_once(dia, tmp_path, way):
    options = {"parts": tmp_path / "parts"} if way == "pieces" else {}
    with pytest.raises(ValueError, match="audio_prompt_text is missing: the long form needs"):
        getattr(dia, way)(
            "[S1] Hi. [pause:500ms] Ho.", audio_prompt=talking(1.2, rate=dia.sample_rate), long_form=True, **options
        )
    assert not (tmp_path / "parts").exists()


def test_a_book_chapter_is_split_into_parts_at_once(dia):
    first = next(dia.pieces("[S1] These are words. " * 1_000, seed=1))
    assert first.parts > 100
