"""`dia train` used wrongly, stopped, or on a failing machine: the error comes at once, and nothing is lost."""

import json
import math
import shutil

import numpy as np
import pytest
import soundfile
import torch
from tiny_checkpoint import RATE, write_tiny_checkpoint
from tiny_codec import tiny_codec
from transformers import TrainerCallback

from dia import MINI, DiaConfig, DiaProcessor, DiaTokenizer
from dia.commands.training import checks as train_checks
from dia.commands.training import train as train_command
from dia.commands.training.checks import check_model
from dia.training.checkpoints import last_checkpoint
from dia.training.data.compatibility import check_processor
from dia.training.trainer import DiaTrainer
from tests.commands.training.train_command import SECONDS, train


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(write_tiny_checkpoint(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    for number in range(6):
        wave = 0.3 * np.sin(2 * np.pi * (200 + 40 * number) * np.arange(int(SECONDS * RATE)) / RATE)
        soundfile.write(folder / f"{number}.wav", wave, RATE)
        (folder / f"{number}.txt").write_text(f"[S1] Tone {number}.", encoding="utf-8")
    return str(folder)


@pytest.fixture
def unloaded(monkeypatch):
    """Fails where the command begins to load, read or encode."""
    monkeypatch.setattr(train_command, "_train", lambda arguments: pytest.fail("the work began"))


def during_training(monkeypatch, step, act):
    """Let `act(model)` happen when a step begins."""

    class Act(TrainerCallback):
        def on_step_begin(self, args, state, control, model=None, **_):
            if state.global_step == step - 1:
                act(model)

    begin = DiaTrainer.train

    def run(self, **options):
        self.add_callback(Act())
        return begin(self, **options)

    monkeypatch.setattr(DiaTrainer, "train", run)


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        *[(option, "0", "0 must be 1 or more") for option in ("--steps", "--batch-size", "--accumulate", "--every")],
        *[(option, "0", "0 must be 1 or more") for option in ("--rank", "--shifts")],
        *[(option, "0", "0 must be greater than 0") for option in ("--epochs", "--learning-rate")],
        ("--learning-rate", "nan", "nan must be greater than 0"),
        ("--seed", "-1", "-1 must be 0 to 2**32 - 1"),
        *[(option, "1", "1 must be at least 0 and less than 1") for option in ("--held-out", "--warmup", "--average")],
        *[(option, "2", "2 must be between 0 and 1") for option in ("--text-dropout", "--prompts")],
        ("--batch-size", "many", "invalid count value: 'many'"),
    ],
)
def test_numbers_that_mean_nothing_are_reported_by_their_option(unloaded, tmp_path, capsys, option, value, complaint):
    with pytest.raises(SystemExit):
        train("anywhere", "any", tmp_path / "out", option, value)
    assert f"argument {option}: {complaint}" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_or_lies_in_the_data_is_refused_at_once(
    unloaded, recordings, model, tmp_path, capsys
):
    (tmp_path / "file").touch()
    for output, complaint in (
        (tmp_path / "file", "is a file; --output must be a folder"),
        (tmp_path / "file" / "below", "cannot be written"),
        (recordings, "lies inside --data"),
        (f"{recordings}/voice", "lies inside --data"),
    ):
        assert train(recordings, model, output) == 2
        assert complaint in capsys.readouterr().err


def test_there_must_be_something_to_resume(unloaded, recordings, model, tmp_path, capsys):
    assert train(recordings, model, tmp_path / "out", "--resume") == 2
    assert "contains no checkpoint to resume from. Run the command without --resume" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("missing", "complaint"),
    [
        ("config.json", "contains no model: config.json is missing"),
        (
            "preprocessor_config.json",
            r"a model without a processor, such as native weights.*dia convert model",
        ),
    ],
)
def test_a_model_folder_that_lacks_a_file_is_refused_with_a_remedy(model, tmp_path, missing, complaint):
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    (folder / missing).unlink()
    with pytest.raises(ValueError, match=complaint):
        check_model(str(folder))


def test_a_folder_without_a_model_to_train_is_refused_with_what_it_holds(tmp_path, monkeypatch):
    tiny_codec().save_pretrained(tmp_path / "codec")
    for name, file in (("run/checkpoint-7", "trainer_state.json"), ("adapters", "adapter_config.json")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / file).write_text("{}")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "config.json").write_text("{oops")
    for name, complaint in (
        ("nowhere", "no such folder"),
        ("codec", "contains a model of type dac; expected type dia"),
        ("run/checkpoint-7", r"is a checkpoint of a run. Continue that run with --output .*run --resume"),
        ("adapters", "contains only adapters.*merge them"),
        ("damaged", r"config\.json is not valid JSON"),
    ):
        with pytest.raises(ValueError, match=complaint):
            check_model(str(tmp_path / name))
    for name in ("./nowhere", "nowhere", "no/where/else", "~/nowhere", str(tmp_path / "damaged" / "config.json")):
        with pytest.raises(ValueError, match="no such folder"):
            check_model(name)
    asked = []
    monkeypatch.setattr(train_checks, "check_source", lambda *about: asked.append(about))
    check_model("someone/model-of-the-hub")
    assert asked == [("someone/model-of-the-hub", "dia")]


