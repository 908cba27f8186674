"""`dia batch`: its report, its exit codes and its files, with a tiny model."""

import json

import pytest
from tiny_speech import saved_tiny_speech

from dia import cli


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return saved_tiny_speech(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": "a", "text": "[S1] Hello."}\n{"id": "b", "text": "[S2] Hi."}\n')
    return path


def test_check_prints_the_report_and_loads_no_model(rows, capsys):
    assert cli.main(["batch", "rows.jsonl", "-o", "out", "--check"]) == 0
    assert capsys.readouterr().out.startswith("2 rows can be spoken, 0 cannot; about 0.00 hours")
    assert not (rows.parent / "out").exists()


def test_check_measures_the_speed_if_asked(rows, tiny, capsys):
    command = ["batch", "rows.jsonl", "-o", "out", "--check", "--model", tiny, "--device", "cpu"]
    assert cli.main(command) == 0
    assert "1.00 times real time, assumed, not measured" in capsys.readouterr().out
    assert cli.main([*command, "--measure"]) == 0
    assert "times real time, measured with" in capsys.readouterr().out
    assert not (rows.parent / "out").exists()


def test_check_fails_if_a_row_is_bad(rows, capsys):
    rows.write_text(rows.read_text() + "{\n")
    assert cli.main(["batch", "rows.jsonl", "-o", "out", "--check"]) == 1
    assert "bad: rows.jsonl, line 3: not valid JSON" in capsys.readouterr().out


def test_rows_are_spoken_once(rows, tiny, capsys):
    command = ["batch", "rows.jsonl", "-o", "out", "--model", tiny, "--device", "cpu", "--format", "flac"]
    assert cli.main([*command, "--subtitles", "vtt"]) == 0
    assert "out: 2 rows made" in capsys.readouterr().out
    assert {path.name for path in (rows.parent / "out").iterdir()} == {
        *("a.flac", "b.flac", "a.vtt", "b.vtt", "batch.json", "manifest.jsonl")
    }
    assert cli.main([*command, "--subtitles", "vtt"]) == 0
    assert "0 rows made (0.00 s of speech" in capsys.readouterr().out
    assert cli.main([*command, "--seed", "3"]) == 2
    assert "holds rows of another job" in capsys.readouterr().err


def test_rows_go_into_shards(rows, tiny):
    command = ["batch", "rows.jsonl", "-o", "out", "--model", tiny, "--device", "cpu", "--codes"]
    assert cli.main([*command, "--layout", "webdataset", "--shard-rows", "1"]) == 0
    assert {path.name for path in (rows.parent / "out").iterdir()} == {
        *("shard-000000.tar", "shard-000001.tar", "README.md", "batch.json", "manifest.jsonl")
    }


def test_an_audiobook_is_written_and_its_levels_are_printed(rows, tiny, capsys):
    pytest.importorskip("av")
    (rows.parent / "walk.md").write_text("## One\n\nFirst.\n\n## Two\n\nSecond.\n")
    command = ["batch", "walk.md", "--audiobook", "-o", "walk.m4b", "--model", tiny, "--device", "cpu"]
    assert cli.main([*command, "--title", "The Walk"]) == 0
    assert "walk.m4b: 2 chapters; level " in capsys.readouterr().out
    assert {path.name for path in rows.parent.iterdir()} == {"rows.jsonl", "walk.md", "walk.m4b", "walk.m4b.rows"}
    (rows.parent / "walk.md").write_text("## One\n\nFirst.\n\n## Two\n\nSecond. [pause:90m]\n")
    assert cli.main(command) == 2
    assert "1 chapters cannot be spoken, see above. An audiobook needs all" in capsys.readouterr().err


def test_a_failed_row_gives_exit_code_1(rows, tiny, capsys):
    rows.write_text(rows.read_text() + '{"id": "c/d", "text": "[S1] Hi."}\n')
    assert cli.main(["batch", "rows.jsonl", "-o", "out", "--model", tiny, "--device", "cpu"]) == 1
    captured = capsys.readouterr()
    assert "2 rows made" in captured.out
    assert "1 failed" in captured.out
    assert "row 3:" in captured.err
    lines = (rows.parent / "out" / "manifest.jsonl").read_text().splitlines()
    assert [json.loads(line).get("row") for line in lines] == [None, None, 3]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["missing.csv", "-o", "out"], "does not exist"),
        (["rows.jsonl", "-o", "out", "--format", "doc"], "is not an audio format"),
        (["rows.jsonl", "-o", "out", "--device", "gpu"], "--device gpu is unknown"),
        (["rows.jsonl", "-o", "out", "--voice", "nobody-of-that-name"], "there is no voice"),
        (["rows.jsonl", "-o", "out", "--workers", "2"], "--workers needs --ray"),
        (["recordings", "-o", "out", "--encode"], "recordings"),
        (["recordings", "-o", "out", "--encode", "--ray"], "--ray has no effect with --encode"),
        (["recordings", "-o", "out", "--encode", "--device", "cuda"], "--device has no effect with --encode"),
        (
            ["rows.jsonl", "-o", "out", "--ray", "--layout", "webdataset", "--storage", "s3://b/p"],
            "--storage holds a file per row",
        ),
        (["rows.jsonl", "-o", "out.m4b", "--ray", "--audiobook"], "--audiobook needs the model in this process"),
        (["rows.jsonl", "-o", "out", "--ray", "--storage", "bucket"], "expected a URL with a path"),
        (["bad.jsonl", "-o", "out", "--strict"], "1 rows cannot be spoken"),
        (["bad.jsonl", "-o", "out"], "no row can be spoken"),
    ],
)
def test_wrong_input_is_refused_before_a_model_is_loaded(rows, capsys, arguments, fault):
    (rows.parent / "bad.jsonl").write_text("7\n")
    assert cli.main(["batch", *arguments]) == 2
    assert fault in capsys.readouterr().err
    assert not (rows.parent / "out").exists()


@pytest.mark.parametrize("name", ["talk.srt", "manifest.jsonl"])
def test_the_input_is_not_replaced(rows, capsys, name):
    (rows.parent / "talk.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nHello.\n")
    (rows.parent / "manifest.jsonl").write_bytes(rows.read_bytes())
    (rows.parent / "linked").symlink_to(rows.parent)
    assert cli.main(["batch", name, "-o", "linked", "--subtitles", "srt", "--check"]) == 2
    assert f"{name} is the input, which it would replace" in capsys.readouterr().err
    assert cli.main(["batch", name, "-o", "out", "--subtitles", "srt", "--check"]) == 0


def test_help_has_the_notice(capsys):
    with pytest.raises(SystemExit):
        cli.main(["batch", "--help"])
    assert "Do not imitate a real person without consent" in capsys.readouterr().out
