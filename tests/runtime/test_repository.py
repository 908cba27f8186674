"""Files of a folder or of the Hub, found by name."""

import os

import pytest

from dia.runtime import repository
from dia.runtime.repository import Repository


def test_a_file_of_a_folder_is_found(tmp_path):
    (tmp_path / "a.json").write_text('{"x": 1}')
    assert Repository(str(tmp_path)).json("a.json") == {"x": 1}
    assert Repository(str(tmp_path)).find("b.json") is None


def test_a_subfolder_is_a_repository_of_its_own(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.json").write_text('{"x": 1}')
    inside = Repository.of(tmp_path, {"subfolder": "in"})
    assert inside.json("a.json") == Repository(str(tmp_path)).within("in").json("a.json") == {"x": 1}


def test_what_has_the_name_but_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(OSError, match=r"a\.json is a pipe"):
        Repository(str(tmp_path)).find("a.json")


def test_the_hub_is_asked_with_its_own_options_alone(monkeypatch):
    asked = []
    monkeypatch.setattr(repository, "cached_file", lambda *names, **options: asked.append((names, options)))
    Repository.of("someone/dia", {"revision": "main", "token": None, "attn_implementation": "eager"}).find("a.json")
    assert asked == [(("someone/dia", "a.json"), {"_raise_exceptions_for_missing_entries": False, "revision": "main"})]
