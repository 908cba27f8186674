"""Rows are read one at a time, and a damaged one does not hide the others."""

import json

import pytest
from books import paragraph, write_docx, write_epub

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


def test_a_csv_cell_may_be_as_long_as_a_script(tmp_path):
    path, text = tmp_path / "rows.csv", "[S1] And then, he left.\n" * 10_000
    path.write_text(f'id,text\na,"{text}"\nb,Two.\n')
    assert contents(path) == [{"id": "a", "text": text}, {"id": "b", "text": "Two."}]


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        ('He said "hi" to me.\nWell, I know."', "',' expected after '\"'"),
        ('He said 5" pipe.\nWell, I know."', "',' expected after '\"'"),
        ("Unclosed.\nWell, I know.", "',' expected after '\"'"),
        ("[S1] And then, he left.\n" * 800_000, "a cell is larger than 16 MB"),
    ],
)
def test_after_a_csv_fault_no_line_of_a_script_is_read_as_a_row(tmp_path, cell, fault):
    path = tmp_path / "rows.csv"
    path.write_text(f'id,text\nok,Yes.\na,"{cell}\nb,"Two."\n')
    good, bad = open_rows(path)
    assert (good.content, bad.number, bad.content) == ({"id": "ok", "text": "Yes."}, 2, None)
    assert f"line 3: {fault}" in bad.error.replace("not valid CSV (", "")
    assert bad.error.endswith("The rest of the file is not read.")


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
    assert one.content == {"id": "a", "text": "# One", "text_format": "markdown", "title": "One"}
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


def test_a_book_has_a_row_for_each_chapter(tmp_path):
    (tmp_path / "walk.md").write_text("# Walk\n\n## One\n\nFirst.\n\n## Two\n\nSecond.\n")
    title, one, two = open_rows(tmp_path / "walk.md")
    assert (title.content["id"], title.content["title"]) == ("walk-001", "Walk")
    assert (one.content["id"], one.content["title"], one.number) == ("walk-002", "One", 2)
    assert two.content == {"id": "walk-003", "text": "## Two\n\nSecond.\n", "text_format": "markdown", "title": "Two"}
    assert two.place.endswith("walk.md, chapter 3")


def test_a_folder_may_have_books_and_a_damaged_one_does_not_hide_the_others(tmp_path):
    write_epub(tmp_path / "a.epub", {"one.xhtml": "<h1>One</h1>", "two.xhtml": "<h1>Two</h1>"})
    (tmp_path / "b.epub").write_bytes(b"PK")
    write_docx(tmp_path / "c.docx", paragraph("Words."))
    rows = list(open_rows(tmp_path))
    assert [row.content and row.content["id"] for row in rows] == ["a-001", "a-002", None, "c"]
    assert [row.number for row in rows] == [1, 2, 3, 4]
    assert "is damaged" in rows[2].error


def test_a_damaged_book_alone_is_refused(tmp_path):
    (tmp_path / "b.docx").write_bytes(b"PK")
    with pytest.raises(ValueError, match="is damaged"):
        open_rows(tmp_path / "b.docx")


def saved_data_set(folder, columns, splits=()):
    datasets = pytest.importorskip("datasets")
    found = datasets.Dataset.from_dict(columns)
    saved = datasets.DatasetDict(dict.fromkeys(splits, found)) if splits else found
    saved.save_to_disk(folder)
    return folder


COLUMNS = {"id": ["a", "b"], "text": ["One.", "Two."], "seed": [None, 7], "source": ["x", "y"]}
FILLED = [{"id": "a", "text": "One."}, {"id": "b", "text": "Two.", "seed": 7}]


def test_a_saved_data_set_is_read_without_empty_values_and_other_columns(tmp_path):
    folder = saved_data_set(tmp_path / "saved", COLUMNS)
    assert contents(folder) == FILLED
    assert contents(f"dataset:{folder}") == FILLED


def test_a_data_set_with_several_splits_needs_the_name_of_one(tmp_path):
    folder = saved_data_set(tmp_path / "saved", COLUMNS, splits=("train", "test"))
    assert contents(f"dataset:{folder}:test") == FILLED
    with pytest.raises(ValueError, match=r"has several splits: train, test\. Name one as dataset:.*:train"):
        open_rows(folder)
    with pytest.raises(ValueError, match="has no split 'dev'"):
        open_rows(f"dataset:{folder}:dev")


def test_a_data_set_is_loaded_by_name_as_a_stream(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "rows").mkdir()
    datasets.Dataset.from_dict({"id": ["a"], "text": ["One."], "other": [1]}).to_parquet(
        tmp_path / "rows/train.parquet"
    )
    rows = open_rows(f"dataset:{tmp_path / 'rows'}")
    assert [row.content for row in rows] == [row.content for row in rows] == [{"id": "a", "text": "One."}]


def test_a_data_set_without_ids_or_that_does_not_exist_is_refused(tmp_path):
    folder = saved_data_set(tmp_path / "saved", {"text": ["One."]})
    with pytest.raises(ValueError, match="has no column id; it has text"):
        open_rows(folder)
    (tmp_path / "saved" / "state.json").write_text("{")
    with pytest.raises(ValueError, match="cannot be loaded"):
        open_rows(folder)


def test_without_datasets_a_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(ImportError, match="pip install"):
        open_rows("dataset:some/name")
