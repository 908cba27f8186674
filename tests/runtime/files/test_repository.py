"""Finding files in a folder or on the Hub."""

import os

import pytest

from dia.runtime.files import repository
from dia.runtime.files.repository import Repository


def test_a_file_of_a_folder_is_found(tmp_path):
    (tmp_path / "a.json").write_text('{"x": 1}')
    assert Repository(str(tmp_path)).json("a.json") == {"x": 1}
    assert Repository(str(tmp_path)).find("b.json") is None


def test_a_subfolder_is_a_repository_of_its_own(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.json").write_text('{"x": 1}')
    inside = Repository.of(tmp_path, {"subfolder": "in"})
    assert inside.json("a.json") == Repository(str(tmp_path)).within("in").json("a.json") == {"x": 1}


def test_a_pipe_with_the_name_of_a_file_is_rejected(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(OSError, match=r"a\.json is a pipe"):
        Repository(str(tmp_path)).find("a.json")


def test_only_the_options_for_the_hub_are_passed_to_it(monkeypatch):
    asked = []
    monkeypatch.setattr(repository, "cached_file", lambda *names, **options: asked.append((names, options)))
    Repository.of("someone/dia", {"revision": "main", "token": None, "attn_implementation": "eager"}).find("a.json")
    assert asked == [(("someone/dia", "a.json"), {"_raise_exceptions_for_missing_entries": False, "revision": "main"})]
