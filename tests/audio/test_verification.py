"""Verification: what is said about files with a tag, with a watermark, with both, and with neither."""

import numpy as np
import pytest
import soundfile

from dia.audio.files import Provenance, Writer, write
from dia.audio.verification import tag_in, verify
from tests.audio.watermark.test_watermark import RATE, voice

ORIGIN = Provenance("mini", 7)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "m4a"])
def test_tag_and_watermark_of_a_file_are_found(tmp_path, suffix):
    if suffix == "m4a":
        pytest.importorskip("av")
    path = tmp_path / f"a.{suffix}"
    write(path, voice(5.0), RATE, provenance=ORIGIN, watermark=True)
    found = verify(path)
    assert found.tag == ORIGIN
    assert found.watermark.payload is not None
    assert (found.model, found.seed, found.agree) == ("mini", 7, True)


def test_a_watermark_without_a_tag_says_model_and_seed(tmp_path):
    write(tmp_path / "a.wav", voice(5.0), RATE, provenance=ORIGIN, watermark=True)
    soundfile.write(tmp_path / "b.wav", soundfile.read(tmp_path / "a.wav")[0], RATE)
    found = verify(tmp_path / "b.wav")
    assert found.tag is None
    assert (found.synthetic, found.model, found.seed, found.agree) == (True, "mini", 7, None)


def test_a_tag_of_other_speech_is_noticed(tmp_path):
    write(tmp_path / "a.wav", voice(5.0), RATE, provenance=ORIGIN, watermark=True)
    write(tmp_path / "b.wav", soundfile.read(tmp_path / "a.wav")[0], RATE, provenance=Provenance("mini", 8))
    assert verify(tmp_path / "b.wav").agree is False


def test_a_file_without_marks_is_not_called_synthetic(tmp_path):
    soundfile.write(tmp_path / "a.wav", voice(2.0), RATE)
    assert not verify(tmp_path / "a.wav").synthetic


def test_by_default_a_file_has_a_tag_alone(tmp_path):
    write(tmp_path / "a.wav", voice(2.0), RATE, provenance=ORIGIN)
    found = verify(tmp_path / "a.wav")
    assert found.tag == ORIGIN
    assert not found.watermark.found


def test_stereo_files_have_a_watermark(tmp_path):
    write(tmp_path / "a.wav", np.stack([voice(4.0)] * 2, axis=1), RATE, watermark=True)
    assert verify(tmp_path / "a.wav").watermark.found


def test_a_writer_writes_all_samples(tmp_path):
    sound = voice(1.0)
    with Writer(tmp_path / "a.wav", RATE, watermark=True) as writer:
        for at in range(0, len(sound), 700):
            writer.write(sound[at : at + 700])
    write(tmp_path / "b.wav", sound, RATE, watermark=True)
    assert soundfile.info(tmp_path / "a.wav").frames == RATE
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_short_and_silent_files_have_a_remark(tmp_path):
    soundfile.write(tmp_path / "a.wav", voice(0.5), RATE)
    soundfile.write(tmp_path / "b.wav", np.zeros(2 * RATE), RATE)
    assert "0.50 s" in verify(tmp_path / "a.wav").remarks[0]
    assert "silent" in verify(tmp_path / "b.wav").remarks[0]


def test_unusable_files_are_refused(tmp_path):
    soundfile.write(tmp_path / "nan.wav", np.full(RATE, np.nan), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "slow.wav", np.zeros(4000), 4000)
    (tmp_path / "text.wav").write_text("not audio")
    for name, fault in (("nan", "NaN"), ("slow", "rate"), ("text", "cannot be read as audio")):
        with pytest.raises(ValueError, match=fault):
            verify(tmp_path / f"{name}.wav")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        verify(tmp_path / "missing.wav")
    with pytest.raises(FileNotFoundError, match="is a folder, not a file"):
        verify(tmp_path)


@pytest.mark.parametrize("seed", [None, 0, -5, 2**64 - 1])
def test_a_tag_is_read_as_it_was_written(seed):
    assert tag_in(f"a note\n{Provenance('nari-labs/Dia-1.6B-0626', seed)}") == Provenance(
        "nari-labs/Dia-1.6B-0626", seed
    )


def test_a_seed_that_cannot_be_is_unknown():
    assert tag_in(f"{Provenance('mini')}; seed=99999999999999999999") == Provenance("mini")
    assert tag_in("something else") is None
