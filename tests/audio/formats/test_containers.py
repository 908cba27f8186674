"""What phones, browsers and cameras record is read like any other file, with the same checks."""

import sys
import warnings

import numpy as np
import pytest
from media import RATE, needs_av, recorded, silent_film, sweep

from dia import DiaWarning
from dia.audio import files as audio_file
from dia.audio.formats import containers

FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
LOCKED = {
    "encryption_scheme": "cenc-aes-ctr",
    "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
    "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
}
RECORDINGS = {
    "a phone's m4a": ("ipod", "aac", {}),
    "aac in mp4": ("mp4", "aac", {}),
    "a fragmented mp4": ("mp4", "aac", {"options": FRAGMENTED}),
    "a lossless m4a": ("ipod", "alac", {}),
    "aac without a container": ("adts", "aac", {}),
    "opus in webm": ("webm", "libopus", {}),
    "a browser's recorder, without length": ("webm", "libopus", {"live": True}),
    "opus in matroska": ("matroska", "libopus", {}),
    "mp3 in matroska": ("matroska", "libmp3lame", {}),
    "a camera's mov": ("mov", "aac", {"picture": True}),
    "a video with its sound in opus": ("matroska", "libopus", {"picture": True}),
    "an old phone's 3gp": ("3gp", "libopencore_amrnb", {}),
    "an old phone's amr": ("amr", "libopencore_amrnb", {}),
    "a stream of a receiver": ("mpegts", "aac", {}),
}


def noise(size):
    return bytes(np.random.default_rng(0).integers(0, 256, size, np.uint8))


def likeness(samples, rate):
    """The correlation of a recording with `sweep`, where they fit best."""
    time = np.arange(round(2.5 * rate)) / rate
    kept = np.interp(np.arange(2.5 * RATE) / RATE, time, samples[: len(time), 0])
    wanted = sweep()
    found = [np.corrcoef(kept, np.roll(wanted, shift)[: len(kept)])[0, 1] for shift in range(-1600, 1600, 5)]
    return max(found)


@needs_av
@pytest.mark.parametrize("kind", RECORDINGS)
def test_recordings_of_every_kind_are_read(kind):
    container, codec, options = RECORDINGS[kind]
    content = recorded(container, codec, sweep(), **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DiaWarning)
        samples, rate = audio_file.read(content, longest=4.0)
    assert len(samples) / rate == pytest.approx(3.0, abs=0.15)
    assert rate == 8000 or likeness(samples, rate) > 0.95  # telephones' codecs change a tone


@needs_av
def test_a_path_and_a_file_object_are_read_like_bytes(tmp_path):
    content = recorded("ipod", "aac", sweep())
    (tmp_path / "rec.m4a").write_bytes(content)
    expected, rate = audio_file.read(content)
    with open(tmp_path / "rec.m4a", "rb") as file:
        for source in (tmp_path / "rec.m4a", str(tmp_path / "rec.m4a"), file):
            samples, read_rate = audio_file.read(source)
            np.testing.assert_array_equal(samples, expected)
            assert read_rate == rate == RATE
        assert not file.closed
    audio_file.check_readable(tmp_path / "rec.m4a")


@needs_av
def test_channels_are_kept():
    left = sweep()
    samples, _ = audio_file.read(recorded("ipod", "alac", np.stack([left, 0 * left])))
    assert samples.shape == (len(left), 2)
    assert np.abs(samples[:, 0] - left).max() < 1e-3
    assert not samples[:, 1].any()


@needs_av
def test_the_first_of_several_tracks_is_used_with_a_warning():
    with pytest.warns(DiaWarning, match=r"about my_clip: it has 2 audio tracks; only the first is used"):
        samples, _ = audio_file.read(recorded("mp4", "aac", sweep(), tracks=2), "my_clip")
    assert len(samples) / RATE == pytest.approx(3.0, abs=0.15)


@needs_av
def test_a_video_without_sound_is_refused(tmp_path):
    (tmp_path / "mute.mp4").write_bytes(silent_film())
    for read in (audio_file.read, audio_file.check_readable):
        with pytest.raises(ValueError, match=r"my_clip has no audio track\. Choose a file with sound"):
            read(tmp_path / "mute.mp4", "my_clip")


