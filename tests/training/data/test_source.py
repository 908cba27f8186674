"""Sources of recordings and transcripts: all formats are read without decoding, and errors name what is missing."""

import builtins
import json
import shutil

import numpy as np
import pytest
import soundfile

from dia.feature_extraction_dia import DiaFeatureExtractor
from dia.text.script import parse
from dia.training.data.source import Row, as_spoken, fingerprint, read_source

RATE = 8000


def write_tone(path, pitch=200.0, seconds=0.1, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate), rate)
    return path


@pytest.fixture
def pairs(tmp_path):
    for name, text in (("a", "[S1] Hello."), ("deep/b", "[S2]  Good\nmorning. ")):
        write_tone(tmp_path / f"{name}.wav").with_suffix(".txt").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def listed(tmp_path):
    """A folder of two recordings whose metadata is for the test to write."""
    for name in ("a", "b"):
        write_tone(tmp_path / "clips" / f"{name}.wav")
    return tmp_path


def data_set(folder, **columns):
    datasets = pytest.importorskip("datasets")
    paths = [str(write_tone(folder / f"{name}.wav", pitch)) for name, pitch in (("x", 200), ("y", 300))]
    rows = {"audio": paths, "text": ["[S1] Hello.", "[S2] Good morning."], **columns}
    return datasets.Dataset.from_dict(rows).cast_column("audio", datasets.Audio())


def jsonl(*lines):
    return "\n".join(json.dumps(line) for line in lines)


def test_pairs_are_found_in_subfolders_and_texts_are_single_spaced(pairs):
    assert read_source(pairs) == [
        Row("a.wav", "[S1] Hello.", pairs / "a.wav"),
        Row("deep/b.wav", "[S2] Good morning.", pairs / "deep" / "b.wav"),
    ]


def test_other_files_are_ignored(pairs):
    (pairs / "notes.md").write_text("unrelated")
    (pairs / ".hidden.txt").write_text("unrelated")
    assert len(read_source(str(pairs))) == 2


@pytest.mark.parametrize("lost", ["a.txt", "a.wav"])
def test_a_file_without_a_counterpart_is_named(pairs, lost):
    (pairs / lost).unlink()
    left = {"a.txt", "a.wav"} - {lost}
    with pytest.raises(ValueError, match=rf"1 files have no counterpart: {left.pop()}\..*metadata\.csv"):
        read_source(pairs)


def test_csv_names_files_texts_and_speakers(listed):
    content = 'file_name,text,speaker\nclips/a.wav,"[S1] Well, hello.",ann\nclips/b.wav,[S2] Hi.,\n'
    (listed / "metadata.csv").write_text(content, encoding="utf-8-sig")
    assert read_source(listed) == [
        Row("clips/a.wav", "[S1] Well, hello.", listed / "clips" / "a.wav", "ann"),
        Row("clips/b.wav", "[S2] Hi.", listed / "clips" / "b.wav"),
    ]


