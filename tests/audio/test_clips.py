"""Every form in which libraries hand audio over gives the same samples, and errors name the caller's argument."""

import array
import io
import os
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from ffmpeg import why_data_sets_are_mute
from media import RATE, sweep

from dia.audio.clips import is_pair, named_clips, read_clip, with_own_rate

CLIP = sweep(0.5)
PCM = (CLIP * 32767).astype(np.int16)


def wav():
    file = io.BytesIO()
    soundfile.write(file, CLIP, RATE, format="WAV", subtype="FLOAT")
    return file.getvalue()


class Download:
    """Like the raw response of urllib or requests: it can be read once, and not sought in."""

    def __init__(self, content):
        self._file = io.BytesIO(content) if isinstance(content, bytes) else io.StringIO(content)

    def seekable(self):
        return False

    def read(self, size=-1):
        return self._file.read(size)


class Decoder:
    """Like the decoders of torchcodec."""

    def get_all_samples(self):
        return SimpleNamespace(data=torch.from_numpy(CLIP[None]), sample_rate=RATE)


class Item:
    """Like an audio object of `datasets`."""

    def __getitem__(self, key):
        return {"array": CLIP, "sampling_rate": RATE}[key]


class Foreign:
    """Like an array of another library."""

    def __array__(self, dtype=None, copy=None):
        return CLIP


TENSOR = torch.from_numpy(CLIP)
WITH_RATE = {
    "gradio": (RATE, PCM),
    "gradio, stereo": (RATE, np.stack([PCM, PCM], axis=1)),
    "torchaudio": (TENSOR[None], RATE),
    "librosa": (CLIP, RATE),
    "numpy's number": (np.int64(RATE), CLIP),
    "a float": (CLIP, float(RATE)),
    "a tensor as rate": (TENSOR, torch.tensor(RATE)),
    "a list": (CLIP.tolist(), RATE),
    "ComfyUI": {"waveform": TENSOR[None, None], "sample_rate": RATE},
    "ComfyUI, stereo": {"waveform": torch.stack([TENSOR, TENSOR])[None], "sample_rate": RATE},
    "datasets": {"array": CLIP, "sampling_rate": RATE, "path": None},
    "an object of datasets": Item(),
    "a row of a data set": {"audio": {"array": CLIP, "sampling_rate": RATE}, "text": "Hello."},
    "a file with another rate beside it": {"audio": io.BytesIO(wav()), "sampling_rate": 48_000},
    "torchcodec": Decoder(),
    "samples of torchcodec": Decoder().get_all_samples(),
    "a pipeline's output": {"audio": CLIP[None], "sampling_rate": RATE},
    "a pipeline's input": {"raw": CLIP, "sampling_rate": RATE},
    "bytes": wav(),
    "a bytearray": bytearray(wav()),
    "a memoryview": memoryview(wav()),
    "bytes in a dict": {"bytes": wav(), "path": None},
    "a file object in a dict": {"path": io.BytesIO(wav())},
    "a file object": io.BytesIO(wav()),
    "a download": Download(wav()),
}
WITHOUT_RATE = {
    "float64": CLIP.astype(np.float64),
    "bfloat16": TENSOR.bfloat16(),
    "with a gradient": TENSOR.clone().requires_grad_(),
    "[1, N]": CLIP[None],
    "[1, 1, N]": CLIP[None, None],
    "[N, 1]": CLIP[:, None],
    "[N, 2]": np.stack([CLIP, CLIP], axis=1),
    "[1, 2, N]": torch.stack([TENSOR, TENSOR])[None],
    "not contiguous": np.repeat(CLIP, 2)[::2],
    "another library's array": Foreign(),
    "an array of the standard library": array.array("f", CLIP),
}


def mono(samples):
    samples = np.asarray(samples, np.float64) / (32768 if samples.dtype == np.int16 else 1)
    return samples if samples.ndim == 1 else samples.mean(axis=int(np.argmin(samples.shape)))


@pytest.mark.parametrize("form", WITH_RATE)
def test_forms_that_state_their_rate(form):
    found = read_clip(WITH_RATE[form], "audio_prompt")
    assert found.rate == RATE
    assert type(found.rate) is int
    assert found.remarks == ()
    np.testing.assert_allclose(mono(found.samples), CLIP, atol=1e-4)


@pytest.mark.parametrize("form", WITHOUT_RATE)
def test_forms_without_a_rate(form):
    found = read_clip(WITHOUT_RATE[form], "audio_prompt")
    assert found.rate is None
    np.testing.assert_allclose(mono(found.samples), CLIP, atol=4e-3)


