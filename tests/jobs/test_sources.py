"""Rows are read one at a time, and a damaged one does not hide the others."""

import json

import pytest

from dia.jobs.sources import open_rows


def contents(source):
    return [row.content for row in open_rows(source)]


def test_json_lines_keep_order_and_skip_empty_lines(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('\ufeff{"id": "a", "text": "One."}\n\n{"id": "b", "text": "Two\u2028more."}')
    assert contents(path) == [{"id": "a", "text": "One."}, {"id": "b", "text": "Two\u2028more."}]


@pytest.mark.parametrize(
    ("line", "fault"),
    [(b"{", "not valid JSON"), (b"[1]", "expected an object"), (b'{"a": 1, "a": 2}', "twice"), (b"\xff", "not UTF-8")],
)
def test_a_bad_json_line_is_an_error_of_its_own(tmp_path, line, fault):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(line + b'\n{"id": "b"}\n')
    bad, good = open_rows(path)
    assert fault in bad.error
    assert "line 1" in bad.error
    assert (good.number, good.content) == (2, {"id": "b"})


def test_a_line_that_is_too_long_is_cut_and_the_next_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("dia.jobs.sources.LARGEST_BYTES", 64)
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"id": "x" * 500}) + '\n{"id": "b"}\n')
    bad, good = open_rows(path)
    assert bad.error
    assert good.content == {"id": "b"}


def test_csv_cells_may_have_commas_and_lines(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('id,text,seed\na,"Well, yes.\nNo.",7\nb,Two.,\n')
    assert contents(path) == [{"id": "a", "text": "Well, yes.\nNo.", "seed": "7"}, {"id": "b", "text": "Two."}]


def test_a_csv_row_with_too_many_cells_is_an_error_of_its_own(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("id,text\na,Well, yes.\nb,Two.\n")
    bad, good = open_rows(path)
    assert "3 cells" in bad.error
    assert good.content == {"id": "b", "text": "Two."}


@pytest.mark.parametrize(("content", "fault"), [("", "is empty"), ("id,id\n", "two columns are named 'id'")])
def test_a_csv_file_needs_different_columns(tmp_path, content, fault):
    path = tmp_path / "rows.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=fault):
        open_rows(path)


def test_parquet_is_read_without_empty_cells(tmp_path):
    parquet, arrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    path = tmp_path / "rows.parquet"
    parquet.write_table(arrow.table({"id": ["a", "b"], "text": ["One.", "Two."], "seed": [None, 7]}), path)
    assert contents(path) == [{"id": "a", "text": "One."}, {"id": "b", "text": "Two.", "seed": 7}]


def test_half_a_parquet_file_is_refused(tmp_path):
    parquet, arrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    path = tmp_path / "rows.parquet"
    parquet.write_table(arrow.table({"id": ["a"] * 100}), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match="not a complete Parquet file"):
        open_rows(path)


def test_without_pyarrow_a_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "rows.parquet").touch()
    with pytest.raises(ImportError, match="pip install"):
        open_rows(tmp_path / "rows.parquet")


def test_a_folder_of_scripts_has_a_row_for_each_file(tmp_path):
    (tmp_path / "b.txt").write_text("[S1] Two.")
    (tmp_path / "a.md").write_text("# One")
    (tmp_path / "c.txt").write_bytes(b"\0\1\2")
    (tmp_path / "notes.pdf").touch()
    one, two, bad = open_rows(tmp_path)
    assert one.content == {"id": "a", "text": "# One", "text_format": "markdown"}
    assert two.content["id"] == "b"
    assert "c.txt" in bad.error


@pytest.mark.parametrize(
    ("source", "kind", "fault"),
    [
        ("missing.jsonl", FileNotFoundError, "does not exist"),
        (".", ValueError, "has no scripts"),
        ("rows.xlsx", ValueError, "not a known format"),
        (iter([]), TypeError, "only once"),
        ({"id": "a"}, TypeError, "source is dict"),
        (7, TypeError, "source is int"),
    ],
)
def test_other_sources_are_refused(tmp_path, monkeypatch, source, kind, fault):
    monkeypatch.chdir(tmp_path)
    if source == "rows.xlsx":
        (tmp_path / source).touch()
    with pytest.raises(kind, match=fault):
        open_rows(source)
