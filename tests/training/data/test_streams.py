"""A stream is copied once into a folder of recordings, row by row, and goes on where a killed process has stopped."""

import numpy as np
import pytest
import soundfile

from dia.training.data.source import read_source
from dia.training.data.streams import copy_stream, open_stream

datasets = pytest.importorskip("datasets")


@pytest.fixture
def table(tmp_path):
    (tmp_path / "sounds").mkdir()
    paths = [str(tmp_path / "sounds" / f"{number}.flac") for number in range(3)]
    for number, path in enumerate(paths):
        soundfile.write(path, np.full(800, number / 10), 16000)
    columns = {"audio": paths, "text": ["[S1] One.", "[S1] Two.", "[S2] Three."], "speaker": ["ann", None, "bob"]}
    return datasets.Dataset.from_dict(columns).cast_column("audio", datasets.Audio())


def test_the_copy_is_a_source_with_the_bytes_of_the_stream(table, tmp_path):
    rows = read_source(copy_stream(table.to_iterable_dataset(), tmp_path / "copy"))
    assert [(row.name, row.text, row.speaker) for row in rows] == [
        ("00000000.flac", "[S1] One.", "ann"),
        ("00000001.flac", "[S1] Two.", ""),
        ("00000002.flac", "[S2] Three.", "bob"),
    ]
    stored = [(tmp_path / "sounds" / f"{number}.flac").read_bytes() for number in range(3)]
    assert [row.audio.read_bytes() for row in rows] == stored


def test_an_empty_transcript_and_a_speaker_with_the_number_zero_are_copied(table, tmp_path):
    columns = {"text": ["[S1] One.", "", ""], "speaker": [0, 1, None]}
    table = table.remove_columns(list(columns))
    for name, values in columns.items():
        table = table.add_column(name, values)
    rows = read_source(copy_stream(table.to_iterable_dataset(), tmp_path / "copy"))
    assert [(row.text, row.speaker) for row in rows] == [("[S1] One.", "0"), ("", "1"), ("", "")]
    assert [(row.text, row.speaker) for row in read_source(table)] == [(row.text, row.speaker) for row in rows]


def test_a_finished_copy_is_kept_and_the_stream_not_read(table, tmp_path):
    copy_stream(table.to_iterable_dataset(), tmp_path / "copy", rows=2)
    assert len(read_source(copy_stream(None, tmp_path / "copy"))) == 2


def test_a_copy_that_was_stopped_goes_on_with_the_next_row(table, tmp_path):
    broken = table.select_columns(["audio", "text"]).to_list()
    broken[2]["text"] = None
    features = datasets.Features({"audio": datasets.Audio(decode=False), "text": datasets.Value("string")})
    bad = datasets.Dataset.from_list(broken, features=features).cast_column("audio", datasets.Audio())
    with pytest.raises(ValueError, match="row 2: column 'text' contains None, not a transcript"):
        copy_stream(bad.to_iterable_dataset(), tmp_path / "copy")
    with open(tmp_path / "copy" / "rows.jsonl", "a") as lines:
        lines.write('{"file_na')  # as a killed process leaves it
    first = (tmp_path / "copy" / "00000000.flac").stat().st_mtime_ns
    rows = read_source(copy_stream(table.to_iterable_dataset(), tmp_path / "copy"))
    assert [row.text for row in rows] == table["text"]
    assert (tmp_path / "copy" / "00000000.flac").stat().st_mtime_ns == first


def test_other_columns_and_types_are_refused(table, tmp_path):
    stream = table.to_iterable_dataset()
    with pytest.raises(ValueError, match="'sound' is not a column of Audio; the columns are audio, text, speaker"):
        copy_stream(stream, tmp_path / "a", audio_column="sound")
    with pytest.raises(ValueError, match="column 'said' contains None"):
        copy_stream(stream, tmp_path / "b", text_column="said")
    with pytest.raises(TypeError, match="expected a datasets"):
        copy_stream(table, tmp_path / "c")
    with pytest.raises(ValueError, match="the stream has no rows"):
        copy_stream(stream, tmp_path / "d", rows=0)


def test_a_source_that_cannot_be_opened_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cannot be opened as a stream"):
        open_stream(str(tmp_path / "nothing-here"))