@needs_av
def test_an_encrypted_file_is_refused():
    for _ in range(20):  # each file has its own random vector, and one of 60 such files decodes to a little noise
        with pytest.raises(ValueError, match=r"my_clip is encrypted \(DRM\)"):
            audio_file.read(recorded("mp4", "aac", sweep(), options=LOCKED), "my_clip")


@needs_av
@pytest.mark.parametrize("live", [False, True], ids=["with a length", "without a length"])
def test_decoding_stops_at_the_limit(monkeypatch, live):
    decoded = []
    append = containers._Decoder._append
    monkeypatch.setattr(containers._Decoder, "_append", lambda self, frame: (decoded.append(1), append(self, frame)))
    content = recorded("webm", "libopus", sweep(60.0), live=live)
    lasts = r"more than 1 s" if live else r"60.0\d s"
    with pytest.raises(ValueError, match=f"my_clip lasts {lasts}, but at most 1 s are allowed"):
        audio_file.read(content, "my_clip", longest=1.0)
    assert len(decoded) <= (60 if live else 0)  # frames of 20 ms


@needs_av
@pytest.mark.parametrize("container", ["ipod", "matroska"])
def test_damage_in_the_middle_is_reported_with_the_seconds_lost(container):
    content = bytearray(recorded(container, "aac", sweep(10.0)))
    middle = len(content) // 2
    content[middle : middle + len(content) // 8] = noise(len(content) // 8)
    with pytest.warns(DiaWarning, match=r"it is damaged: (1\.\d|5\.\d) s of it cannot be decoded") as found:
        samples, rate = audio_file.read(bytes(content))
    lost = float(str(found[0].message).partition("damaged: ")[2].split()[0])
    assert len(samples) / rate + lost == pytest.approx(10.0, abs=0.2)


@needs_av
def test_an_interrupted_upload_is_reported_with_the_seconds_lost(tmp_path):
    audio_file.write(tmp_path / "a.m4a", sweep(10.0), RATE)
    content = (tmp_path / "a.m4a").read_bytes()
    with pytest.warns(DiaWarning, match=r"it is damaged: 4\.\d s of it cannot be decoded"):
        samples, rate = audio_file.read(content[: int(0.6 * len(content))])
    assert 5.0 < len(samples) / rate < 6.0


@needs_av
def test_damage_in_a_file_that_libsndfile_gives_up_on_is_reported(tmp_path):
    audio_file.write(tmp_path / "a.flac", sweep(10.0), RATE)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 2000] = noise(2000)
    with pytest.warns(DiaWarning, match=r"s of it cannot be decoded and are left out"):
        samples, rate = audio_file.read(bytes(content))
    assert 8.0 < len(samples) / rate < 10.0


def test_damage_that_libsndfile_passes_over_is_reported(tmp_path):
    audio_file.write(tmp_path / "a.ogg", sweep(10.0) + np.random.default_rng(0).normal(0, 0.05, 10 * RATE), RATE)
    content = bytearray((tmp_path / "a.ogg").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4000] = noise(4000)
    with pytest.warns(DiaWarning, match=r"s of it cannot be decoded and are left out"):
        assert len(audio_file.read(bytes(content))[0]) < 10 * RATE


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        bytes(10_000),
        noise(100_000),
        b"[S1] Hello. " * 1000,
        b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1/a.ts\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile /etc/hostname\n",
        b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0",
        b"\0\0\0\x1cftypM4A \0\0\0\0M4A mp42isom" + bytes(200),
        b"\x1aE\xdf\xa3" + bytes(200),
    ],
    ids=["nothing", "a word", "zeros", "noise", "a script", "a playlist", "a list of files", "wav", "m4a", "webm"],
)
def test_what_is_no_recording_is_refused(content):
    with pytest.raises(ValueError, match=r"my_clip: \d+ bytes cannot be read as audio .*ffmpeg -i INPUT"):
        audio_file.read(content, "my_clip")


def test_without_pyav_the_error_names_the_extra_and_a_command_to_convert(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "rec.m4a").write_bytes(b"\0\0\0\x1cftypM4A \0\0\0\0M4A mp42isom" + bytes(200))
    message = r"my_clip: .*rec\.m4a cannot be read as audio .*pip install 'dia-tts\[media\]'.*ffmpeg -i rec\.m4a"
    for read in (audio_file.read, audio_file.check_readable):
        with pytest.raises(ValueError, match=message):
            read(tmp_path / "rec.m4a", "my_clip")
