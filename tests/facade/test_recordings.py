"""Recordings in every form go through the facade, and errors name the argument that the caller used."""

import io
import re

import numpy as np
import pytest
import soundfile
import torch
from media import needs_av, recorded
from talking import talking
from tiny_checkpoint import RATE, write_tiny_checkpoint

from dia import DiaWarning
from dia.audio import files as audio_file
from dia.model import Dia
from dia.voices import Voice

VOICE = talking(1.2, rate=RATE)
PCM = (VOICE * 32767).astype(np.int16)


@pytest.fixture(scope="module")
def dia(tmp_path_factory):
    return Dia.from_pretrained(write_tiny_checkpoint(tmp_path_factory.mktemp("tiny")), device="cpu")


def wav():
    file = io.BytesIO()
    soundfile.write(file, VOICE, RATE, format="WAV", subtype="FLOAT")
    return file


FORMS = {
    "gradio": (RATE, PCM),
    "torchaudio": (torch.from_numpy(VOICE[None]), RATE),
    "ComfyUI": {"waveform": torch.from_numpy(VOICE[None, None]), "sample_rate": RATE},
    "datasets": {"array": VOICE, "sampling_rate": RATE},
    "bytes": wav().getvalue(),
    "a file object": wav(),
    "[1, 1, N]": torch.from_numpy(VOICE[None, None]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_codes(dia, form):
    assert torch.equal(dia.load_audio(FORMS[form]), dia.load_audio(wav())) or form == "gradio"
    expected = dia.processor.encode_audio((VOICE, RATE))[0]
    (codes,) = dia.processor.encode_audio(FORMS[form])
    assert codes.shape == expected.shape
    assert form == "gradio" or torch.equal(codes, expected)


def test_a_pair_is_one_prompt_for_one_text_and_for_several(dia):
    options = {"max_tokens": 330, "seed": 2}
    alone = dia.generate("[S1] Hi.", audio_prompt=(RATE, PCM), **options)
    for prompt in ((RATE, PCM), [(RATE, PCM), (PCM, RATE)]):
        both = dia.generate(["[S1] Hi.", "[S1] Hi."], audio_prompt=prompt, **options)
        for one in both:
            np.testing.assert_allclose(one, alone, atol=1e-5)


def test_errors_name_the_callers_argument(dia, tmp_path):
    clip = (16_000, 24_000)
    script, several = "[S1] Hi.", ["[S1] Hi.", "[S1] Ho."]
    voice = {"processor": dia.processor, "consent": "a sine, nobody's voice"}
    calls = {
        "audio_prompt": lambda: dia.generate(script, audio_prompt=clip),
        "audio_prompt[1]": lambda: dia.generate(several, audio_prompt=[VOICE, clip], max_tokens=330),
        "path": lambda: dia.load_audio(clip),
        "audio": lambda: Voice.from_audio(clip, "[S1] La.", **voice),
        "audio[1]": lambda: dia.processor(text=several, audio=[VOICE, clip]),
        "raw_audio[1]": lambda: dia.processor.feature_extractor([VOICE, clip]),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError, match=rf"^{re.escape(name)} is a tuple of 2 values of type number"):
            call()
    with (
        pytest.warns(FutureWarning, match="audio_prompt_path"),
        pytest.raises(FileNotFoundError, match=r"^audio_prompt_path: the file .*none\.wav does not exist"),
    ):
        dia.generate(script, audio_prompt_path=tmp_path / "none.wav")


@needs_av
def test_a_phones_recording_is_a_prompt_and_remarks_on_it_are_warnings(dia):
    one, two = (recorded("mp4", "aac", VOICE, rate=RATE, tracks=tracks) for tracks in (1, 2))
    assert abs(len(dia.load_audio(one)) - len(dia.load_audio((VOICE, RATE)))) <= 10
    remark = "about audio_prompt: it has 2 audio tracks; only the first is used."
    job = dia.job("[S1] Hi.", audio_prompt=two, max_tokens=330, seed=1)
    assert remark in job.remarks
    with pytest.warns(DiaWarning, match=remark):
        dia.speak(job)
    with pytest.warns(DiaWarning, match=r"about audio\[1\]: it has 2 audio tracks"):
        dia.processor(text=["[S1] Hi.", "[S1] Hi."], audio=[one, two])


def test_speech_is_saved_with_metadata(dia, tmp_path):
    speech = dia.generate("[S1] Hi.", seed=1)
    dia.save_audio(tmp_path / "a.flac", speech, seed=1, metadata={"title": "A walk", "comment": "take 1"})
    with soundfile.SoundFile(tmp_path / "a.flac") as file:
        assert file.title == "A walk"
        assert file.comment == f"take 1\n{dia.provenance(1)}"
    dia.save_audio([tmp_path / "b.opus", tmp_path / "c.ogg"], [speech, speech], metadata=[{"artist": "Clara"}, None])
    with soundfile.SoundFile(tmp_path / "b.opus") as file, soundfile.SoundFile(tmp_path / "c.ogg") as other:
        assert (file.artist, other.artist) == ("Clara", "")
    with pytest.raises(ValueError, match=r"metadata contains 'titel'"):
        dia.save_audio(tmp_path / "d.wav", speech, metadata={"titel": "x"})
    assert not (tmp_path / "d.wav").exists()


@needs_av
def test_speech_is_saved_with_chapters_at_its_turns(dia, tmp_path):
    import av

    take = dia.speak("[S1] Hi. [S2] Ho.", seed=1)
    chapters = [(turn.start, turn.speaker) for turn in take.turns]
    dia.save_audio(tmp_path / "a.m4a", take.audio, metadata={"chapters": chapters})
    with av.open(tmp_path / "a.m4a") as file:
        assert [one["metadata"]["title"] for one in file.chapters()] == [title for _, title in chapters]
        assert file.metadata["comment"].startswith(audio_file.NOTICE)


def test_a_pair_is_saved_at_its_own_rate(dia, tmp_path):
    dia.processor.save_audio((8000, PCM), tmp_path / "a.wav")
    assert soundfile.info(tmp_path / "a.wav").samplerate == 8000
