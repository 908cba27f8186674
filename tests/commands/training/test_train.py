"""`dia train`: from recordings to a folder that speaks, and its answers to mistakes."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny import tiny_model
from tiny_checkpoint import RATE, write_tiny_checkpoint
from tiny_codec import tiny_processor

from dia.cli import main
from dia.commands.training import train as command
from dia.model import Dia
from dia.text.lexicon import Pronunciations
from dia.text.prompt_format import PromptFormat
from dia.training.data.code_cache import CodeCache
from dia.training.trainer import DiaTrainer
from tests.commands.training.train_command import SECONDS, train


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(write_tiny_checkpoint(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Six tones with transcripts, and a row that cannot be used."""
    folder = tmp_path_factory.mktemp("recordings")
    time = np.arange(int(SECONDS * RATE)) / RATE
    for number in range(6):
        soundfile.write(folder / f"{number}.wav", 0.3 * np.sin(2 * np.pi * (200 + 40 * number) * time), RATE)
        (folder / f"{number}.txt").write_text(f"Tone {number}.", encoding="utf-8")
    soundfile.write(folder / "silent.wav", np.zeros(len(time)), RATE)
    (folder / "silent.txt").write_text("Nothing.", encoding="utf-8")
    return str(folder)


@pytest.fixture(scope="module")
def trained(recordings, model, tmp_path_factory):
    output = tmp_path_factory.mktemp("output") / "voice"
    options = ["--lora", "--rank", "2", "--steps", "4", "--every", "2", "--say", "[S1] Hi.", "--prompts", "0.5"]
    assert train(recordings, model, output, *options) == 0
    return output


def test_the_output_is_a_folder_that_speaks(trained, tmp_path, capsys):
    sound = tmp_path / "hi.wav"
    assert main(["say", "[S1] Hi.", "--model", str(trained), "-o", str(sound), "--seed", "1"]) == 0
    assert soundfile.info(sound).samplerate == RATE
    assert not (trained / "adapter_config.json").exists()


def test_it_saves_report_codes_samples_and_checkpoints(trained):
    assert json.loads((trained / "report.json").read_text())["counts"]["silent"] == 1
    names = {path.name for path in trained.iterdir()}
    assert names >= {"histogram.png", "codes", "samples", "checkpoint-2", "checkpoint-4"}
    lines = json.loads((trained / "checkpoint-4" / "trainer_state.json").read_text())["log_history"]
    assert [line["step"] for line in lines if "eval_gap" in line] == [2, 4]


def conventions(folder):
    return PromptFormat.in_folder(folder).text_frontend


def texts(output):
    return sorted({clip.text for clip in CodeCache(output / "codes").rows})


def test_transcripts_are_parsed_as_scripts_and_the_frontend_is_saved(trained):
    assert texts(trained) == [f"[S1] Tone {number}." for number in ("five", "four", "one", "three", "two", "zero")]
    assert json.loads((trained / "generation_config.json").read_text())["text_frontend"] == "en"


def test_another_language_is_unchanged_from_training_to_speech(recordings, model, tmp_path, capsys):
    output = tmp_path / "voice"
    options = ["--text-frontend", "none", "--steps", "1", "--every", "1", "--say", "Grüße, 5 €"]
    assert train(recordings, model, output, *options) == 0
    assert texts(output) == [f"[S1] Tone {number}." for number in range(6)]
    assert conventions(output) == "none"
    more = tmp_path / "more"  # what is trained further stays with its language
    assert train(recordings, str(output), more, "--lora", "--keep-adapter", "--steps", "1") == 0
    assert conventions(more) == "none"
    assert texts(more) == texts(output)
    capsys.readouterr()
    assert train(recordings, model, output, "--steps", "2", "--resume") == 2
    assert "transcripts read with text_frontend 'none', and the model reads with 'en'" in capsys.readouterr().err


def test_a_sample_script_is_parsed_before_anything_is_encoded(recordings, model, tmp_path, capsys):
    assert train(recordings, model, tmp_path / "out", "--say", "[S1] Привет") == 2
    assert "CYRILLIC" in capsys.readouterr().err
    assert not (tmp_path / "out" / "codes").exists()


def test_another_language_does_not_use_the_english_lexicon():
    model, processor = tiny_model(), tiny_processor()
    processor.tokenizer.pronunciations = Pronunciations(["hh", "aa1"], {"die": "hh aa1"}, ["(laughs)"])
    assert processor.tokenizer.spoken("die") != "die"
    command._choose_frontend("none", model, processor)
    assert processor.tokenizer.spoken("[S1] die (laughs)") == "[S1] die (laughs)"
    assert len(processor.tokenizer.spoken("{hh aa1}")) == 2
    assert model.generation_config.text_frontend == "none"


def test_a_finished_or_stopped_run_is_not_overwritten_but_resumed(recordings, model, trained, capsys):
    assert train(recordings, model, trained, "--lora") == 2
    assert "contains a finished model" in capsys.readouterr().err
    assert train(recordings, model, trained, "--lora", "--rank", "2", "--steps", "5", "--resume") == 0
    assert (trained / "checkpoint-5").is_dir() or (trained / "checkpoint-4").is_dir()


