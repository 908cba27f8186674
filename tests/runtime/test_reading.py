"""What is no file, too large, or no JSON is refused by name, and nothing is waited for."""

import json
import os

import pytest

from dia.runtime.limits import JSON_BYTES, JSON_DEPTH
from dia.runtime.reading import blamed_on, check_file, read_bytes, read_json

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
    "is a link that leads nowhere": lambda path: path.symlink_to("/nowhere/at/all"),
    "cannot be read": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("what", NO_FILES)
def test_what_is_no_file_is_refused_at_once(file, what):
    NO_FILES[what](file)
    with pytest.raises(OSError, match=rf"settings\.json {what}.*download it again"):
        read_json(file)


NO_JSON = {
    "": "is not valid JSON",
    '{"a": 1': "is not valid JSON",
    "[]": "holds a JSON list",
    "5": "holds a JSON int",
    "null": "holds a JSON NoneType",
    '{"a": NaN}': "NaN is no JSON number",
    '{"a": -Infinity}': "-Infinity is no JSON number",
    '{"a": 1e999}': "the number 1e999 is too large",
    '{"a": 1, "a": 2}': "'a' stands there twice",
    '{"a": "\\ud800"}': "is not valid JSON",
    '\ufeff{"a": 1}': "is not valid JSON",
    '{"a": ' + "9" * 5000 + "}": "is not valid JSON",
    '{"a":' * (JSON_DEPTH + 2) + "1" + "}" * (JSON_DEPTH + 2): "is nested deeper than",
    '{"a":' * 100_000 + "1" + "}" * 100_000: "is nested deeper than",
}


@pytest.mark.parametrize("content", NO_JSON, ids=range(len(NO_JSON)))
def test_what_is_no_object_of_settings_is_refused(file, content):
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"settings\.json .*{NO_JSON[content]}.*download it again"):
        read_json(file)


def test_what_is_not_utf_8_is_refused(file):
    file.write_bytes('{"a": "é"}'.encode("latin-1"))
    with pytest.raises(ValueError, match=r"settings\.json is not valid JSON"):
        read_json(file)


def test_the_deepest_that_is_allowed_is_read(file):
    file.write_text('{"a":' * JSON_DEPTH + "1" + "}" * JSON_DEPTH)
    assert json.dumps(read_json(file)).count("a") == JSON_DEPTH


def test_a_file_that_is_too_large_is_refused_unread(file):
    with file.open("wb") as opened:
        opened.truncate(JSON_BYTES + 1)
    with pytest.raises(ValueError, match=rf"has {JSON_BYTES + 1} bytes, where at most {JSON_BYTES} are read"):
        read_json(file)


def test_a_pointer_of_git_lfs_is_told_from_a_file(file):
    file.write_bytes(POINTER)
    with pytest.raises(ValueError, match=r"settings\.json is a Git LFS pointer.*git lfs pull"):
        read_bytes(file, 1000)


def test_the_size_is_returned(file):
    file.write_bytes(b"12345")
    assert check_file(file) == 5


def test_any_error_of_a_reader_names_the_file():
    with (
        pytest.raises(ValueError, match=r"tokenizer\.json: KeyError: 'vocab'; download it again"),
        blamed_on("tokenizer.json"),
    ):
        _ = {}["vocab"]


def test_an_error_that_names_the_file_is_passed_on():
    with pytest.raises(FileNotFoundError, match=r"a\.json is gone"), blamed_on("a.json"):
        raise FileNotFoundError("a.json is gone")


def test_a_lack_of_memory_is_no_fault_of_a_file():
    with pytest.raises(MemoryError), blamed_on("a.json"):
        raise MemoryError
