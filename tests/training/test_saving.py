"""The finished model of `DiaTrainer`: what a folder contains after each way to save it."""

import pytest
from tiny import tiny_model

from dia.checkpoints.source import find_adapter
from dia.modeling_dia import DiaForConditionalGeneration
from dia.training.lora import with_lora
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
