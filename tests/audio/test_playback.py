"""Playback on the sound device and through pipes."""

import io
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from ffmpeg import runs

from dia.audio.playback import Pipe, Player, check_device, play, wav_header

RATE = 16000


def tone(samples=RATE // 4):
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(samples) / RATE)).astype(np.float32)


class PortAudioError(Exception):
    pass


class Device:
    """A fake device that records its calls."""

    def __init__(self, **settings):
        self.settings, self.heard, self.events = settings, [], []
        type(self).last = self

    def write(self, samples):
        self.heard.append(samples)

    def __getattr__(self, name):
        return lambda: self.events.append(name)


class Broken:
    def __init__(self, **settings):
        raise PortAudioError("Error querying device -1")


@pytest.fixture
def device(monkeypatch):
    fake = SimpleNamespace(OutputStream=Device, PortAudioError=PortAudioError)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def test_a_player_plays_in_order_and_to_the_end(device):
    with Player(RATE) as player:
        player.write(tone(100))
        player.write(np.zeros(50, np.float32))
    assert Device.last.settings == {"samplerate": RATE, "channels": 1, "dtype": "float32"}
    np.testing.assert_array_equal(np.concatenate(Device.last.heard)[:, 0], [*tone(100), *np.zeros(50)])
    assert Device.last.events == ["start", "stop", "close"]


def test_after_an_error_a_player_stops_at_once(device):
    with pytest.raises(KeyboardInterrupt), Player(RATE):
        raise KeyboardInterrupt
    assert Device.last.events == ["start", "abort", "close"]


def test_a_device_is_checked_before_there_is_anything_to_play(device):
    asked = []
    device.check_output_settings = lambda **settings: asked.append(settings)
    check_device()
    assert asked == [{"channels": 1, "dtype": "float32"}]
    device.check_output_settings = Broken
    with pytest.raises(OSError, match=r"no sound device is available .*-o"):
        check_device()


def test_without_a_device_or_without_sounddevice_the_remedy_is_named(device, monkeypatch):
    device.OutputStream = Broken
    with pytest.raises(OSError, match=r"no sound device is available .*-o"):
        play(tone(), RATE)
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    for use in (check_device, lambda: play(tone(), RATE)):
        with pytest.raises(ImportError, match=r"pip install sounddevice .*apt install libportaudio2"):
            use()


def piped(kind, comment="", *pieces):
    file = io.BytesIO()
    pipe = Pipe(file, RATE, kind, comment)
    for piece in pieces:
        pipe.write(piece)
    return file.getvalue()


def test_raw_output_has_no_header():
    samples = np.frombuffer(piped("raw", "", tone(), np.array([2.0, -2.0], np.float32)), "<i2")
    np.testing.assert_allclose(samples[:-2] / 32767, tone(), atol=1e-4)
    assert samples[-2:].tolist() == [32767, -32767]


@pytest.mark.parametrize("comment", ["", "odd", "even", "Synthetic speech"])
def test_a_wav_of_unknown_length_can_be_read_completely(comment):
    data = piped("wav", comment, tone()[:1000], tone()[1000:])
    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(samples, tone(), atol=1e-4)
    assert soundfile.SoundFile(io.BytesIO(data)).comment == comment


@pytest.mark.parametrize(
    "command",
    [
        ["ffprobe", "-v", "error", "-show_entries", "stream=sample_rate:format_tags=comment", "-i", "-"],
        ["sox", "-V1", "-t", "wav", "-", "-t", "raw", "-"],
    ],
    ids=["ffmpeg", "sox"],
)
def test_other_programs_can_read_the_pipe(command):
    if not runs(command[0]):
        pytest.skip(f"{command[0]} is not installed or does not start")
    done = subprocess.run(command, input=piped("wav", "Synthetic speech", tone()), capture_output=True, check=True)
    if command[0] == "ffprobe":
        assert b"sample_rate=16000" in done.stdout
        assert b"Synthetic speech" in done.stdout
    else:
        assert len(done.stdout) == 2 * len(tone())


def test_the_header_without_a_comment_has_44_bytes():
    assert len(wav_header(RATE)) == 44


def test_the_length_is_written_if_the_pipe_is_a_file(tmp_path):
    """As after `>` in a shell, also if the file already has content."""
    with (tmp_path / "a.wav").open("wb", buffering=0) as file:
        file.write(b"before")
        with Pipe(file, RATE, "wav", "Synthetic speech") as pipe:
            pipe.write(tone())
        file.write(b"behind")
    content = (tmp_path / "a.wav").read_bytes()
    assert (content[:6], content[-6:]) == (b"before", b"behind")
    wav = content[6:-6]
    assert struct.unpack("<I", wav[4:8])[0] == len(wav) - 8
    assert struct.unpack("<I", wav[-2 * len(tone()) - 4 :][:4])[0] == 2 * len(tone())
    assert soundfile.info(io.BytesIO(wav)).frames == len(tone())


def test_after_an_error_the_header_has_the_length_so_far(tmp_path):
    def interrupted(pipe):
        with pipe:
            pipe.write(tone()[:1000])
            raise KeyboardInterrupt

    with (tmp_path / "a.wav").open("wb", buffering=0) as file, pytest.raises(KeyboardInterrupt):
        interrupted(Pipe(file, RATE))
    assert soundfile.info(tmp_path / "a.wav").frames == 1000


def test_a_file_in_append_mode_is_not_rewritten(tmp_path):
    """After `>>` every write goes to the end of the file, including that of a header."""
    for _ in range(2):
        with (tmp_path / "a.wav").open("ab", buffering=0) as file, Pipe(file, RATE) as pipe:
            pipe.write(tone())
    one = (tmp_path / "a.wav").read_bytes()[: 44 + 2 * len(tone())]
    assert (tmp_path / "a.wav").read_bytes() == 2 * one
    assert one[:44] == wav_header(RATE)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_named():
    with Path("/dev/full").open("wb", buffering=0) as file, pytest.raises(OSError, match=r"completely: No space left"):
        Pipe(file, RATE)


def test_only_wav_and_raw_can_be_piped():
    with pytest.raises(ValueError, match="'mp3' cannot be written to a pipe; use one of wav, raw"):
        Pipe(io.BytesIO(), RATE, "mp3")