def test_jsonl_names_them_too_under_any_column(listed):
    (listed / "metadata.jsonl").write_text(jsonl({"file_name": "clips/a.wav", "said": "[S1] Ünder.", "who": "ann"}))
    [row] = read_source(listed, text_column="said", speaker_column="who")
    assert (row.text, row.speaker) == ("[S1] Ünder.", "ann")


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        (
            "metadata.csv",
            "file,text\nclips/a.wav,Hi.\n",
            r"line 2: column 'file_name' is missing; the columns are file, text",
        ),
        (
            "metadata.csv",
            "file_name,sentence\nclips/a.wav,Hi.\n",
            r"'text' is missing; the columns are file_name, sentence.*text_column",
        ),
        (
            "metadata.csv",
            "file_name,text\nclips/a.wav,Well, hi.\n",
            r"line 2: 3 cells, but the header has 2.*double quotes",
        ),
        ("metadata.csv", "file_name,text,speaker\nclips/a.wav,Hi.\n", r"line 2: 2 cells, but the header has 3"),
        (
            "metadata.csv",
            'file_name,text\nclips/a.wav,"Hi.\nclips/b.wav,"Ho.\n',
            r"metadata\.csv, line 2: not valid CSV \(unexpected end of data\).*Close double quotes",
        ),
        ("metadata.csv", f"file_name,text\nclips/a.wav,{'a' * 2**24}a\n", r"line 2: .*larger than 16 MB"),
        ("metadata.csv", 'file_name,text\nclips/a.wav,"Hi."x\n', r"line 2: .*',' expected after '\"'"),
        ("metadata.csv", "file_name,text,text\nclips/a.wav,Hi.,Ho.\n", r"line 1: two columns are named 'text'"),
        ("metadata.csv", f"file_name,text\n{'a' * 300}.wav,Hi.\n", "1 of 1 files do not exist"),
        ("metadata.jsonl", '{"file_name": "a", "text": "b", "text": "c"}', "line 1: .*the key 'text' occurs twice"),
        ("metadata.jsonl", "[" * 100_000, "line 1: not valid JSON"),
        ("metadata.jsonl", '{"file_name": "clips/a.wav", "text": ' + "1" * 5000 + "}", "line 1: not valid JSON"),
        ("metadata.jsonl", '{"file_name": "clips/a.wav", "text": "\\ud800"}', "line 1: .* contains a lone surrogate"),
        ("metadata.csv", "file_name,text\n", "contains no rows"),
        ("metadata.csv", "", "contains no rows"),
        (
            "metadata.jsonl",
            jsonl({"file_name": "clips/a.wav", "text": "Hi."}) + "\n{no",
            r"metadata\.jsonl, line 2: not valid JSON",
        ),
        ("metadata.jsonl", "[1]", "line 1: expected an object"),
        (
            "metadata.jsonl",
            jsonl({"file_name": "clips/a.wav", "text": 7}),
            "line 1: 7 is int, not a string. Put it in quotes",
        ),
        ("metadata.jsonl", jsonl({"file_name": "c.wav", "text": "Hi."}), r"1 of 1 files do not exist: c\.wav\."),
    ],
)
def test_faulty_metadata_is_refused_by_file_and_line(listed, name, content, complaint):
    (listed / name).write_text(content)
    with pytest.raises(ValueError, match=complaint):
        read_source(listed)


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_only_a_line_feed_ends_a_row(listed, mark, form):
    text = f"[S1] One{mark}line."
    content = f"file_name,text\nclips/a.wav,{text}\n"
    if form == "jsonl":
        content = json.dumps({"file_name": "clips/a.wav", "text": text}, ensure_ascii=mark < " ")
    (listed / f"metadata.{form}").write_text(content, encoding="utf-8")
    assert [row.text for row in read_source(listed)] == ["[S1] One line."]


def test_line_ends_of_windows_and_empty_lines_count_for_nothing(listed):
    (listed / "metadata.csv").write_bytes(b"file_name,text\r\n\r\nclips/a.wav,Hi.\r\n\r\n")
    assert [row.text for row in read_source(listed)] == ["Hi."]


def test_two_recordings_of_one_transcript_are_refused(pairs):
    shutil.copy(pairs / "a.wav", pairs / "a.flac")
    with pytest.raises(
        ValueError, match=r"a\.flac and a\.wav are recordings with the same name. Delete or rename one"
    ):
        read_source(pairs)


def test_two_transcripts_of_one_recording_are_refused(pairs):
    shutil.copy(pairs / "a.txt", pairs / "a.TXT")
    with pytest.raises(ValueError, match=r"a\.TXT and a\.txt are transcripts with the same name"):
        read_source(pairs)


