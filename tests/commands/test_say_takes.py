"""`dia say` with takes: subtitles, retries, and long scripts that resume where they stopped."""

import json
import re

import numpy as np
import pytest
import soundfile
from tiny_speech import saved_tiny_speech

from dia.cli import main
from dia.model import Dia
from dia.synthesis.takes import analysis, generation

LONG = " ".join(f"[S{1 + number % 2}] These are words." for number in range(8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return saved_tiny_speech(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True)
def never_wrong(monkeypatch):
    monkeypatch.setattr(analysis, "faults", lambda check_input: ())


@pytest.fixture
def say(folder, tmp_path):
    return lambda *rest, script=LONG: main(["say", script, "-o", str(tmp_path / "a.wav"), "--model", folder, *rest])


def test_the_checkpoint_stores_its_prompt_format(folder):
    with open(f"{folder}/generation_config.json") as file:
        assert json.load(file)["pass_seconds"] == 5.0


def test_a_long_script_leaves_only_the_output_file(say, tmp_path, folder):
    assert say("--seed", "3") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
    written, rate = soundfile.read(tmp_path / "a.wav", dtype="float32")
    take = Dia.from_pretrained(folder).speak(LONG, seed=3)
    assert rate == take.sampling_rate
    np.testing.assert_allclose(written, take.audio, atol=1e-3)


def test_subtitles_name_every_turn(say, tmp_path):
    assert say("--srt", str(tmp_path / "a.srt"), "--vtt", str(tmp_path / "a.vtt")) == 0
    assert len(re.findall("-->", (tmp_path / "a.srt").read_text())) >= 8
    assert (tmp_path / "a.vtt").read_text().startswith("WEBVTT")


def test_an_interrupted_command_resumes_where_it_stopped(say, tmp_path, monkeypatch, capsys):
    assert say("--seed", "3") == 0
    whole = soundfile.read(tmp_path / "a.wav")[0]
    (tmp_path / "a.wav").unlink()
    making, made = generation._run_batch, []

    def interrupted(synthesizer, tries, *rest):
        made.append(tries[0][0].line)
        if len(made) == 3:
            raise KeyboardInterrupt
        return making(synthesizer, tries, *rest)

    monkeypatch.setattr(generation, "_run_batch", interrupted)
    assert say("--seed", "3") == 130
    kept = re.search(
        r"dia: interrupted; (\d) finished parts? (is|are) kept; the same command", capsys.readouterr().err
    )
    assert [path.name for path in tmp_path.iterdir()] == [".a.wav.parts"]
    begun = len(made)
    assert say() == 0  # without a seed the kept one is gone on with
    assert made[2].text in [line.text for line in made[begun:]]
    assert len(made) - begun >= begun - int(kept[1])  # parts are spoken side by side, so several may be unfinished
    np.testing.assert_allclose(soundfile.read(tmp_path / "a.wav")[0], whole, atol=1e-3)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_kept_parts_of_another_script_are_not_mixed_in(say, tmp_path, capsys):
    (tmp_path / ".a.wav.parts").mkdir()
    (tmp_path / ".a.wav.parts" / "speech.json").write_text(json.dumps({"script": "[S1] Other.", "seed": 1}))
    (tmp_path / ".a.wav.parts" / "part-00000.safetensors").write_bytes(b"a part")
    assert say() == 2
    error = capsys.readouterr().err
    assert "contains finished parts of another request: " in error
    assert "script was '[S1] Other.', now '[S1] These are words." in error
    assert "seed was" not in error  # the one that is kept was taken over
    assert "Repeat the earlier request to resume it, choose another output, or delete this folder" in error
    assert [path.name for path in tmp_path.iterdir()] == [".a.wav.parts"]


def test_a_short_speech_leaves_the_parts_of_a_long_one_alone(say, tmp_path):
    parts = tmp_path / ".a.wav.parts"
    parts.mkdir()
    (parts / "speech.json").write_text(json.dumps({"script": "[S1] Other.", "seed": 1}))
    (parts / "part-00000.safetensors").write_bytes(b"a part")
    assert say(script="[S1] Hi.") == 0
    assert sorted(path.name for path in parts.iterdir()) == ["part-00000.safetensors", "speech.json"]
    assert (tmp_path / "a.wav").is_file()


def test_an_interrupt_before_the_first_part_leaves_nothing(say, tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(generation, "_run_batch", interrupted)
    assert say("--seed", "3") == 130
    assert "dia: interrupted; nothing was written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_faults_of_a_part_are_printed(say, monkeypatch, capsys):
    monkeypatch.setattr(analysis, "faults", lambda check_input: ("is silent",))
    assert say("--retries", "1", script="[S1] Hi.") == 0
    assert "is silent. Try another seed" in capsys.readouterr().err


def test_subtitles_that_cannot_be_written_are_rejected_before_the_work(say, tmp_path, capsys):
    assert say("--srt", "no/such/a.srt") == 2
    assert "does not exist" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".wav"] == []
