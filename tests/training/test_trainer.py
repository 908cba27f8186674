"""Training by `DiaTrainer`: losses, the gap, the average, what is frozen or adapted, and what survives a stop."""

import errno
import json
import math
import os
import shutil
import socket
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tiny import CHANNELS, EOS, tiny_config, tiny_model
from tiny_codec import RATE, tiny_codec, tiny_processor
from tones import tone
from transformers import TrainerCallback

from dia.modeling_dia import DiaForConditionalGeneration
from dia.text.prompt_format import PromptFormat
from dia.training.checkpoints import check_adapters, last_checkpoint
from dia.training.data.dialogues import Clip
from dia.training.data.encoding import encode_rows
from dia.training.data.source import Row
from dia.training.finite import MOST
from dia.training.lora import freeze, with_lora
from dia.training.metrics import measure
from dia.training.sample_callback import SampleCallback
from dia.training.trainer import DiaTrainer, DiaTrainingArguments


def clips(count=8, seed=0):
    noise = torch.Generator().manual_seed(seed)
    shifts = [[torch.randint(0, EOS, (8 + i % 3, CHANNELS), generator=noise) for _ in range(2)] for i in range(count)]
    return [Clip(codes, f"[S1] Word {i}.", "ann" if i % 2 else "bob") for i, codes in enumerate(shifts)]


def options(folder, **changes):
    given = {
        "max_steps": 6,
        "per_device_train_batch_size": 4,
        "save_steps": 3,
        "logging_steps": 1,
        "learning_rate": 3e-3,
        "lr_scheduler_type": "constant",
        "use_cpu": True,
        "report_to": "none",
        "disable_tqdm": True,
        "code_noise": 0.1,
    }
    return DiaTrainingArguments(str(folder), **{**given, **changes})


def trainer(folder, model=None, callbacks=(), **changes):
    return DiaTrainer(
        model or tiny_model(), options(folder, **changes), clips(), clips(6, seed=1), callbacks=[*callbacks]
    )


def losses(run):
    return [line["loss"] for line in run.state.log_history if "loss" in line]


