"""The finished model of `DiaTrainer`: what a folder contains after each way to save it."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load, load_file
from tiny import tiny_model
from tiny_codec import tiny_processor
from transformers import trainer as transformers_trainer

from dia.checkpoints.source import find_adapter
from dia.modeling_dia import DiaForConditionalGeneration
from dia.training.lora import merged, with_lora
from tests.training.test_trainer import trainer


def names(folder):
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def base(tmp_path):
    tiny_model().save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def adapted(folder, base, **changes):
    pytest.importorskip("peft")
    return trainer(folder, with_lora(DiaForConditionalGeneration.from_pretrained(base), rank=2), **changes)


def test_a_merged_model_replaces_adapters_and_adapters_replace_it(tmp_path, base):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "model-00001-of-00002.safetensors").touch()
    run = adapted(folder, base, merge_adapter=False)
    for _ in range(2):
        run.args.merge_adapter = False
        run.save_model()
        assert {"adapter_config.json", "adapter_model.safetensors", "generation_config.json"} <= names(folder)
        assert not [name for name in names(folder) if name == "config.json" or name.startswith("model")]
        assert find_adapter(folder).base == str(base)
        run.args.merge_adapter = True
        run.save_model()
        assert {"config.json", "model.safetensors", "generation_config.json"} <= names(folder)
        assert not [name for name in names(folder) if name.startswith("adapter_")]
        assert find_adapter(folder) is None


def test_adapters_saved_next_to_their_base_model_leave_it(base):
    before = names(base)
    adapted(base, base, merge_adapter=False).save_model()
    assert before <= names(base)


def test_a_save_that_fails_removes_nothing(tmp_path, base, monkeypatch):
    folder = tmp_path / "out"
    run = adapted(folder, base, merge_adapter=False)
    run.save_model()
    before = names(folder)

    def full(self, *rest, **options):
        raise OSError("No space left on device")

    run.args.merge_adapter = True
    monkeypatch.setattr(DiaForConditionalGeneration, "save_pretrained", full)
    with pytest.raises(OSError, match="No space"):
        run.save_model()
    assert names(folder) == before


class Hub:
    """Stands in for the Hub: each upload, by file name, and the files that are there."""

    def __init__(self):
        self.uploads, self.files = [], {}

    def create_repo(self, name, **options):
        return type("Repository", (), {"repo_id": f"someone/{name}"})

    def upload_folder(self, folder_path, path_in_repo="", ignore_patterns=(), **options):
        paths = [path for path in Path(folder_path).iterdir() if not path.match("checkpoint-*")]
        self.uploads.append({path.name: path.read_bytes() for path in paths if path.is_file()})
        self.files |= {f"{path_in_repo}/{name}".lstrip("/"): data for name, data in self.uploads[-1].items()}
        return type("Job", (), {"done": lambda self: True, "is_done": lambda self: True})()

    def list_repo_files(self, repository, **options):
        return list(self.files)

    def delete_files(self, repository, delete_patterns, **options):
        for name in delete_patterns:
            del self.files[name]


@pytest.fixture
def hub(monkeypatch):
    hub = Hub()
    monkeypatch.setattr("dia.training.checkpoints.HfApi", lambda **options: hub)
    if hasattr(transformers_trainer, "hf_api"):
        monkeypatch.setattr(transformers_trainer, "hf_api", lambda: hub)
    else:
        monkeypatch.setattr(transformers_trainer, "create_repo", hub.create_repo)
        monkeypatch.setattr(transformers_trainer, "upload_folder", hub.upload_folder)
    monkeypatch.setattr(transformers_trainer.Trainer, "create_model_card", lambda *about, **more: None)
    return hub


def test_the_finished_model_is_what_is_uploaded(tmp_path, hub):
    run = trainer(tmp_path, max_steps=2, save_strategy="no", average=0.5)
    run.processor = tiny_processor()
    run.train()
    run.push_to_hub()
    for weights in (load(hub.files["model.safetensors"]), load_file(tmp_path / "model.safetensors")):
        assert all(torch.equal(weight, run.average.weights[name]) for name, weight in weights.items())
    assert "processor_config.json" in names(tmp_path)


def test_saving_uploads_if_the_arguments_say_so_and_writes_once(tmp_path, hub, monkeypatch):
    written, save = [], DiaForConditionalGeneration.save_pretrained
    noted = lambda model, folder, **options: (written.append(folder), save(model, folder, **options))  # noqa: E731
    monkeypatch.setattr(DiaForConditionalGeneration, "save_pretrained", noted)
    run = trainer(tmp_path, max_steps=1, save_strategy="no", push_to_hub=True)
    run.save_model()
    assert len(hub.uploads) == len(written) == 1
    run.save_model(str(tmp_path / "other"))
    assert len(hub.uploads) == 2
    assert (tmp_path / "other" / "model.safetensors").is_file()
    run.args.push_to_hub = False
    run.save_model()
    assert len(hub.uploads) == 2


@pytest.mark.parametrize("merge", [True, False])
def test_uploads_during_the_training_are_complete_and_leave_no_adapters_beside_a_merged_model(
    tmp_path, base, hub, merge
):
    changes = {"max_steps": 2, "save_steps": 1, "push_to_hub": True, "hub_strategy": "checkpoint"}
    run = adapted(tmp_path / "out", base, merge_adapter=merge, hub_always_push=True, **changes)
    run.processor = tiny_processor()
    run.train()
    whole = {"adapter_config.json", "adapter_model.safetensors", "generation_config.json", "processor_config.json"}
    assert whole <= hub.uploads[0].keys()
    run.save_model()
    here = {name for name in hub.files if "/" not in name}
    assert {"generation_config.json", "processor_config.json"} <= here
    assert ("adapter_config.json" in here, "model.safetensors" in here) == (not merge, merge)
    assert "adapter_model.safetensors" in here or merge
    assert "last-checkpoint/adapter_config.json" in hub.files


def test_sharded_adapters_that_are_to_be_merged_are_rejected_early(tmp_path, base, monkeypatch):
    monkeypatch.setattr("dia.training.trainer.is_deepspeed_zero3_enabled", lambda: True)
    with pytest.raises(ValueError, match="Set merge_adapter=False"):
        adapted(tmp_path / "out", base)
    adapted(tmp_path / "out", base, merge_adapter=False)
    trainer(tmp_path / "out")
    monkeypatch.undo()
    run = adapted(tmp_path / "out", base)
    run.is_fsdp_enabled = True
    with pytest.raises(ValueError, match="FSDP and ZeRO-3 shard them"):
        run._check_merging()


@pytest.mark.parametrize(("adapters", "best"), [(False, min), (True, max)])
def test_the_best_checkpoint_is_loaded_with_its_average(tmp_path, base, adapters, best):
    changes = {"eval_strategy": "steps", "eval_steps": 1, "save_steps": 1, "max_steps": 3, "average": 0.5}
    make = adapted if adapters else lambda folder, _, **rest: trainer(folder, **rest)
    changes |= {"load_best_model_at_end": True, "metric_for_best_model": "loss", "greater_is_better": best is max}
    run = make(tmp_path / "out", base, learning_rate=3e-2, **changes)
    run.train()
    measured = [line["eval_loss"] for line in run.state.log_history if "eval_loss" in line]
    assert abs(best(measured) - measured[-1]) > 1e-3  # the last is not the best
    assert run.evaluate()["eval_loss"] == pytest.approx(best(measured), abs=1e-6)


def test_adapters_are_merged_without_a_copy_on_the_device_of_the_model(base, monkeypatch):
    model = adapted(base, base).model
    before = [weight.clone() for weight in model.parameters()]
    monkeypatch.setattr(torch.nn.Parameter, "__deepcopy__", lambda *_: pytest.fail("copied on the device"))
    monkeypatch.setattr(torch.Tensor, "__deepcopy__", lambda *_: pytest.fail("copied on the device"))
    result = merged(model)
    torch.nn.init.zeros_(next(result.parameters()))
    assert all(torch.equal(weight, was) for weight, was in zip(model.parameters(), before, strict=True))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: not enough memory: you tried to …"),
    ],
)
def test_too_little_memory_is_not_reported_as_a_full_disk(tmp_path, base, monkeypatch, error):
    def fail(*about, **options):
        raise error

    run = adapted(tmp_path / "out", base, max_steps=1, save_steps=1)
    with monkeypatch.context() as patched:
        patched.setattr("dia.training.trainer.merged", fail)
        with pytest.raises(RuntimeError) as raised:
            run.save_model()
        assert raised.value is error
    monkeypatch.setattr(type(run.model), "save_pretrained", fail)
    with pytest.raises(RuntimeError) as raised:
        run.train()
    assert raised.value is error
    assert not (tmp_path / "out" / "checkpoint-1").exists()