def test_memory_maps_paths_and_open_files(tmp_path):
    np.save(tmp_path / "a.npy", CLIP)
    np.testing.assert_array_equal(read_clip(np.load(tmp_path / "a.npy", mmap_mode="r")).samples, CLIP)
    (tmp_path / "a.wav").write_bytes(wav())
    (entry,) = (entry for entry in os.scandir(tmp_path) if entry.name == "a.wav")
    with open(tmp_path / "a.wav", "rb") as file, open(tmp_path / "a.wav", "rb", buffering=0) as raw:
        for clip in (tmp_path / "a.wav", str(tmp_path / "a.wav"), entry, file, raw):
            np.testing.assert_array_equal(read_clip(clip).samples[:, 0], CLIP)


def test_a_file_object_is_read_from_its_start_and_left_where_it_was():
    file = io.BytesIO()
    soundfile.write(file, CLIP, RATE, format="WAV")
    place = file.tell()
    assert place > 0
    assert len(read_clip(file).samples) == len(read_clip(file).samples) == len(CLIP)
    assert file.tell() == place
    assert not file.closed


def test_an_audio_object_of_datasets_keeps_its_channels(tmp_path):
    datasets = pytest.importorskip("datasets")
    if reason := why_data_sets_are_mute():
        pytest.skip(reason)
    soundfile.write(tmp_path / "a.wav", np.stack([CLIP, -CLIP], axis=1), RATE)
    rows = datasets.Dataset.from_dict({"audio": [str(tmp_path / "a.wav")]})
    found = read_clip(rows.cast_column("audio", datasets.Audio())[0]["audio"])
    assert (found.rate, found.samples.shape) == (RATE, (2, len(CLIP)))


def test_a_pair_is_one_clip_and_every_other_tuple_or_list_a_batch():
    pair = (RATE, PCM)
    assert is_pair(pair)
    assert named_clips(pair, "audio") == {"audio": pair}
    assert named_clips([pair, pair], "audio") == {"audio[0]": pair, "audio[1]": pair}
    assert list(named_clips((CLIP, CLIP), "audio")) == ["audio[0]", "audio[1]"]
    assert list(named_clips((CLIP, None), "audio")) == ["audio[0]", "audio[1]"]
    assert list(named_clips(("a.wav", "b.wav"), "audio")) == ["audio[0]", "audio[1]"]


def test_a_pair_or_dict_to_write_has_its_own_rate():
    samples, rate = with_own_rate((RATE, PCM))
    assert (samples is PCM, rate) == (True, RATE)
    assert with_own_rate({"audio": PCM, "sampling_rate": RATE})[1] == RATE
    assert with_own_rate(CLIP)[1] is None


@pytest.mark.parametrize(
    ("clip", "error", "message"),
    [
        ((16_000, 24_000), ValueError, "prompt_audio is a tuple of 2 values of type number; expected one clip"),
        ((CLIP, CLIP), ValueError, "prompt_audio is a tuple of 2 values of type ndarray; expected one clip"),
        ((TENSOR, TENSOR), ValueError, "prompt_audio is a tuple of 2 values of type Tensor; expected one clip"),
        ((CLIP, RATE, 1), ValueError, "prompt_audio is a tuple of 3 values of type ndarray; expected one clip"),
        ((CLIP, 3), ValueError, "prompt_audio: the sampling rate is 3; expected a whole number of Hz"),
        ((CLIP, True), ValueError, "prompt_audio: the sampling rate is True"),
        (np.zeros((3, 1, 900)), ValueError, r"prompt_audio has shape \(3, 1, 900\), a batch of 3 clips"),
        ({"waveform": torch.zeros(2, 1, 900), "sample_rate": RATE}, ValueError, "prompt_audio .* a batch of 2 clips"),
        ({"waveform": TENSOR}, TypeError, 'prompt_audio is dict without a sampling rate; add "sampling_rate"'),
        ({"array": CLIP, "sampling_rate": None}, ValueError, "prompt_audio: the sampling rate is None"),
        ({1: CLIP}, ValueError, r"prompt_audio is a dict with the keys \['1'\]"),
        (b"", ValueError, "prompt_audio: 0 bytes cannot be read as audio"),
        (io.StringIO("RIFF"), TypeError, "prompt_audio is a file opened in text mode; open it with mode 'rb'"),
        (Download("text"), TypeError, "prompt_audio is Download, which does not return bytes"),
        (Download(b"hello"), ValueError, "prompt_audio: the file cannot be read as audio"),
        (io.BytesIO(b"hello"), ValueError, "prompt_audio: the file cannot be read as audio"),
        (np.float32(1), TypeError, "prompt_audio is float32; expected an array"),
        (print, TypeError, "prompt_audio is builtin_function_or_method; expected an array"),
    ],
)
def test_what_is_no_clip_is_refused_by_the_callers_name(clip, error, message):
    with pytest.raises(error, match=message):
        read_clip(clip, "prompt_audio")


def test_a_download_without_end_is_refused(monkeypatch):
    monkeypatch.setattr("dia.audio.clips.STREAM_BYTES", 2**20)
    with pytest.raises(ValueError, match="prompt_audio has more than 1 MB; save it to a file"):
        read_clip(Download(bytes(2**20 + 1)), "prompt_audio")