def test_what_is_hidden_is_not_read(pairs):
    for name in (".trash/c.wav", "deep/.checkpoints/d.wav", "._a.wav"):
        write_tone(pairs / name)
    (pairs / "deep" / "._b.txt").write_text("Hidden.")
    assert [row.name for row in read_source(pairs)] == ["a.wav", "deep/b.wav"]
    assert [row.name for row in read_source(pairs, text_column=None)] == ["a.wav", "deep/b.wav"]


def test_links_to_folders_are_followed(pairs, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write_tone(elsewhere / "c.wav")
    (elsewhere / "c.txt").write_text("[S1] Linked.")
    (pairs / "link").symlink_to(elsewhere)
    assert [row.name for row in read_source(pairs)] == ["a.wav", "deep/b.wav", "link/c.wav"]
    assert [row.name for row in read_source(pairs, text_column=None)] == ["a.wav", "deep/b.wav", "link/c.wav"]


def test_links_that_lead_back_or_to_the_same_folder_repeat_nothing(pairs, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "back").symlink_to(pairs)
    (elsewhere / "itself").symlink_to(elsewhere)
    for name, target in {"again": pairs / "deep", "deep/up": pairs, "out": pairs.parent, "link": elsewhere}.items():
        (pairs / name).symlink_to(target)
    assert [row.name for row in read_source(pairs)] == ["a.wav", "deep/b.wav"]


def test_many_missing_files_are_counted(listed):
    lines = [{"file_name": f"{number}.wav", "text": "Hi."} for number in range(9)]
    (listed / "metadata.jsonl").write_text(jsonl(*lines))
    with pytest.raises(ValueError, match=r"9 of 9 files .* 4\.wav and 4 more"):
        read_source(listed)


def test_two_metadata_files_in_one_folder_are_refused(listed):
    for name in ("metadata.csv", "metadata.jsonl"):
        (listed / name).touch()
    with pytest.raises(ValueError, match="both"):
        read_source(listed)


def test_text_of_another_encoding_is_named(pairs):
    (pairs / "a.txt").write_bytes("[S1] Café.".encode("latin-1"))
    with pytest.raises(ValueError, match=r"a\.txt is not UTF-8 \(byte 8\)"):
        read_source(pairs)


def test_a_data_set_is_read_without_decoding(tmp_path):
    rows = read_source(data_set(tmp_path, speaker=["ann", None]))
    assert [(row.name, row.text, row.speaker) for row in rows] == [
        ("row 0", "[S1] Hello.", "ann"),
        ("row 1", "[S2] Good morning.", ""),
    ]
    assert dict(rows[0].audio) == {"bytes": None, "path": str(tmp_path / "x.wav")}


def test_a_saved_data_set_keeps_its_recordings_inside(tmp_path, capsys):
    data_set(tmp_path).save_to_disk(tmp_path / "saved")
    (tmp_path / "x.wav").unlink()
    [first, second] = read_source(tmp_path / "saved")
    extractor = DiaFeatureExtractor(sampling_rate=RATE, hop_length=40)
    assert len(extractor.load(second.audio)) == 800
    assert fingerprint(first.audio) != fingerprint(second.audio)


def test_a_recording_has_one_fingerprint_wherever_it_lies(tmp_path):
    rows = read_source(data_set(tmp_path))
    shutil.copy(tmp_path / "x.wav", tmp_path / "copy.wav")
    assert fingerprint(rows[0].audio) == fingerprint(tmp_path / "copy.wav") == fingerprint(str(tmp_path / "x.wav"))
    samples = np.zeros(800, dtype=np.float32)
    assert (
        fingerprint(samples) == fingerprint(samples.copy()) != fingerprint({"array": samples, "sampling_rate": 8000})
    )


def test_a_split_is_chosen_and_a_wrong_one_lists_those_there_are(tmp_path):
    datasets = pytest.importorskip("datasets")
    both = datasets.DatasetDict(train=data_set(tmp_path), test=data_set(tmp_path).select([1]))
    assert len(read_source(both)) == 2
    assert [row.text for row in read_source(both, split="test")] == ["[S2] Good morning."]
    with pytest.raises(ValueError, match="no split 'dev'; the splits are train, test"):
        read_source(both, split="dev")


def test_paths_and_arrays_are_recordings_too(tmp_path):
    datasets = pytest.importorskip("datasets")
    path = str(write_tone(tmp_path / "a.wav"))
    columns = {"audio": [path], "raw": [{"array": [0.0, 0.5], "sampling_rate": RATE}], "text": ["[S1] Hi."]}
    source = datasets.Dataset.from_dict(columns)
    assert read_source(source) == [Row("row 0", "[S1] Hi.", path)]
    [row] = read_source(source, audio_column="raw")
    assert dict(row.audio) == {"array": [0.0, 0.5], "sampling_rate": RATE}
    with pytest.raises(ValueError, match=r"no column 'sentence'; the columns are audio, raw, text"):
        read_source(source, text_column="sentence")


def test_a_column_of_no_recordings_is_refused():
    datasets = pytest.importorskip("datasets")
    with pytest.raises(ValueError, match=r"column 'audio' contains .*int64.*, not recordings"):
        read_source(datasets.Dataset.from_dict({"audio": [1], "text": ["Hi."]}))


def test_a_stream_of_rows_is_refused(tmp_path):
    with pytest.raises(TypeError, match="without streaming"):
        read_source(data_set(tmp_path).to_iterable_dataset())


def test_what_is_no_source_is_refused(tmp_path):
    with pytest.raises(TypeError, match="source is int; pass a folder"):
        read_source(7)
    with pytest.raises(ValueError, match="no such folder"):
        read_source(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="contains no rows"):
        read_source(tmp_path)


def test_a_hub_id_that_cannot_be_read_says_why(monkeypatch):
    datasets = pytest.importorskip("datasets")

    def refuse(name, split):
        raise ConnectionError("no route to the Hub.")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(ValueError, match=r"'someone/speech' is not a folder.*no route to the Hub"):
        read_source("someone/speech")


def test_a_missing_package_is_named_with_how_to_install_it(monkeypatch, tmp_path):
    real = builtins.__import__

    def without_datasets(name, *arguments, **options):
        if name == "datasets":
            raise ImportError("No module named 'datasets'")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_datasets)
    with pytest.raises(ImportError, match=r"needs the package datasets\. Run: pip install datasets"):
        read_source("someone/speech")


