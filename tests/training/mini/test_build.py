"""`python -m dia.training.mini`: stages run in order, unknown ones are refused, failures name their stage."""

import json
import shutil
import sys

import pytest

from dia.training.mini import build


@pytest.fixture
def done(monkeypatch):
    order: list[str] = []
    for stage in build.STAGES:
        monkeypatch.setitem(build.STAGES, stage, lambda plan, stage=stage: order.append(stage))
    monkeypatch.setattr(build, "which", lambda name: name or None)
    return order


def test_all_stages_run_in_order(done, tmp_path):
    assert build.main(["--work", str(tmp_path)]) == 0
    assert done == [
        "speech",
        "codec",
        "codes",
        "speakers",
        "words",
        "language",
        "predicted",
        "decoder",
        "assemble",
        "voices",
    ]


def test_chosen_stages_keep_the_order_whatever_was_written(done, tmp_path):
    assert build.main(["--work", str(tmp_path), "--stages", "assemble, codes"]) == 0
    assert done == ["codes", "assemble"]


def test_every_stage_leaves_a_line_with_its_minutes(done, tmp_path):
    build.main(["--work", str(tmp_path), "--stages", "speech"])
    assert json.loads((tmp_path / "stages.jsonl").read_text()) == {"stage": "speech", "minutes": 0.0}


def test_an_unknown_stage_is_named_with_those_that_exist(done, tmp_path, capsys):
    assert build.main(["--work", str(tmp_path), "--stages", "speech,singing"]) == 2
    assert not done
    assert "singing. Choose from speech, codec" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        (["--clips", "600"], "--clips 600 are too few to train a codec. Pass 2000 or more, or --codec."),
        (["--minutes-codec", "nan"], "--minutes-codec nan is not above 0."),
        (["--workers", "0"], "--workers 0 is not above 0."),
        (["--codec", "nowhere"], "--codec nowhere has no config.json."),
        (["--figures", "nowhere.json"], "--figures nowhere.json is not a file."),
        (["--spectrograms", "nowhere.png"], "--spectrograms nowhere.png is not a file."),
        (["--notes", "nowhere.md"], "--notes nowhere.md is not a file."),
    ],
)
def test_what_would_fail_after_hours_is_refused_at_once(done, tmp_path, capsys, options, answer):
    assert build.main(["--work", str(tmp_path), *options]) == 2
    assert not done
    assert answer in capsys.readouterr().err


def test_without_a_compiler_the_layers_are_not_compiled(done, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(build, "which", lambda name: None)
    assert build.main(["--work", str(tmp_path)]) == 2
    assert "Install one (apt-get install g++) or pass --no-compile." in capsys.readouterr().err
    assert build.main(["--work", str(tmp_path), "--no-compile"]) == 0
    assert build.main(["--work", str(tmp_path), "--stages", "speech"]) == 0


def test_the_compiler_is_the_one_that_the_environment_names(done, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(build, "which", shutil.which)
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert build.main(["--work", str(tmp_path)]) == 2
    assert "there is no C++ compiler 'no-such-compiler'" in capsys.readouterr().err
    monkeypatch.setenv("CXX", sys.executable)
    assert build.main(["--work", str(tmp_path)]) == 0


def test_few_clips_are_enough_for_a_codec_that_exists(done, tmp_path):
    (tmp_path / "codec-frozen").mkdir()
    assert build.main(["--work", str(tmp_path), "--clips", "10"]) == 0
    assert build.main(["--work", str(tmp_path / "new"), "--clips", "10", "--stages", "speech"]) == 0


def test_a_failing_stage_is_named_and_ends_the_run(done, tmp_path, monkeypatch, capsys):
    def fail(plan):
        raise FileNotFoundError("flite is not installed")

    monkeypatch.setitem(build.STAGES, "codec", fail)
    assert build.main(["--work", str(tmp_path)]) == 1
    assert done == ["speech"]
    assert "codec: flite is not installed" in capsys.readouterr().err


def test_help_teaches_every_stage(capsys):
    with pytest.raises(SystemExit):
        build.main(["--help"])
    help_text = capsys.readouterr().out
    assert all(f"  {stage} " in help_text for stage in build.STAGES)
    assert "apt-get install flite" in help_text
    assert "teacher-packages" in help_text
