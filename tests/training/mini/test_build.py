"""`python -m dia.training.mini`: stages run in order, unknown ones are refused, failures name their stage."""

import json

import pytest

from dia.training.mini import build


@pytest.fixture
def done(monkeypatch):
    order: list[str] = []
    for stage in build.STAGES:
        monkeypatch.setitem(build.STAGES, stage, lambda plan, stage=stage: order.append(stage))
    return order


def test_all_stages_run_in_order(done, tmp_path):
    assert build.main(["--work", str(tmp_path)]) == 0
    assert done == ["speech", "codec", "codes", "words", "language", "predicted", "decoder", "assemble", "voices"]


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