@pytest.mark.parametrize("options", [("--data", "someone/speech"), ("--model", "someone/model-of-the-hub")])
def test_what_cannot_be_loaded_from_the_hub_is_refused_before_the_work(
    unloaded, recordings, tmp_path, monkeypatch, capsys, options
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert train(recordings, "mini", tmp_path / "out", *options) == 2
    message = capsys.readouterr().err
    assert f"{options[0]} {options[1]} is no" in message
    assert "the Hub is not used" in message


def test_a_tokenizer_with_an_offset_is_refused():
    processor = DiaProcessor.from_pretrained(MINI, load_audio_tokenizer=False)
    config = DiaConfig.from_pretrained(MINI)
    check_processor(processor, config)
    processor.tokenizer = DiaTokenizer(offset=3)
    with pytest.raises(ValueError, match=r"tokenizer has offset=3, .* Use a tokenizer with offset=0"):
        check_processor(processor, config)


def test_a_model_that_can_be_trained_passes(recordings, model, tmp_path, monkeypatch):
    check_model(model)
    monkeypatch.setattr(train_command, "_train", lambda arguments: 0)
    assert train(recordings, "mini", tmp_path / "out") == 0


def test_errors_that_show_only_after_loading_are_reported_before_anything_is_encoded(
    recordings, model, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(train_command, "_encoded", lambda *_: pytest.fail("encoding began"))
    other, bare = tmp_path / "other", tmp_path / "bare"
    for folder in (other, bare):
        shutil.copytree(model, folder)
    settings = json.loads((other / "processor_config.json").read_text())
    (other / "processor_config.json").write_text(json.dumps({**settings, "delay_pattern": [0, 1, 2]}))
    shutil.rmtree(bare / "audio_tokenizer")
    for source, more, complaint in (
        (other, (), "the processor has delay_pattern=[0, 1, 2], but the model has [0, 2, 3]"),
        (bare, (), "the processor or the codec cannot be loaded"),
        (model, ("--say", 60 * "a"), "the encoder's limit is 48"),
        (model, ("--say", " "), "text"),
    ):
        assert train(recordings, str(source), tmp_path / "out", *more) == 2
        assert complaint in capsys.readouterr().err


def test_a_loss_that_is_no_number_leaves_the_last_good_checkpoint_to_go_on_from(
    recordings, model, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        during_training(patched, 4, lambda model: model.logits_dense.weight.data.fill_(math.nan))
        assert train(recordings, model, out, "--steps", "6", "--every", "2") == 1
    message = capsys.readouterr().err
    assert "dia: the loss is nan at step 4" in message
    assert f"Resume from {out / 'checkpoint-2'}, which is not affected, with a lower learning rate" in message
    assert last_checkpoint(out) == out / "checkpoint-2"
    assert not (out / "config.json").exists()
    assert train(recordings, model, out, "--steps", "6", "--every", "2", "--resume", "--learning-rate", "1e-6") == 0
    rates = [
        line["learning_rate"]
        for line in json.loads((out / "checkpoint-6" / "trainer_state.json").read_text())["log_history"]
        if "learning_rate" in line
    ]
    assert max(rates, default=0) <= 1e-6


def stop(_):
    raise KeyboardInterrupt


def exhaust(_):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")


@pytest.mark.parametrize(
    ("act", "code", "complaint"),
    [(stop, 130, "\ndia: interrupted. "), (exhaust, 1, "Use --batch-size 1 with a larger --accumulate")],
)
def test_a_stopped_run_names_the_checkpoint_to_continue_from(
    recordings, model, tmp_path, monkeypatch, capsys, act, code, complaint
):
    during_training(monkeypatch, 4, act)
    assert train(recordings, model, tmp_path / "out", "--steps", "6", "--every", "2") == code
    message = capsys.readouterr().err
    assert complaint in message
    assert f"To continue from {tmp_path / 'out' / 'checkpoint-2'}, run the same command with --resume.\n" in message


def test_a_stop_before_the_first_checkpoint_says_that_too(recordings, model, tmp_path, monkeypatch, capsys):
    during_training(monkeypatch, 1, stop)
    assert train(recordings, model, tmp_path / "out", "--steps", "6") == 130
    assert "No checkpoint was saved yet" in capsys.readouterr().err


def test_too_few_clips_to_measure_with_are_reported(recordings, model, tmp_path, capsys):
    assert train(recordings, model, tmp_path / "out", "--steps", "1", "--held-out", "0") == 0
    assert "0 held out (no eval_loss and no eval_gap: " in capsys.readouterr().out
