"""`--watermark` marks what commands write, and `dia verify` finds it; with the embedded model."""

import json

import pytest
import soundfile

from dia import cli
from dia.audio import playback

LINE = "[S1] Good morning. This line is long enough to hold a mark, and it ends here."


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def verified(capsys, name):
    capsys.readouterr()
    cli.main(["verify", "--json", name])
    return json.loads(capsys.readouterr().out)


class Silent:
    """Replaces the sound device."""

    def __init__(self, rate):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def write(self, samples):
        pass


def test_say_marks_a_file_and_a_stream_alike(capsys, monkeypatch):
    monkeypatch.setattr(playback, "Player", Silent)
    monkeypatch.setattr(playback, "check_device", lambda: None)
    command = ["say", LINE, "--device", "cpu", "--seed", "3", "--watermark"]
    assert cli.main([*command, "-o", "whole.wav"]) == 0
    assert cli.main([*command, "-o", "stream.wav", "--stream"]) == 0
    found = verified(capsys, "whole.wav")
    assert (found["watermark"]["found"], found["seed"], found["agree"]) == (True, 3, True)
    assert verified(capsys, "stream.wav")["watermark"]["found"]
    samples = [soundfile.read(name)[0] for name in ("whole.wav", "stream.wav")]
    assert abs(samples[0] - samples[1]).max() < 1e-3


def test_without_the_option_there_is_a_tag_alone(capsys):
    assert cli.main(["say", LINE, "--device", "cpu", "--seed", "3", "-o", "plain.wav"]) == 0
    found = verified(capsys, "plain.wav")
    assert (found["synthetic"], found["watermark"]["found"]) == (True, False)
    assert found["tag"] is not None


def test_a_job_marks_its_files_and_refuses_to_mix(tmp_path, capsys):
    (tmp_path / "rows.jsonl").write_text(json.dumps({"id": "a", "text": LINE, "seed": 3}) + "\n")
    command = ["batch", "rows.jsonl", "-o", "out", "--device", "cpu"]
    assert cli.main([*command, "--watermark"]) == 0
    assert verified(capsys, "out/a.wav")["watermark"]["found"]
    assert cli.main(command) == 2
    assert "another job" in capsys.readouterr().err