@pytest.mark.parametrize(
    ("text", "frontend", "expected"),
    [
        ("Hello.", "en", "[S1] Hello."),
        ("[S2] Hello.", "en", "[S2] Hello."),
        ("[s2] I owe $5.", "en", "[S2] I owe five dollars."),
        ("S2: Ha [laughs]\u2028S1: 2024", "en", "[S2] Ha (laughs) [S1] twenty twenty-four"),
        ("[S1] So [pause:1s] it is. [S2]", "en", "[S1] So it is."),
        ("Schöne Grüße, 5 €", "none", "[S1] Schöne Grüße, 5 €"),
        ("[s2] Привет [Laughs]", "none", "[S2] Привет (laughs)"),
    ],
)
def test_transcripts_are_read_as_scripts_are(text, frontend, expected):
    [row] = as_spoken([Row("a", text, None, "ann")], frontend)
    assert row == Row("a", expected, None, "ann")
    assert row.text == parse(text, frontend=frontend).spoken
    assert as_spoken([row], frontend) == [row]


def test_a_transcript_that_is_no_script_is_named_by_its_row():
    with pytest.raises(ValueError, match=r"b\.wav: \[S3\] is not a known speaker"):
        as_spoken([Row("a.wav", "Hi.", None), Row("b.wav", "[S3] Hi.", None)])


def test_a_file_is_no_source(tmp_path):
    with pytest.raises(ValueError, match=r"x\.wav is a file; pass the folder that contains the recordings"):
        read_source(write_tone(tmp_path / "x.wav"))
