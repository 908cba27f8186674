"""A recording without its transcript says so once, whichever way it is spoken with and however many parts or takes."""

import warnings

import pytest
import soundfile
from talking import RATE, talking
from tiny_speech import tiny_speech

from dia import DiaWarning
from dia.cli import main
from dia.model import Dia
from dia.synthesis.takes import analysis

TEXTS = {
    "short": "[S1] And this is new.",
    "long": " ".join(f"[S{1 + number % 2}] These are words." for number in range(20)),
    "pauses": "[S1] Hi there. [pause:300ms] [S2] Yes.",
}


@pytest.fixture(scope="module")
def speech():
    return tiny_speech(ends=0, pass_seconds=4.0, max_length=400)


@pytest.fixture
def dia(speech, monkeypatch):
    monkeypatch.setattr(analysis, "faults", lambda performance: ())
    return Dia(speech.model, speech.processor)


@pytest.fixture
def voice():
    return {"array": talking(1.2), "sampling_rate": RATE}


def said(call):
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        call()
    return [str(warning.message) for warning in raised if "audio_prompt_text" in str(warning.message)]


WAYS = {
    "generate": lambda dia, text, voice: dia.generate(text, audio_prompt=voice, seed=1),
    "several texts": lambda dia, text, voice: dia.generate([text] * 3, audio_prompt=voice, seed=1),
    "stream": lambda dia, text, voice: list(dia.stream(text, audio_prompt=voice, seed=1)),
    "pieces": lambda dia, text, voice: list(dia.pieces(text, audio_prompt=voice, seed=1)),
    "speak, in takes": lambda dia, text, voice: dia.speak(text, retries=2, best_of=2, audio_prompt=voice, seed=1),
    "a job": lambda dia, text, voice: dia.speak(dia.job(text, audio_prompt=voice, seed=1)),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_recording_without_a_transcript_warns_once(dia, voice, way, text):
    (warning,) = said(lambda: way(dia, text, voice))
    assert warning.startswith("audio_prompt_text is missing, so the text must begin with the words of the recording")
    assert warning.endswith("Pass the transcript of the recording as audio_prompt_text.")


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_without_a_recording_there_is_no_warning(dia, way):
    assert said(lambda: way(dia, TEXTS["short"], None)) == []


def test_the_warning_is_among_those_of_the_take(dia, voice):
    with pytest.warns(DiaWarning, match="audio_prompt_text is missing"):
        take = dia.speak(TEXTS["short"], audio_prompt=voice, seed=1)
    assert [remark for remark in take.remarks if "audio_prompt_text is missing" in remark] == list(take.remarks)[-1:]


@pytest.mark.parametrize(
    "options",
    [["-o", "said.wav"], ["-o", "said.wav", "--retries", "2"], ["-o", "said.wav", "--srt", "said.srt"], ["-o", "-"]],
    ids=" ".join,
)
def test_the_command_warns_once(dia, voice, options, tmp_path, monkeypatch, capsysbinary):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dia.commands.say.load_model", lambda *_: dia)
    soundfile.write("voice.wav", voice["array"], RATE)
    assert main(["say", TEXTS["long"], "--audio-prompt", "voice.wav", "--seed", "1", *options]) == 0
    assert capsysbinary.readouterr().err.count(b"audio_prompt_text is missing") == 1