def test_adapters_can_be_saved_separately(recordings, model, tmp_path, capsys):
    options = ["--lora", "--bf16", "--checkpointing", "--freeze", "decoder", "--steps", "1", "--keep-adapter"]
    assert train(recordings, model, tmp_path / "out", *options) == 0
    assert (tmp_path / "out" / "adapter_config.json").exists()
    assert not (tmp_path / "out" / "config.json").exists()
    assert f"--model {tmp_path / 'out'}" in capsys.readouterr().out
    assert Dia.from_pretrained(tmp_path / "out").model.name_or_path == str(tmp_path / "out")


def test_a_loss_of_nan_is_reported_and_no_model_is_written(recordings, model, tmp_path, monkeypatch, capsys):
    def diverge(self, **_):
        raise FloatingPointError("the loss is nan at step 3")

    monkeypatch.setattr(DiaTrainer, "train", diverge)
    assert train(recordings, model, tmp_path / "out", "--freeze", "encoder") == 1
    assert "dia: the loss is nan at step 3" in capsys.readouterr().err
    assert not (tmp_path / "out" / "config.json").exists()


@pytest.fixture
def options(recordings, model, tmp_path, monkeypatch):
    """The trainer's options that the command makes of its own, for four clips in batches of two."""
    seen = []

    def keep(self, **_):
        seen.append(self.args)
        raise FloatingPointError

    def chosen(*more):
        assert train(recordings, model, tmp_path / f"out{len(seen)}", *more) == 1
        return seen[-1]

    monkeypatch.setattr(DiaTrainer, "train", keep)
    return chosen


def test_few_recordings_are_repeated_until_there_are_enough_updates(options, monkeypatch):
    chosen = options("--lora")
    assert (chosen.max_steps, chosen.save_steps, chosen.eval_steps) == (40, 20, 20)
    monkeypatch.setattr("dia.commands.training.options.LEAST_STEPS", 5)
    assert options("--lora").max_steps == 10 * 2
    chosen = options("--epochs", "3")
    assert (chosen.max_steps, chosen.save_steps) == (3 * 2, 6)
    chosen = options("--steps", "7", "--every", "2")
    assert (chosen.max_steps, chosen.eval_steps) == (7, 2)


def test_a_narrow_model_has_a_higher_learning_rate(options, model):
    width = json.loads((Path(model) / "config.json").read_text())["decoder_config"]["hidden_size"]
    assert options("--lora").learning_rate == pytest.approx(2e-4 * (2048 / width) ** 0.5)
    assert options().learning_rate == pytest.approx(2e-5 * (2048 / width) ** 0.5)
    assert options("--learning-rate", "1e-5").learning_rate == 1e-5


def test_a_missing_extra_is_reported_with_its_install_command(model, tmp_path, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "peft" else find(name, *rest))
    assert train("anywhere", model, tmp_path) == 2
    assert "training needs peft. Run: pip install peft" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"), [(None, "contains no row to train on"), ("nowhere", "nowhere")], ids=["unusable", "missing"]
)
def test_unusable_data_is_rejected_before_training(model, tmp_path, capsys, text, message):
    source = tmp_path / "data"
    source.mkdir()
    soundfile.write(source / "a.wav", np.zeros(2000), RATE)
    (source / "a.txt").write_text("Hi.", encoding="utf-8")
    assert train((text and f"{tmp_path}/{text}") or str(source), model, tmp_path / "out") == 2
    assert message in capsys.readouterr().err


def test_help_shows_examples_and_the_notice(capsys):
    with pytest.raises(SystemExit) as exit_code:
        main(["train", "--help"])
    assert exit_code.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for part in ("examples:", "--lora", "eval_gap", "metadata.csv", "dia say", "without consent"):
        assert part in text


def test_a_stream_is_copied_and_encoded(recordings, model, tmp_path, capsys):
    datasets = pytest.importorskip("datasets")
    (tmp_path / "data").mkdir()
    paths = sorted(str(path) for path in Path(recordings).glob("**/*.wav"))
    table = datasets.Dataset.from_dict({"audio": paths, "text": ["[S1] A tone."] * len(paths)})
    table.cast_column("audio", datasets.Audio()).to_parquet(str(tmp_path / "data" / "train.parquet"))
    options = ["--streaming", "--rows", "2", "--encode-only"]
    assert train(str(tmp_path / "data"), model, tmp_path / "out", *options) == 0
    assert "2 clips encoded" in capsys.readouterr().out
    assert len(list((tmp_path / "out" / "recordings").glob("*.wav"))) == 2


def test_batch_encodes_the_same(recordings, model, tmp_path, capsys):
    folders = tmp_path / "trained", tmp_path / "batch"
    assert train(recordings, model, folders[0], "--shifts", "3", "--encode-only") == 0
    assert main(["batch", recordings, "-o", str(folders[1]), "--encode", "--model", model, "--device", "cpu"]) == 0
    assert "18 clips encoded" in capsys.readouterr().out
    one, two = ({path.name: path.read_bytes() for path in (folder / "codes").iterdir()} for folder in folders)
    assert one == two


def test_a_number_of_rows_needs_a_stream(recordings, model, tmp_path, capsys):
    assert train(recordings, model, tmp_path / "out", "--rows", "2") == 2
    assert "--rows is only allowed with --streaming" in capsys.readouterr().err
