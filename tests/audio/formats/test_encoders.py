"""Opus, m4a and mp4: complete or not at all, marked as synthetic, and refused early where PyAV is missing."""

import sys

import numpy as np
import pytest
import soundfile
from media import RATE, needs_av, sweep

from dia.audio import files as audio_file
from dia.audio.formats.tags import Provenance

SUFFIXES = ["m4a", "mp4"]


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_opus_is_written_at_any_rate_without_pyav(tmp_path, rate, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    path = tmp_path / "a.opus"
    with audio_file.Writer(path, rate, Provenance("mini", 7)) as file:
        for piece in np.array_split(sweep(rate=rate), 7):
            file.write(piece)
        assert file.seconds == 3.0
    samples, found = audio_file.read(path)
    assert found == (rate if rate in (8_000, 16_000, 24_000, 48_000) else 48_000)
    assert len(samples) / found == pytest.approx(3.0, abs=0.001)
    error = samples[:, 0] - sweep(rate=found)[: len(samples)]
    assert np.sqrt((error[found // 10 : -found // 10] ** 2).mean()) < 0.05
    with soundfile.SoundFile(path) as file:
        assert (file.format, file.subtype) == ("OGG", "OPUS")
        assert file.comment == str(Provenance("mini", 7))


@needs_av
@pytest.mark.parametrize("rate", [16_000, 44_100])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_m4a_and_mp4_are_written_incrementally_and_marked(tmp_path, suffix, rate):
    import av

    path = tmp_path / f"a.{suffix}"
    with audio_file.Writer(path, rate, Provenance("mini", 7)) as file:
        for piece in np.array_split(sweep(rate=rate), 7):
            file.write(piece)
            assert not path.exists()
        assert file.seconds == 3.0
    with av.open(path) as written:
        assert written.metadata["comment"] == str(Provenance("mini", 7))
        assert written.duration == 3_000_000
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # a browser can play it before all of it has arrived
    samples, found = audio_file.read(path)
    assert found == rate
    assert np.abs(samples[2000 : 2 * rate, 0] - sweep(rate=rate)[2000 : 2 * rate]).max() < 0.05
    assert list(tmp_path.iterdir()) == [path]


@needs_av
def test_stereo_and_integers_are_written(tmp_path):
    left = (sweep() * 32767).astype(np.int16)
    audio_file.write(tmp_path / "a.m4a", np.stack([left, 0 * left]), RATE)
    samples, _ = audio_file.read(tmp_path / "a.m4a")
    assert samples.shape[1] == 2
    assert np.abs(samples[2000:40_000, 0] - sweep()[2000:40_000]).max() < 0.05
    assert np.abs(samples[2000:40_000, 1]).max() < 0.01


@needs_av
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_is_an_error_and_keeps_the_old_file(tmp_path, suffix):
    resource = pytest.importorskip("resource")
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"what was there")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = np.random.default_rng(0).uniform(-1, 1, 400_000).astype(np.float32)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OSError, match="disk is full"):
            audio_file.write(path, noise, RATE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"what was there"
    assert list(tmp_path.iterdir()) == [path]


@needs_av
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_after_an_error_the_old_file_or_the_audio_so_far_is_kept(tmp_path, error):
    path = tmp_path / "a.m4a"
    path.write_bytes(b"what was there")

    def fails_half_way(**options):
        with audio_file.Writer(path, RATE, **options) as file:
            file.write(sweep())
            raise error

    with pytest.raises(error):
        fails_half_way()
    assert path.read_bytes() == b"what was there"
    with pytest.raises(error):
        fails_half_way(keep=True)
    assert len(audio_file.read(path)[0]) >= 3 * RATE
    assert list(tmp_path.iterdir()) == [path]


@needs_av
@pytest.mark.parametrize(
    ("audio", "rate", "message"),
    [
        (np.zeros(0), RATE, "M4A files cannot be empty"),
        (np.array([np.nan]), RATE, "NaN"),
        (sweep(), 12_345, "M4A at 12345 Hz cannot be written"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, audio, rate, message):
    with pytest.raises(ValueError, match=message):
        audio_file.write(tmp_path / "a.m4a", audio, rate)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_opus_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="OPUS files cannot be empty"):
        audio_file.write(tmp_path / "a.opus", np.zeros(0), 44_100)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_without_pyav_the_error_names_the_extra_and_the_other_formats(tmp_path, suffix, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    message = rf"{suffix} files need PyAV. Run: pip install 'dia-tts\[media\]', or use one of aiff, .*mp3, .*opus"
    for write in (lambda path: audio_file.write(path, sweep(), RATE), audio_file.file_format):
        with pytest.raises(ImportError, match=message):
            write(tmp_path / f"a.{suffix}")
    tags = audio_file.Tags.of({"chapters": [(0, "One")]})
    with pytest.raises(ImportError, match=r"chapters need PyAV. Run: pip install 'dia-tts\[media\]', or omit them"):
        audio_file.write(tmp_path / "a.mp3", sweep(), RATE, tags=tags)
    assert list(tmp_path.iterdir()) == []
