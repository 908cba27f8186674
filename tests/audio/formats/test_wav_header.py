"""WAV files whose header states a wrong length are read whole."""

import io
import struct

import numpy as np
import pytest
import soundfile
from media import RATE, sweep

from dia.audio import files as audio_file
from dia.audio.playback import wav_header

CLIP = sweep(1.0)


def wav(length=None, riff=None, after=b""):
    """A WAV file, with other lengths than its own in the header, or with more after its samples."""
    file = io.BytesIO()
    soundfile.write(file, CLIP, RATE, format="WAV")
    content = bytearray(file.getvalue() + after)
    place = content.index(b"data") + 4
    if length is not None:
        content[place : place + 4] = struct.pack("<I", length)
    content[4:8] = struct.pack("<I", len(content) - 8 if riff is None else riff)
    return bytes(content)


@pytest.mark.parametrize("riff", [None, 0, 0xFFFFFFFF])
@pytest.mark.parametrize("length", [None, 0, 1, 100, 16_000, 10**6, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF - 36])
def test_a_wrong_length_is_corrected(length, riff, tmp_path):
    content = wav(length, riff)
    (tmp_path / "a.wav").write_bytes(content)
    for source in (content, tmp_path / "a.wav", io.BytesIO(content)):
        samples, rate = audio_file.read(source, longest=1.5)
        assert (rate, samples.shape) == (RATE, (RATE, 1))
        np.testing.assert_allclose(samples[:, 0], CLIP, atol=1e-4)


@pytest.mark.parametrize(
    "after",
    [b"LIST" + struct.pack("<I", 10) + b"INFOISFT\0\0", b"id3 " + struct.pack("<I", 5000) + bytes(5000), bytes(200)],
    ids=["tags", "long tags", "padding"],
)
def test_what_follows_the_samples_is_not_read_as_sound(after):
    assert len(audio_file.read(wav(after=after))[0]) == RATE


def test_an_empty_file_is_empty():
    assert len(audio_file.read(wav(0)[: -2 * RATE])[0]) == 0


def test_what_the_command_writes_to_a_pipe_is_read():
    content = wav_header(RATE, "a comment") + (CLIP * 32767).astype("<i2").tobytes()
    assert len(audio_file.read(content)[0]) == RATE


def test_the_limit_applies_to_the_true_length():
    with pytest.raises(ValueError, match=r"my_clip lasts 1\.00 s, but at most 0\.5 s"):
        audio_file.read(wav(0), "my_clip", longest=0.5)


def test_a_flac_of_unknown_length_is_read_up_to_the_limit(tmp_path):
    audio_file.write(tmp_path / "a.flac", CLIP, RATE)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[21] &= 0xF0  # of the 36 bits that count samples the highest
    content[22:26] = bytes(4)
    assert len(audio_file.read(bytes(content), longest=1.5)[0]) == RATE
    with pytest.raises(ValueError, match=r"my_clip lasts more than 0\.5 s"):
        audio_file.read(bytes(content), "my_clip", longest=0.5)
