"""`dia verify`: its report, JSON and exit codes."""

import json

import pytest
import soundfile

from dia import cli
from dia.audio.files import Provenance, write
from tests.audio.watermark.test_watermark import RATE, voice


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("marked.wav", voice(5.0), RATE, provenance=Provenance("mini", 7), watermark=True)
    soundfile.write("plain.wav", voice(1.5), RATE)
    return tmp_path


def test_a_marked_file_is_reported(folder, capsys):
    assert cli.main(["verify", "marked.wav"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "marked.wav: marked as synthetic speech of Dia"
    assert lines[1] == "  tag: model mini, seed 7"
    assert lines[2].startswith("  watermark: found (score ")
    assert lines[2].endswith("model mini, seed 7")


def test_an_unmarked_file_gives_1(folder, capsys):
    assert cli.main(["verify", "marked.wav", "plain.wav"]) == 1
    assert "plain.wav: no mark of Dia found, which proves nothing" in capsys.readouterr().out


def test_a_missing_file_gives_2_and_the_others_are_reported(folder, capsys):
    assert cli.main(["verify", "missing.wav", "marked.wav"]) == 2
    captured = capsys.readouterr()
    assert "the file missing.wav does not exist" in captured.err
    assert "marked.wav: marked" in captured.out


def test_json_has_a_line_for_each_file(folder, capsys):
    assert cli.main(["verify", "--json", "marked.wav", "plain.wav", "missing.wav"]) == 2
    marked, plain, missing = map(json.loads, capsys.readouterr().out.splitlines())
    assert (marked["synthetic"], marked["model"], marked["seed"], marked["agree"]) == (True, "mini", 7, True)
    assert (plain["synthetic"], plain["watermark"]["found"], plain["tag"]) == (False, False, None)
    assert missing["file"] == "missing.wav"
    assert "does not exist" in missing["error"]


def test_a_tag_without_a_seed_does_not_contradict_the_watermark(folder, capsys):
    samples, rate = soundfile.read("marked.wav", dtype="float32")
    write("book.wav", samples, rate, provenance=Provenance("mini", None))
    assert cli.main(["verify", "--json", "book.wav"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["agree"], found["seed"]) == (True, 7)
