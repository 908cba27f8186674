"""Other libraries read what a job has written: `datasets` both kinds of shards, and NumPy the codes."""

import io
import json
import tarfile

import numpy as np
import pytest
import soundfile
from ffmpeg import why_data_sets_are_mute
from job_speakers import StubSpeaker

from dia.jobs.batch import Batch
from dia.jobs.output.formats import codes_bytes, read_codes
from dia.jobs.results import Spoken
from dia.jobs.settings import BatchSettings
from dia.runtime.files.atomic import atomic_file

RATE = 16_000
ROWS = [{"id": f"r{number}", "text": f"Hello number {number}.", "title": "A row"} for number in range(5)]


class Tones(StubSpeaker):
    """Writes a tone of another pitch for each row, with codes."""

    def speak(self, row, seed, audio, subtitles, stop, codes=None):
        number = int(row.id[1:])
        tone = np.sin(np.arange(RATE // 2) * (number + 1) / 20) / 2
        for path, content in [
            (codes, codes_bytes([[number, 7]] * 3, [2, 1])),
            *((one, b"00:00") for one in subtitles),
        ]:
            with atomic_file(path) as partial:
                partial.write_bytes(content)
        with atomic_file(audio) as partial:
            soundfile.write(partial, tone, RATE, format="WAV")
        return Spoken(0.5, warnings=("a warning",))


@pytest.fixture(params=["webdataset", "dataset"])
def folder(request, tmp_path):
    pytest.importorskip("datasets")
    settings = BatchSettings(layout=request.param, shard_rows=2, subtitles=("srt",), codes=True, seed=2)
    assert not any(result.error for result in Batch(ROWS, tmp_path / "out", settings).run(Tones()))
    return tmp_path / "out"


def test_datasets_finds_the_shards_of_a_folder(folder, tmp_path):
    import datasets

    found = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    column = "audio" if "audio" in found.column_names else "wav"
    assert isinstance(found.features[column], datasets.Audio)
    raw = found.cast_column(column, datasets.Audio(decode=False))
    sounds = [soundfile.read(io.BytesIO(row[column]["bytes"]))[0] for row in raw]
    assert [len(sound) for sound in sounds] == [RATE // 2] * 5
    facts = [row if column == "audio" else row["json"] for row in raw]
    assert [one["id"] for one in facts] == ["r0", "r1", "r2", "r3", "r4"]
    assert facts[3]["text"] == "Hello number 3."
    assert (facts[3]["title"], facts[3]["warnings"], facts[3]["seconds"]) == ("A row", ["a warning"], 0.5)


@pytest.mark.skipif(why_data_sets_are_mute() is not None, reason=str(why_data_sets_are_mute()))
def test_the_audio_column_is_decoded(folder, tmp_path):
    import datasets

    found = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    sound = found[1]["audio" if "audio" in found.column_names else "wav"]
    assert sound["sampling_rate"] == RATE
    assert np.abs(sound["array"]).max() == pytest.approx(0.5, abs=0.01)


def test_codes_are_arrays(folder):
    parquet = pytest.importorskip("pyarrow.parquet")
    shard = sorted(folder.glob("shard-*"))[1]
    if shard.suffix == ".tar":
        with tarfile.open(shard) as file:
            arrays = read_codes(file.extractfile("r3.npz").read())
            assert json.loads(file.extractfile("r3.json").read())["id"] == "r3"
        codes, frames = arrays["codes"].tolist(), arrays["frames"].tolist()
    else:
        row = parquet.read_table(shard).to_pylist()[1]
        codes, frames = row["codes"], row["frames"]
    assert (codes, frames) == ([[3, 7]] * 3, [2, 1])
