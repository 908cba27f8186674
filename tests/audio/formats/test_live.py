"""Audio is encoded while it is made: the bytes depend on the samples alone, and every format can be read again."""

import io

import numpy as np
import pytest
from talking import talking

from dia.audio.files import decode
from dia.audio.formats import live
from dia.audio.formats.live import MEDIA_TYPES, live_encoder, rate_for

RATE = 16_000
SOUND = talking(1.0, rate=RATE)


def encoded(kind, rate=24_000, chunk=RATE, sound=SOUND, comment="Synthetic é"):
    encoder = live_encoder(kind, RATE, rate, comment)
    parts = [encoder.encode(sound[start : start + chunk]) for start in range(0, len(sound), chunk)]
    return b"".join([*parts, encoder.finish()])


@pytest.mark.parametrize("kind", MEDIA_TYPES)
@pytest.mark.parametrize("rate", [RATE, 24_000])
def test_chunks_of_any_size_give_the_same_bytes(kind, rate):
    assert encoded(kind, rate, chunk=777) == encoded(kind, rate)


@pytest.mark.parametrize("kind", sorted(set(MEDIA_TYPES) - {"pcm"}))
def test_every_format_can_be_read_again(kind):
    sound = decode(encoded(kind))
    assert sound.rate in (24_000, 48_000)
    assert len(sound.samples) / sound.rate == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("kind", sorted(set(MEDIA_TYPES) - {"pcm"}))
def test_the_comment_is_in_every_file(kind):
    content = encoded(kind)[:400]
    assert any("Synthetic é".encode(code) in content for code in ("utf-8", "utf-16"))


def test_pcm_is_little_endian_and_clipped():
    assert encoded("pcm", RATE, sound=np.array([0.0, 2.0, -2.0], np.float32)) == b"\0\0\xff\x7f\x01\x80"


@pytest.mark.parametrize("kind", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
def test_audio_comes_before_the_end(kind):
    encoder = live_encoder(kind, RATE, RATE)
    assert len(encoder.encode(SOUND)) > 1000


def test_nothing_can_only_be_encoded_where_a_file_can_be_empty():
    assert live_encoder("pcm", RATE, RATE).finish() == b""
    assert len(live_encoder("wav", RATE, RATE).finish()) == 44
    with pytest.raises(ValueError, match="there are no samples"):
        live_encoder("mp3", RATE, RATE).finish()


@pytest.mark.parametrize(
    ("kind", "given", "found"),
    [("wav", 17_000, 17_000), ("opus", 16_000, 16_000), ("opus", 17_000, 24_000), ("mp3", 96_000, 48_000)],
)
def test_a_format_without_a_rate_gets_the_next_higher_one(kind, given, found):
    assert rate_for(kind, given) == found


def test_unknown_formats_and_rates_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="'ogg' is unknown"):
        live_encoder("ogg", RATE, RATE)
    with pytest.raises(ValueError, match="opus does not have 44100 Hz"):
        live_encoder("opus", RATE, 44_100)
    monkeypatch.setattr(live, "missing", lambda: "not installed")
    with pytest.raises(ImportError, match=r"dia-tts\[media\]"):
        live_encoder("mp3", RATE, RATE)


def test_a_file_of_many_channels_is_refused_before_it_is_decoded():
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.zeros((100, 9)), RATE, format="WAV")
    with pytest.raises(ValueError, match="9 channels"):
        decode(file.getvalue())
