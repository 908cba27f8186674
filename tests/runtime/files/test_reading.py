"""Invalid, oversized and special files are rejected by name, without blocking."""

import json
import os

import pytest

from dia.runtime.files.reading import check_file, errors_name, read_bytes, read_json
from dia.runtime.limits import JSON_BYTES, JSON_DEPTH

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "settings.json"


def test_an_object_is_read(file):
    file.write_text('{"a": [1, 2.5, "é", null]}', encoding="utf-8")
    assert read_json(file) == {"a": [1, 2.5, "é", None]}


NO_FILES = {
    "is missing": lambda path: None,
    "is a folder": lambda path: path.mkdir(),
    "is a pipe": os.mkfifo,
    "is a device": lambda path: path.symlink_to("/dev/zero"),
    "is a broken link": lambda path: path.symlink_to("/nowhere/at/all"),
    "cannot be read": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("what", NO_FILES)
def test_a_path_that_is_not_a_file_is_rejected_at_once(file, what):
    NO_FILES[what](file)
    with pytest.raises(OSError, match=rf"settings\.json {what}.*download it again"):
        read_json(file)


NO_JSON = {
    "": "is not valid JSON",
    '{"a": 1': "is not valid JSON",
    "[]": "contains a JSON list",
    "5": "contains a JSON int",
    "null": "contains a JSON NoneType",
    '{"a": NaN}': "NaN is not a JSON number",
    '{"a": -Infinity}': "-Infinity is not a JSON number",
    '{"a": 1e999}': "the number 1e999 is too large",
    '{"a": 1, "a": 2}': "duplicate key 'a'",
    '{"a": "\\ud800"}': "is not valid JSON",
    '\ufeff{"a": 1}': "is not valid JSON",
    '{"a": ' + "9" * 5000 + "}": "is not valid JSON",
    '{"a":' * (JSON_DEPTH + 2) + "1" + "}" * (JSON_DEPTH + 2): "is nested deeper than",
    '{"a":' * 100_000 + "1" + "}" * 100_000: "is nested deeper than",
}


@pytest.mark.parametrize("content", NO_JSON, ids=range(len(NO_JSON)))
def test_content_that_is_not_a_json_object_is_rejected(file, content):
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"settings\.json .*{NO_JSON[content]}.*download it again"):
        read_json(file)


def test_content_that_is_not_utf_8_is_rejected(file):
    file.write_bytes('{"a": "é"}'.encode("latin-1"))
    with pytest.raises(ValueError, match=r"settings\.json is not valid JSON"):
        read_json(file)


def test_the_deepest_allowed_nesting_is_read(file):
    file.write_text('{"a":' * JSON_DEPTH + "1" + "}" * JSON_DEPTH)
    assert json.dumps(read_json(file)).count("a") == JSON_DEPTH


def test_a_file_that_is_too_large_is_rejected_unread(file):
    with file.open("wb") as opened:
        opened.truncate(JSON_BYTES + 1)
    with pytest.raises(ValueError, match=rf"has {JSON_BYTES + 1} bytes, but at most {JSON_BYTES} are allowed"):
        read_json(file)


def test_a_git_lfs_pointer_is_recognized(file):
    file.write_bytes(POINTER)
    with pytest.raises(ValueError, match=r"settings\.json is a Git LFS pointer.*git lfs pull"):
        read_bytes(file, 1000)


def test_the_size_is_returned(file):
    file.write_bytes(b"12345")
    assert check_file(file) == 5


def test_any_error_of_a_reader_names_the_file():
    with (
        pytest.raises(ValueError, match=r"tokenizer\.json: KeyError: 'vocab'; download it again"),
        errors_name("tokenizer.json"),
    ):
        _ = {}["vocab"]


def test_an_error_that_names_the_file_is_passed_on():
    with pytest.raises(FileNotFoundError, match=r"a\.json is gone"), errors_name("a.json"):
        raise FileNotFoundError("a.json is gone")


def test_a_memory_error_does_not_blame_the_file():
    with pytest.raises(MemoryError), errors_name("a.json"):
        raise MemoryError
