"""`dia voice`: voices are made, listed, played and removed; errors are reported before anything is written."""

import argparse
import shutil

import numpy as np
import pytest
import soundfile
from talking import RATE, talking
from tiny_codec import tiny_codec, tiny_processor
from transformers import GenerationConfig

from dia import MINI
from dia.commands import voice as voice_command
from dia.model import Dia
from dia.runtime.files.repository import Repository
from dia.voices import library as voice_folder
from dia.voices.library import find_voice, voice_files

SAID = "[S1] The old man walked down to the harbour. He looked at all the ships, and went home again."
CONSENT = ["--consent", "nobody's voice"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of a processor."""
    folder = tmp_path_factory.mktemp("model")
    tiny_processor(tiny_codec((2, 4, 5))).save_pretrained(folder)
    return folder


@pytest.fixture
def recording(tmp_path):
    soundfile.write(tmp_path / "ann.wav", talking(6.0), RATE, subtype="FLOAT")
    return tmp_path / "ann.wav"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DIA_VOICES", str(tmp_path / "voices"))
    monkeypatch.setattr(voice_folder, "EXAMPLES", tmp_path / "examples")
    return tmp_path / "voices"


def command(*arguments) -> int:
    parser = argparse.ArgumentParser(prog="dia")
    voice_command.add_command(parser.add_subparsers(), "Be kind.")
    parsed = parser.parse_args(["voice", *map(str, arguments)])
    return parsed.run(parsed)


def made(recording, model, *arguments) -> int:
    return command("make", "ann", recording, "--transcript", SAID, *CONSENT, "--model", model, *arguments)


def test_a_voice_is_made_listed_used_and_removed(recording, model, folder, tmp_path, capsys):
    assert made(recording, model) == 0
    assert capsys.readouterr().out.startswith("ann: 6.2 s")
    assert find_voice("ann").consent == CONSENT[1]

    assert command("list") == 0
    printed = capsys.readouterr().out
    assert "ann" in printed
    assert SAID[:30] in printed
    assert CONSENT[1] in printed

    assert command("play", "ann", "--model", model, "-o", tmp_path / "played.wav") == 0
    samples, rate = soundfile.read(tmp_path / "played.wav")
    assert rate == find_voice("ann").sampling_rate
    assert len(samples) / rate == pytest.approx(find_voice("ann").seconds, abs=0.1)

    assert command("remove", "ann") == 0
    assert "is removed" in capsys.readouterr().out
    assert voice_files() == {}


def test_a_voice_is_matched_to_its_recording(tmp_path):
    """With the embedded model, and a recording of an example voice."""
    bruno = find_voice(MINI / "voices" / "bruno.safetensors")
    model = Dia.from_pretrained(MINI)
    model.save_audio(tmp_path / "bruno.wav", model.synthesizer.sound(bruno.codes))
    said = ["--transcript", bruno.transcript, *CONSENT, "--match"]
    assert command("make", "bruno", tmp_path / "bruno.wav", *said) == 0
    assert find_voice("bruno").timbre is not None


def test_without_an_output_it_is_played(recording, model, monkeypatch):
    played = []
    monkeypatch.setattr("dia.audio.playback.play", lambda sound, rate: played.append((sound, rate)))
    monkeypatch.setattr("dia.audio.playback.check_device", lambda: None)
    made(recording, model)
    assert command("play", "ann", "--model", model) == 0
    ((sound, rate),) = played
    assert sound.dtype == np.float32
    assert rate == find_voice("ann").sampling_rate


def test_the_transcript_may_be_in_a_file(recording, model, tmp_path):
    (tmp_path / "ann.txt").write_text(SAID, encoding="utf-8")
    command("make", "ann", recording, "--transcript", tmp_path / "ann.txt", *CONSENT, "--model", model)
    assert find_voice("ann").transcript == SAID


@pytest.mark.parametrize(
    ("frontend", "read"),
    [("en", "[S1] Good morning, I owe you five dollars"), ("none", "[S1] Schönen Morgen, ich schulde dir 5 €")],
)
def test_the_transcript_is_normalized_as_the_model_expects(recording, model, tmp_path, frontend, read):
    shutil.copytree(model, tmp_path / "own")
    GenerationConfig(text_frontend=frontend).save_pretrained(tmp_path / "own")
    said = {"en": "Good morning, I owe you $5", "none": "Schönen Morgen, ich schulde dir 5 €"}[frontend]
    made = ("make", "ann", recording, "--transcript", f"[S1] {said}, and so on and on, you know.", *CONSENT)
    assert command(*made, "--model", tmp_path / "own") == 0
    assert find_voice("ann").transcript.startswith(read)


def test_the_text_frontend_of_a_hub_model_is_used(monkeypatch):
    asked, stated = [], {"text_frontend": "none"}
    monkeypatch.setattr(Repository, "json", lambda self, file: asked.append((self.name, file)) or stated)
    assert voice_command._frontend("someone/dia") == "none"
    assert asked == [("someone/dia", "generation_config.json")]


def test_an_invalid_transcript_is_rejected_before_loading(recording, model, monkeypatch):
    monkeypatch.setattr(voice_command, "_processor", None)
    arguments = ("make", "ann", recording, "--transcript", "[S1] привет", *CONSENT)
    with pytest.raises(ValueError, match=r"transcript: .*CYRILLIC"):
        command(*arguments, "--model", model)


def test_flaws_of_a_recording_are_printed_once_and_do_not_stop_the_command(model, tmp_path, capsys):
    soundfile.write(tmp_path / "ann.wav", talking(3.0), RATE)
    assert made(tmp_path / "ann.wav", model) == 0
    printed = capsys.readouterr().err.splitlines()
    assert len([line for line in printed if line.startswith("dia: about the recording: it contains 3.0 s")]) == 1
    assert "ann" in voice_files()


def test_an_existing_name_is_rejected_before_the_work(recording, model):
    made(recording, model)
    with pytest.raises(ValueError, match="a voice 'ann' already exists"):
        command("make", "ann", "no such recording", "--transcript", SAID, *CONSENT, "--model", "no such model")
    assert made(recording, model, "--overwrite") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--transcript", SAID], "consent is None"),
        (CONSENT, "transcript is missing"),
    ],
)
def test_consent_and_transcript_are_required(recording, model, arguments, message):
    with pytest.raises(ValueError, match=message):
        command("make", "ann", recording, *arguments, "--model", model)
    assert voice_files() == {}


def test_a_voice_of_another_codec_is_rejected(recording, model, tmp_path):
    made(recording, model)
    tiny_processor(tiny_codec((2, 4, 5), seed=1)).save_pretrained(tmp_path / "other")
    with pytest.raises(ValueError, match="a different codec than the model's"):
        command("play", "ann", "--model", tmp_path / "other", "-o", tmp_path / "played.wav")
    assert not (tmp_path / "played.wav").exists()


def test_unusable_outputs_and_models_are_rejected(recording, model, tmp_path):
    made(recording, model)
    with pytest.raises(ValueError, match="is not an audio format"):
        command("play", "ann", "--model", model, "-o", tmp_path / "played.txt")
    tiny_processor().save_pretrained(tmp_path / "mute")
    with pytest.raises(ValueError, match="has no codec"):
        command("play", "ann", "--model", tmp_path / "mute", "-o", tmp_path / "played.wav")


def test_damaged_voices_are_listed_with_their_error(recording, model, folder, capsys):
    made(recording, model)
    (folder / "bob.safetensors").write_bytes(b"no voice")
    capsys.readouterr()
    assert command("list") == 0
    ann, bob = capsys.readouterr().out.splitlines()
    assert ann.startswith("ann")
    assert "is not a voice, or is damaged" in bob


def test_an_empty_list_explains_how_to_make_a_voice(folder, capsys):
    assert command("list") == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"you have no voices in {folder} yet; to make one, see dia voice make" in printed.err


def test_the_help_explains_consent(capsys):
    for arguments in (["--help"], ["make", "--help"]):
        with pytest.raises(SystemExit):
            command(*arguments)
        printed = " ".join(capsys.readouterr().out.split())
        assert "Make voices only of yourself or of people who have agreed" in printed
        assert "Be kind." in printed
