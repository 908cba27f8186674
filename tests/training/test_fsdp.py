"""FSDP and DeepSpeed: a step sharded over two processes is that of one. The example configurations are read."""

import os
from pathlib import Path

import pytest
import torch
import yaml
from tiny import prompts, texts, tiny_model

from dia import modeling_dia
from dia.modeling_dia import DiaDecoderLayer, DiaEncoderLayer, DiaForConditionalGeneration
from dia.training import distributed

EXAMPLES = Path(__file__).parents[2] / "examples" / "accelerate"


def batch() -> dict[str, torch.Tensor]:
    inputs = {**texts(9, 4), **prompts(3, 6)}
    return {**inputs, "labels": inputs["decoder_input_ids"].roll(-1, dims=1).transpose(1, 2).flatten(0, 1)}


def after_a_step(model: DiaForConditionalGeneration) -> tuple[DiaForConditionalGeneration, float]:
    """The model after one step on a batch, and the loss before it."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    loss = model(**batch()).loss
    loss.backward()
    optimizer.step()
    return model, float(loss.detach())


def train_sharded(folder: Path) -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    model, mesh = tiny_model(), init_device_mesh("cpu", (2,))
    for layer in model.modules():
        if isinstance(layer, DiaEncoderLayer | DiaDecoderLayer):
            fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    largest = max(model.parameters(), key=torch.Tensor.numel)
    assert largest.to_local().numel() < largest.numel()
    model, loss = after_a_step(model)
    weights = {name: weight.full_tensor().detach() for name, weight in model.named_parameters()}
    torch.save([loss, weights], folder / f"{distributed.rank()}.pt")


def train_with_deepspeed(folder: Path, stage: int) -> None:
    import deepspeed

    os.environ["LOCAL_RANK"] = str(distributed.rank())
    model, settings = tiny_model(), {"zero_allow_untested_optimizer": True, "zero_optimization": {"stage": stage}}
    engine, *_ = deepspeed.initialize(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.5),
        config={"train_micro_batch_size_per_gpu": 1, "gradient_clipping": 0.0, **settings},
    )
    loss = engine(**batch()).loss
    engine.backward(loss)
    engine.step()
    with deepspeed.zero.GatheredParameters(list(model.parameters())):
        weights = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    torch.save([float(loss.detach()), weights], folder / f"{distributed.rank()}.pt")


def check_step(folder: Path) -> None:
    """Both processes have the loss and the weights of one process."""
    model, loss = after_a_step(tiny_model())
    before = dict(tiny_model().named_parameters())
    for rank in (0, 1):
        sharded_loss, weights = torch.load(folder / f"{rank}.pt")
        assert sharded_loss == pytest.approx(loss, rel=1e-5)
        torch.testing.assert_close(weights, dict(model.named_parameters()), rtol=1e-4, atol=1e-6)
    assert any(not torch.equal(weights[name], before[name]) for name in before)


def test_a_step_with_sharded_weights_is_that_of_one_process(tmp_path):
    distributed.run(train_sharded, 2, tmp_path)
    check_step(tmp_path)


@pytest.mark.parametrize("stage", [2, 3])
def test_a_step_with_deepspeed_is_that_of_one_process(tmp_path, monkeypatch, stage):
    pytest.importorskip("deepspeed")
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    distributed.run(train_with_deepspeed, 2, tmp_path, stage)
    check_step(tmp_path)


@pytest.mark.parametrize("name", ["fsdp", "deepspeed"])
def test_the_example_configurations_are_read(name):
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(EXAMPLES / f"{name}.yaml"))
    assert config.distributed_type.value == name.upper()
    assert config.num_processes == 2


def test_the_layers_that_fsdp_wraps_exist():
    options = yaml.safe_load((EXAMPLES / "fsdp.yaml").read_text())["fsdp_config"]
    for name in options["fsdp_transformer_layer_cls_to_wrap"].split(","):
        assert hasattr(modeling_dia, name)
