"""Choose the weights that are trained: freeze a half of the model, or train low-rank adapters."""

import copy
import os
from typing import Any, Literal

from torch import Tensor, nn

from dia.modeling_dia import DiaForConditionalGeneration
from dia.runtime.limits import ADAPTER_SCALE, PART, RANK

Half = Literal["encoder", "decoder"]
_LAYERS = r"(self_attention|cross_attention)\.[qkvo]_proj|mlp\.(gate_up|down)_proj"


def freeze(model: DiaForConditionalGeneration, half: Half) -> None:
    """Freeze a half of the model: the text encoder, or the audio decoder with its head.

    Raises:
        ValueError: `half` is neither "encoder" nor "decoder".
    """
    halves: dict[str, list[nn.Module]] = {
        "encoder": [model.model.encoder],
        "decoder": [model.model.decoder, model.logits_dense],
    }
    if half not in halves:
        raise ValueError(f"freeze={half!r} must be 'encoder' or 'decoder'.")
    for part in halves[half]:
        part.requires_grad_(False)


def with_lora(
    model: DiaForConditionalGeneration,
    rank: int = 16,
    alpha: int | None = None,
    dropout: float = 0.0,
    frozen: Half | None = None,
) -> Any:
    """Add low-rank adapters (arXiv:2106.09685) to all matrices of attention and MLP; only they are trained.

    Args:
        model: is changed in place and wrapped by the result.
        rank: of the adapters, 1 or more.
        alpha: the adapters' output is multiplied by alpha / rank; by default twice the rank.
        dropout: on the adapters' input.
        frozen: a half of the model that gets no adapters.

    Returns:
        A peft model, which can be passed to `DiaTrainer` and whose `generate` works as before.

    Raises:
        ImportError: peft is not installed; the message says how to install it.
        TypeError: a number is of another type.
        ValueError: a number is out of range, `frozen` is unknown, or the model is quantized.
    """
    if getattr(model, "hf_quantizer", None) is not None:
        raise ValueError("the model is quantized, and adapters need its exact weights. Load it without quantization.")
    rank, dropout = RANK.check("rank", rank), PART.check("dropout", dropout)
    alpha = 2 * rank if alpha is None else ADAPTER_SCALE.check("alpha", alpha)
    if frozen not in (None, "encoder", "decoder"):
        raise ValueError(f"freeze={frozen!r} must be 'encoder' or 'decoder'.")
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise ImportError("LoRA needs peft. Run: pip install peft") from error
    halves = "|".join(half for half in ("encoder", "decoder") if half != frozen)
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=rf"model\.({halves})\.layers\.\d+\.({_LAYERS})",
    )
    adapted = get_peft_model(model, config)
    if os.path.isdir(name := str(model.name_or_path)):  # so that the base is found from every current folder
        adapted.peft_config["default"].base_model_name_or_path = os.path.abspath(name)
    return adapted


def is_adapted(model: Any) -> bool:
    """Whether the model is a peft model."""
    return hasattr(model, "peft_config") and hasattr(model, "merge_and_unload")


def plain(model: Any) -> DiaForConditionalGeneration:
    """The Dia inside a peft model, or the model itself."""
    inside = model.get_base_model() if is_adapted(model) else model
    assert isinstance(inside, DiaForConditionalGeneration)
    return inside


def merged(model: Any) -> DiaForConditionalGeneration:
    """A copy of the model on the CPU with the adapters merged into its weights; it does not need peft."""
    if not is_adapted(model):
        return plain(model)
    result = _copied_to_cpu(model).merge_and_unload()
    assert isinstance(result, DiaForConditionalGeneration)
    return result


def _copied_to_cpu(model: nn.Module) -> Any:
    """A copy of a model that needs no memory on the model's device."""
    copies: dict[int, Tensor] = {id(buffer): _on_cpu(buffer) for buffer in model.buffers()}
    for weight in model.parameters():
        copies[id(weight)] = nn.Parameter(_on_cpu(weight), weight.requires_grad)
    return copy.deepcopy(model, copies)  # deepcopy takes what it finds there


def _on_cpu(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True)


__all__ = ["freeze", "is_adapted", "merged", "plain", "with_lora"]