def logits(model, seed=0):
    ids = torch.randint(1, 200, (2, 9), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        return model.eval()(input_ids=ids, decoder_input_ids=torch.full((2, 3, CHANNELS), 5)).logits


class StopAt(TrainerCallback):
    """Does `act` when a step begins."""

    def __init__(self, step, act):
        self.step, self.act = step, act

    def on_step_begin(self, args, state, control, model=None, **_):
        if state.global_step == self.step - 1:
            self.act(model)


def die(model):
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Six steps in one go, measured after each three."""
    run = trainer(tmp_path_factory.mktemp("whole"), eval_strategy="steps", eval_steps=3)
    run.train()
    return run


def test_channel_0_counts_four_times_and_every_channel_is_logged(whole):
    for line in whole.state.log_history[:2]:
        first, *others = (line[f"loss_channel_{channel}"] for channel in range(CHANNELS))
        assert line["loss"] == pytest.approx((4 * first + sum(others)) / 6, abs=2e-4)


def test_training_lowers_the_loss(tmp_path):
    run = trainer(tmp_path, max_steps=20, learning_rate=1e-2, code_noise=0.0, save_strategy="no", average=0)
    run.train()
    assert losses(run)[-1] < losses(run)[0] - 0.3


def test_evaluation_uses_the_average_and_reports_loss_and_gap(whole):
    line = next(line for line in reversed(whole.state.log_history) if "eval_gap" in line)
    with whole.average.applied():
        measured = measure(whole.model.eval(), clips(6, seed=1))
    assert line["eval_gap"] == pytest.approx(measured.gap, abs=1e-5)
    assert [line[f"eval_loss_channel_{c}"] for c in range(CHANNELS)] == pytest.approx(measured.loss.tolist(), abs=1e-4)
    assert line["eval_loss"] == pytest.approx(float(4 * measured.loss[0] + measured.loss[1:].sum()) / 6, abs=1e-5)
    assert measure(whole.model.eval(), clips(6, seed=1)).gap != pytest.approx(measured.gap, abs=1e-5)


def test_evaluate_takes_clips_by_name_or_alone(whole, tmp_path):
    held = {"one": clips(6, seed=1), "two": clips(4, seed=2)}
    changes = {"eval_strategy": "steps", "eval_steps": 1, "max_steps": 1, "save_strategy": "no"}
    run = DiaTrainer(tiny_model(), options(tmp_path, **changes), clips(), held)
    run.train()
    logged = {name: value for line in run.state.log_history for name, value in line.items()}
    for name, data in held.items():
        alone = run.evaluate(data)
        for found in (logged, run.evaluate(), run.evaluate({name: data}), run.evaluate(eval_dataset={name: data})):
            assert found[f"eval_{name}_loss"] == alone["eval_loss"]
            assert found[f"eval_{name}_gap"] == alone["eval_gap"]
    assert whole.predict(clips(6, seed=1)).metrics["test_loss"] > 0
    with pytest.raises(ValueError, match="2 codebooks, but the model has 3 channels"):
        run.evaluate({"one": [Clip([codes(channels=2)], "[S1] Hi.", "ann")]})


def test_predictions_use_the_average_too(whole):
    held = clips(6, seed=1)
    measured = whole.evaluate(held)
    before = [weight.clone() for weight in whole.model.parameters()]
    found = whole.predict(held, metric_key_prefix="eval").metrics
    for name in ("eval_loss", "eval_gap"):
        assert found[name] == measured[name]
    assert all(torch.equal(weight, was) for weight, was in zip(whole.model.parameters(), before, strict=True))


def test_a_model_that_ignores_its_text_has_no_gap():
    deaf = tiny_model()
    for layer in deaf.model.decoder.layers:
        torch.nn.init.zeros_(layer.cross_attention.o_proj.weight)
    assert measure(deaf, clips(6)).gap == pytest.approx(0, abs=1e-6)
    assert abs(measure(tiny_model(), clips(6)).gap) > 1e-3


def test_alone_in_its_voice_a_clip_has_no_gap():
    assert measure(tiny_model(), clips(2)).gap is None


def test_a_killed_run_goes_on_with_the_same_losses(whole, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, callbacks=[StopAt(5, die)]).train()
    (tmp_path / "checkpoint-5").mkdir()  # as if it had been killed while writing
    again = trainer(tmp_path, model=tiny_model(seed=9))
    again.train(resume_from_checkpoint=True)
    assert losses(again) == pytest.approx(losses(whole), abs=1e-6)
    for name, weight in again.average.weights.items():
        assert torch.allclose(weight, whole.average.weights[name], atol=1e-6), name


def test_without_a_checkpoint_there_is_nothing_to_resume(tmp_path):
    with pytest.raises(ValueError, match="contains no complete checkpoint"):
        trainer(tmp_path).train(resume_from_checkpoint=True)


def test_accumulated_batches_give_the_loss_of_a_large_one(whole, tmp_path):
    run = trainer(tmp_path, per_device_train_batch_size=2, gradient_accumulation_steps=2, max_steps=3)
    run.train()
    assert losses(run) == pytest.approx(losses(whole)[:3], abs=1e-5)


@pytest.mark.parametrize("change", [{"bf16": True}, {"dataloader_num_workers": 1}])
def test_half_precision_and_workers_change_the_loss_little_and_the_weights_type_not(whole, tmp_path, change):
    run = trainer(tmp_path, max_steps=2, save_strategy="no", **change)
    run.train()
    assert losses(run) == pytest.approx(losses(whole)[:2], abs=2e-2)
    assert {weight.dtype for weight in run.model.parameters()} == {torch.float32}


def test_gradient_checkpointing_gives_the_same_losses(whole, tmp_path):
    name = "activation_checkpointing"
    if name not in DiaTrainingArguments.__dataclass_fields__:
        name = "gradient_checkpointing"
    run = trainer(tmp_path, max_steps=3, save_strategy="no", **{name: True})
    run.train()
    assert losses(run) == pytest.approx(losses(whole)[:3], abs=1e-5)


PROGRAM = """
import json, os, sys
sys.path[:0] = [{root!r}, {root!r} + "/tests/support"]
import torch
from tests.training.test_trainer import losses, trainer
torch.set_num_threads(1)
other = os.fork()  # when all is imported, which takes longer than the rest
rank = str(int(not other))
os.environ |= dict(RANK=rank, LOCAL_RANK=rank, WORLD_SIZE="2", MASTER_ADDR="localhost", MASTER_PORT="{port}")
run = trainer({folder!r}, per_device_train_batch_size=2, per_device_eval_batch_size=4, max_steps=3,
              save_strategy="no", eval_strategy="steps", eval_steps=3, ddp_backend="gloo")
run.train()
assert run.args.world_size == 2
if run.is_world_process_zero():
    print("result", json.dumps([losses(run), run.state.log_history[-2]["eval_loss"]]))
torch.distributed.destroy_process_group()
if other:
    assert os.waitpid(other, 0)[1] == 0
"""


def test_two_processes_give_the_loss_of_one_with_twice_the_batch(whole, tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    program = PROGRAM.format(root=str(Path(__file__).parents[2]), folder=str(tmp_path / "out"), port=port)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("result "))
    found, eval_loss = json.loads(line.removeprefix("result "))
    assert found == pytest.approx(losses(whole)[:3], abs=1e-5)
    expected = next(line["eval_loss"] for line in whole.state.log_history if "eval_loss" in line)
    assert eval_loss == pytest.approx(expected, abs=1e-4)  # were a clip measured twice, 1e-2 apart


def test_the_finished_model_is_the_average_and_speaks(whole, tmp_path):
    whole.save_model(str(tmp_path))
    loaded = DiaForConditionalGeneration.from_pretrained(tmp_path)
    for name, weight in loaded.named_parameters():
        assert torch.equal(weight, whole.average.weights[name]), name
    assert loaded.config.use_cache
    grid = whole.model.generate(input_ids=torch.tensor([[1, 50]]), max_new_tokens=6, do_sample=False)
    assert grid.shape[0] == 1


@pytest.mark.parametrize(("half", "part"), [("encoder", "model.encoder"), ("decoder", "model.decoder")])
def test_a_frozen_half_stays_as_it_was(tmp_path, half, part):
    model = tiny_model()
    freeze(model, half)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    trainer(tmp_path, model, max_steps=2, save_strategy="no").train()
    changed = {name for name, weight in model.named_parameters() if not torch.equal(weight, before[name])}
    assert changed
    assert not [name for name in changed if name.startswith(part)]


def test_an_unknown_half_is_refused():
    with pytest.raises(ValueError, match="freeze='head' must be 'encoder' or 'decoder'"):
        freeze(tiny_model(), "head")
    with pytest.raises(ValueError, match="rank=0"):
        with_lora(tiny_model(), rank=0)


def test_numbers_of_other_types_are_as_plain_ones(tmp_path):
    pytest.importorskip("peft")
    with_lora(tiny_model(), rank=np.int64(2), dropout=np.float32(0.5)).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["lora_alpha"] == 4
    arguments = DiaTrainingArguments(str(tmp_path), text_dropout=np.float32(0.5))
    assert type(arguments.text_dropout) is float


@pytest.fixture(scope="module")
def adapted(tmp_path_factory):
    """LoRA without the encoder, checkpointing its gradients, killed and resumed on the way."""
    pytest.importorskip("peft")
    folder = tmp_path_factory.mktemp("adapted")
    with pytest.raises(KeyboardInterrupt):
        trainer(folder, with_lora(tiny_model(), rank=2, frozen="encoder"), [StopAt(5, die)]).train()
    run = trainer(folder, with_lora(tiny_model(), rank=2, frozen="encoder"))
    run.train(resume_from_checkpoint=True)
    return run


def test_adapters_are_all_that_learns_and_only_where_asked(adapted):
    learned = {name for name, weight in adapted.model.named_parameters() if weight.requires_grad}
    assert learned
    assert all("lora_" in name and ".decoder.layers." in name for name in learned)
    base = tiny_model().state_dict()
    for name, weight in adapted.model.get_base_model().state_dict().items():
        if "lora_" not in name:
            assert torch.equal(weight, base[name.replace(".base_layer", "")]), name


def test_merged_adapters_load_without_peft(adapted, tmp_path):
    adapted.save_model(str(tmp_path))
    loaded = DiaForConditionalGeneration.from_pretrained(tmp_path)
    with adapted.average.applied():
        assert torch.allclose(logits(loaded), logits(adapted.model), atol=1e-5)
    assert not torch.allclose(logits(loaded), logits(tiny_model()), atol=1e-3)


def test_adapters_alone_load_through_peft_and_speak(adapted, tmp_path):
    from peft import PeftModel

    adapted.args.merge_adapter = False
    adapted.save_model(str(tmp_path))
    adapted.args.merge_adapter = True
    assert not (tmp_path / "model.safetensors").exists()
    loaded = PeftModel.from_pretrained(tiny_model(), str(tmp_path))
    with adapted.average.applied():
        assert torch.allclose(logits(loaded), logits(adapted.model), atol=1e-5)
    assert loaded.generate(input_ids=torch.tensor([[1, 50]]), max_new_tokens=6, do_sample=False).shape[0] == 1


def test_adapters_learn_with_gradient_checkpointing(adapted, tmp_path):
    fields = DiaTrainingArguments.__dataclass_fields__
    name = "activation_checkpointing" if "activation_checkpointing" in fields else "gradient_checkpointing"
    model = with_lora(tiny_model(), rank=2, frozen="encoder")
    run = trainer(tmp_path, model, max_steps=3, save_strategy="no", **{name: True})
    run.train()
    assert losses(run) == pytest.approx(losses(adapted)[:3], abs=1e-5)


def test_a_loss_that_is_no_number_stops_with_step_causes_and_checkpoint(tmp_path):
    def damage(model):
        model.logits_dense.weight.data.fill_(math.nan)

    run = trainer(tmp_path, callbacks=[StopAt(5, damage)])
    with pytest.raises(FloatingPointError, match=r"loss is nan at step 5, learning rate .*checkpoint-3"):
        run.train()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-3"


class _BadGradients(TrainerCallback):
    """Damages the gradient of some steps after it is computed, as a wrong kernel does."""

    def __init__(self, steps):
        self.steps = steps

    def on_pre_optimizer_step(self, args, state, control, model=None, **_):
        if state.global_step + 1 in self.steps:
            model.logits_dense.weight.grad[0, 0] = math.nan


def _with_bad_gradients(tmp_path, steps, **settings):
    run = trainer(tmp_path, **settings)
    run.callback_handler.callbacks.insert(0, _BadGradients(steps))
    return run


def test_an_update_with_a_gradient_that_is_no_number_is_left_out(tmp_path, caplog):
    whole = _with_bad_gradients(tmp_path / "a", {1}, max_steps=1)
    before = {name: weight.clone() for name, weight in whole.model.named_parameters()}
    whole.train()
    assert "gradient of step 1 is not finite; this update is left out" in caplog.text
    for name, weight in whole.model.named_parameters():
        assert torch.equal(weight, before[name]), name
    later = _with_bad_gradients(tmp_path / "c", {2}, max_steps=3)
    later.train()
    assert all(weight.isfinite().all() for weight in later.model.parameters())
    assert any(not torch.equal(weight, before[name]) for name, weight in later.model.named_parameters())


def test_gradients_that_stay_no_numbers_stop_the_training_before_any_harm(tmp_path):
    run = _with_bad_gradients(tmp_path, range(1, 100), max_steps=40, save_strategy="no")
    with pytest.raises(FloatingPointError, match=rf"{MOST} gradients in a row are not finite at step {MOST},"):
        run.train()
    assert all(weight.isfinite().all() for weight in run.model.parameters())


def test_damaged_weights_are_not_saved(tmp_path):
    run = trainer(tmp_path)
    run.model.logits_dense.weight.data[0] = math.inf
    with pytest.raises(FloatingPointError, match="a weight is not finite"):
        run._save_checkpoint(run.model, None)
    assert last_checkpoint(tmp_path) is None


def test_a_full_disk_is_reported_and_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    save = torch.save

    def full(thing, path, *rest):
        if "checkpoint-6" in str(path):
            raise OSError(errno.ENOSPC, "No space left on device")
        save(thing, path, *rest)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match=r"checkpoint-6 could not be written: .*No space.*checkpoint-3"):
        trainer(tmp_path).train()
    assert not (tmp_path / "checkpoint-6").exists()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-3"


def codes(frames=4, channels=CHANNELS, highest=1):
    return torch.full((frames, channels), highest)


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (Clip([codes(channels=2)], "[S1] Hi.", "ann"), "2 codebooks, but the model has 3 channels"),
        (Clip([codes(highest=EOS)], "[S1] Hi.", "ann"), "another codec"),
        (Clip([codes(frames=0)], "[S1] Hi.", "ann"), "codes of shape"),
        (Clip([codes(frames=60)], "[S1] Hi.", "ann"), "60 frames.*trained with at most 59"),
        (Clip([codes()], "[S1] " + 60 * "a", "ann"), "62 bytes, but the model reads at most 48"),
    ],
)
def test_clips_that_do_not_fit_the_model_are_refused_by_name(tmp_path, clip, message):
    with pytest.raises(ValueError, match=message):
        DiaTrainer(tiny_model(), options(tmp_path), [clip])


def test_an_empty_data_set_and_wrong_options_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no clip"):
        DiaTrainer(tiny_model(), options(tmp_path), [])
    with pytest.raises(ValueError, match="channel_weights"):
        DiaTrainer(tiny_model(), options(tmp_path, channel_weights=[1.0]), clips())
    with pytest.raises(ValueError, match="text_dropout"):
        options(tmp_path, text_dropout=2)
    with pytest.raises(ValueError, match="average"):
        options(tmp_path, average=1)


def test_clips_may_be_batched_by_length(tmp_path):
    run = trainer(tmp_path, train_sampling_strategy="group_by_length", max_steps=2, save_strategy="no")
    run.train()
    assert len(losses(run)) == 2


def test_clips_batched_by_length_have_the_same_order_in_a_resumed_run(tmp_path):
    def orders(*epochs, **changes):
        run = trainer(tmp_path, train_sampling_strategy="group_by_length", **changes)
        sampler, found = run._get_train_sampler(), []
        for epoch in epochs:
            torch.rand(1)  # other random choices do not matter
            run.train_dataset.set_epoch(epoch)
            found.append(list(sampler))
        return found

    first, second, again = orders(0, 1, 0)
    assert sorted(first) == list(range(8))
    assert first == again != second
    assert orders(1) == [second]
    assert orders(1, seed=5) != [second]


def test_a_run_batched_by_length_goes_on_with_the_same_losses(tmp_path):
    changes = {"train_sampling_strategy": "group_by_length", "per_device_train_batch_size": 2, "average": 0}
    whole = trainer(tmp_path / "whole", **changes)
    whole.train()
    run = trainer(tmp_path / "part", **changes, save_steps=5, callbacks=[StopAt(6, die)])  # in the second epoch
    with pytest.raises(KeyboardInterrupt):
        run.train()
    again = trainer(tmp_path / "part", model=tiny_model(seed=9), **changes)
    again.train(resume_from_checkpoint=True)
    assert losses(again) == pytest.approx(losses(whole), abs=1e-6)


def test_samples_are_written_and_logged_without_changing_the_training(tmp_path):
    pytest.importorskip("tensorboard")
    config = tiny_config()
    codec = tiny_codec((2, 4, 5))
    callback = SampleCallback(tiny_processor(codec), ["[S1] Hi.", "[S2] No."], every=2, max_seconds=0.2)
    run = trainer(
        tmp_path, tiny_model(config), [callback], eval_strategy="steps", eval_steps=3, report_to=["tensorboard"]
    )
    run.model.generation_config.min_new_tokens = 20
    run.train()
    names = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert [name for name in names if name.endswith("wav")] == ["step-000006-0.wav", "step-000006-1.wav"]
    assert [name for name in names if name.endswith("png")] == ["step-000006-0.png", "step-000006-1.png"]
    assert any(name.startswith("events.") for name in names)
    with soundfile.SoundFile(tmp_path / "samples" / "step-000006-0.wav") as file:
        assert file.samplerate == RATE
        assert len(file) > 0
        assert "synthetic" in file.comment.lower()
    plain = trainer(tmp_path / "plain", eval_strategy="steps", eval_steps=3)
    plain.train()
    assert losses(run) == losses(plain)
    shutil.rmtree(tmp_path / "plain")


def test_samples_need_a_codec_and_a_script():
    with pytest.raises(ValueError, match="no codec"):
        SampleCallback(tiny_processor(), ["[S1] Hi."])
    with pytest.raises(ValueError, match="pass at least one script"):
        SampleCallback(tiny_processor(tiny_codec()), [])


def test_a_resumed_run_may_learn_more_slowly(whole, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, callbacks=[StopAt(5, die)], lr_scheduler_type="linear").train()
    again = trainer(tmp_path, learning_rate=1e-3, lr_scheduler_type="linear")
    again.train(resume_from_checkpoint=True)
    rates = [line["learning_rate"] for line in again.state.log_history if "learning_rate" in line]
    assert rates == pytest.approx([3e-3, 2.5e-3, 2e-3, 3 / 6 * 1e-3, 2 / 6 * 1e-3, 1 / 6 * 1e-3])


def test_a_checkpoint_of_another_run_is_refused(whole, adapted, tmp_path):
    plain_run, lora = whole.args.output_dir, adapted.args.output_dir
    wider = tiny_config(encoder_config={**tiny_config().encoder_config.to_dict(), "intermediate_size": 48})
    frozen = tiny_model()
    freeze(frozen, "encoder")
    for folder, model, message in (
        (
            plain_run,
            with_lora(tiny_model(), rank=2),
            "from a run that trains all weights, but this run trains low-rank",
        ),
        (lora, tiny_model(), "from a run that trains low-rank adapters, but this run trains all weights"),
        (lora, with_lora(tiny_model(), rank=3, frozen="encoder"), "adapters of rank 2, but this run has rank 3"),
        (lora, with_lora(tiny_model(), rank=2, alpha=8, frozen="encoder"), "of alpha 4, but this run has alpha 8"),
        (lora, with_lora(tiny_model(), rank=2), "adapters for different layers"),
        (plain_run, tiny_model(wider), "does not fit this run"),
        (plain_run, frozen, "does not fit this run"),
    ):
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
        with pytest.raises(ValueError, match=rf"checkpoint-6 .*{message}.*was started with"):
            trainer(tmp_path, model).train(resume_from_checkpoint=True)
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()


def test_adapters_of_another_model_are_refused_unless_it_may_be_a_copy(tmp_path, monkeypatch):
    pytest.importorskip("peft")
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        Path(folder).mkdir()
    model = with_lora(tiny_model(), rank=2)
    model.save_pretrained("checkpoint")
    saved = Path("checkpoint/adapter_config.json")
    config = json.loads(saved.read_text())
    for was, now, same in (
        ("a", "b", False),
        ("someone/model", "someone/other", False),
        ("a", str(tmp_path / "a"), True),
        ("moved/away", "a", True),
        ("a", "someone/model", True),
        ("", "a", True),
        ("a", "", True),
        ("None", "someone/model", True),
    ):
        saved.write_text(json.dumps({**config, "base_model_name_or_path": was}))
        model.peft_config["default"].base_model_name_or_path = now
        with (
            nullcontext() if same else pytest.raises(ValueError, match=f"adapters of {was}, but this run adapts {now}")
        ):
            check_adapters(saved.parent, model)


def test_a_state_that_a_kill_cut_short_is_no_checkpoint(tmp_path):
    for step, state in ((3, "{}"), (6, '{"log_history": ['), (9, "")):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(state)
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-3"


def test_a_finished_model_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    run = trainer(tmp_path, max_steps=1, save_strategy="no")
    run.train()
    save = type(run.model).save_pretrained

    def full(self, folder, **rest):
        save(self, folder, **rest)
        raise OSError(errno.ENOSPC, "No space left on device")

    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(type(run.model), "save_pretrained", full)
    with pytest.raises(OSError, match=r"could not be written: .*No space"):
        run.save_model()
    assert sorted(tmp_path.iterdir()) == before
    monkeypatch.undo()
    run.save_model()
    assert (tmp_path / "config.json").is_file()
    run.model.logits_dense.weight.data[0] = math.nan
    written = (tmp_path / "model.safetensors").read_bytes()
    with pytest.raises(FloatingPointError, match="a weight is not finite"):
        run.save_model()
    assert (tmp_path / "model.safetensors").read_bytes() == written


def test_samples_that_cannot_be_written_stop_at_their_step_and_leave_the_checkpoint(tmp_path):
    callback = SampleCallback(tiny_processor(tiny_codec((2, 4, 5))), ["[S1] Hi."], every=2, max_seconds=0.1)
    (tmp_path / "samples").touch()
    with pytest.raises(OSError, match=r"samples cannot be written to .*\(step 6\)\. Resume from .*checkpoint-3"):
        trainer(tmp_path, callbacks=[callback], eval_strategy="steps", eval_steps=3).train()


def test_a_sample_script_that_is_too_long_is_refused_before_training():
    with pytest.raises(ValueError, match="encoder's limit is 48"):
        SampleCallback(tiny_processor(tiny_codec((2, 4, 5))), ["[S1] Hi.", 60 * "a"])


def test_a_processor_of_another_model_is_refused_before_anything_is_learnt(tmp_path):
    processor = tiny_processor()
    processor.delay_pattern = [0, 1, 2]
    with pytest.raises(ValueError, match=r"delay_pattern=\[0, 1, 2\], but the model has \[0, 2, 3\]"):
        DiaTrainer(tiny_model(), options(tmp_path), clips(), processing_class=processor)


def test_rows_that_are_not_coded_are_refused(tmp_path):
    with pytest.raises(TypeError, match="row 0 of the data set is dict; expected clips with codes"):
        DiaTrainer(tiny_model(), options(tmp_path), [{"text": "[S1] Hi."}])


def test_transcripts_that_were_normalized_differently_are_refused(tmp_path):
    processor = tiny_processor(tiny_codec())
    cache = encode_rows([Row("a", "I owe $5.", tone(0.03))], processor, tmp_path / "codes", progress=False)
    model = tiny_model()
    model.generation_config.text_frontend = "none"
    with pytest.raises(
        ValueError, match=r"contains transcripts read with text_frontend 'en', and the model .* 'none'"
    ):
        DiaTrainer(model, options(tmp_path), cache)
    run = DiaTrainer(model, options(tmp_path), clips())
    for data in (cache, {"a": cache}):
        with pytest.raises(ValueError, match="contains transcripts read with"):
            run.evaluate(data)
    DiaTrainer(tiny_model(), options(tmp_path), cache)


def test_sample_scripts_are_read_as_the_model_reads_scripts():
    processor = tiny_processor(tiny_codec((2, 4, 5)))
    assert SampleCallback(processor, ["I owe $5"]).scripts == ["[S1] I owe five dollars [S2]"]
    other = PromptFormat(closing_tag=False, final_stop=True, text_frontend="none")
    assert SampleCallback(processor, ["5 €"], format=other).scripts == ["[S1] 5 €."]
    with pytest.raises(ValueError, match="CYRILLIC"):
        SampleCallback(processor, ["Привет"])
