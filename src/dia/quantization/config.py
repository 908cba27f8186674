"""Quantised weights: which matrix of a model gets which format, before, while and after it is loaded.

    model = DiaForConditionalGeneration.from_pretrained(name, quantization_config=DiaQuantizationConfig("int4"))
    quantize(model, "int8")                                     # or afterwards, in place
    model.save_pretrained("smaller")                            # its config.json says how to load it

Knows transformers' hooks for loading and the names of layers. The arithmetic is that of `quantized_linear`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.core_model_loading import ConversionOps
from transformers.quantizers import HfQuantizer
from transformers.quantizers.auto import (
    AUTO_QUANTIZATION_CONFIG_MAPPING,
    register_quantization_config,
    register_quantizer,
)
from transformers.utils.quantization_config import QuantizationConfigMixin

from dia.configuration_dia import QUANT_METHOD
from dia.quantization.linear import Format, QuantizedLinear, fitting_group
from dia.runtime.log import get_logger
from dia.runtime.memory import release_free_memory
from dia.runtime.ranges import shown

logger = get_logger(__name__)

FORMATS = ("int8", "int4")
# Too sensitive for 16 levels: see docs/quantization.md.
SENSITIVE = ("logits_dense", "self_attention.q_proj", "self_attention.k_proj")


class DiaQuantizationConfig(QuantizationConfigMixin):
    """What `quantization_config=` takes and config.json keeps.

    Args:
        weights: "int8" or "int4".
        int8: ends of names of matrices that are int8 where the others are int4; shapes that do not fit int4 are, too.
        keep: ends of names of matrices that are not quantised at all.

    Raises:
        TypeError: `int8` or `keep` is no list of names.
        ValueError: there is no such format.
    """

    def __init__(
        self, weights: str = "int8", int8: Sequence[str] = SENSITIVE, keep: Sequence[str] = (), **_: Any
    ) -> None:
        if weights not in FORMATS:
            raise ValueError(f"quantization={shown(weights)} is not known; choose one of {', '.join(FORMATS)}.")
        self.quant_method: Any = QUANT_METHOD
        self.weights: Format = "int8" if weights == "int8" else "int4"
        self.int8, self.keep = _names("int8", int8), _names("keep", keep)

    def choice(self, name: str, module: nn.Module) -> tuple[Format, int] | None:
        """Format and group size for a layer by its name; None if it stays as it is."""
        if type(module) is not nn.Linear or module.bias is not None or name.endswith(tuple(self.keep)):
            return None
        if self.weights == "int8" or name.endswith(tuple(self.int8)):
            return "int8", module.in_features
        group_size = fitting_group(module.in_features, module.out_features)
        if group_size is None:
            logger.debug(
                f"{name}: {module.out_features} x {module.in_features} does not fit int4; int8 takes its place."
            )
            return "int8", module.in_features
        return "int4", group_size


def _names(argument: str, given: Any) -> list[str]:
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        raise TypeError(f"{argument} is {shown(given)}; expected a list of ends of names.")
    return list(given)


class DiaQuantizer(HfQuantizer):
    """What transformers asks while it loads or saves a quantised Dia."""

    quantization_config: DiaQuantizationConfig

    @property
    def quantized_element_size(self) -> float:
        """Bytes of one weight."""
        return 1.0 if self.quantization_config.weights == "int8" else 0.5625

    def _process_model_before_weight_loading(self, model: PreTrainedModel, **_: Any) -> None:
        if self.pre_quantized:
            for name, linear, choice in _choices(model, self.quantization_config):
                shape = (linear.in_features, linear.out_features)
                model.set_submodule(name, QuantizedLinear(choice[0], *shape, choice[1], device="meta"))

    def param_needs_quantization(self, model: PreTrainedModel, param_name: str, **_: Any) -> bool:
        """Whether a tensor of the checkpoint is still to be rounded."""
        name = param_name.removesuffix(".weight")
        if self.pre_quantized or name == param_name:
            return False
        return self.quantization_config.choice(name, model.get_submodule(name)) is not None

    def get_quantize_ops(self) -> ConversionOps:
        """What is done to such a tensor."""
        return _Round(self.quantization_config)

    def is_serializable(self) -> bool:
        """Its codes are plain tensors."""
        return True

    @property
    def is_trainable(self) -> bool:
        """Rounded weights have no gradient."""
        return False


class _Round(ConversionOps):
    """Rounds one matrix as soon as it is read, so that the model is never in memory whole."""

    def __init__(self, config: DiaQuantizationConfig) -> None:
        self.config = config

    def convert(
        self,
        input_dict: dict[str, Any],
        *_: Any,
        model: PreTrainedModel,
        full_layer_name: str,
        missing_keys: set[str] | None = None,
        **__: Any,
    ) -> dict[str, Tensor]:
        name = full_layer_name.removesuffix(".weight")
        choice = self.config.choice(name, model.get_submodule(name))
        assert choice is not None
        (value,) = input_dict.values()
        layer = QuantizedLinear.of(value[0] if isinstance(value, list) else value, *choice)
        layer._is_hf_initialized = True  # type: ignore[assignment]
        model.set_submodule(name, layer)
        release_free_memory()
        if missing_keys is not None:
            missing_keys.discard(full_layer_name)
        return {}


def quantize(model: PreTrainedModel, weights: str | DiaQuantizationConfig = "int8") -> PreTrainedModel:
    """Quantise a model in place, one matrix after the other.

    Args:
        model: a Dia in any floating dtype, on its device.
        weights: "int8", "int4", or a config that says more.

    Returns:
        The model.

    Raises:
        ValueError: there is no such format, the model is quantised already, or it carries adapters.
    """
    config = weights if isinstance(weights, DiaQuantizationConfig) else DiaQuantizationConfig(weights)
    if getattr(model, "hf_quantizer", None) is not None:
        raise ValueError("the model is quantised already; load it again to quantise it otherwise.")
    if hasattr(model, "peft_config"):
        raise ValueError(
            "the model carries adapters, which quantised weights cannot; merge them first: "
            "dia.training.lora.merged(model)."
        )
    for name, linear, choice in _choices(model, config):
        model.set_submodule(name, QuantizedLinear.of(linear.weight, *choice))
    quantizer = DiaQuantizer(config, pre_quantized=False)
    quantizer.preprocess_model(model)
    model.hf_quantizer = quantizer
    quantizer.postprocess_model(model)
    return model


def _choices(model: nn.Module, config: DiaQuantizationConfig) -> Iterator[tuple[str, nn.Linear, tuple[Format, int]]]:
    """Every layer to be quantised, by name; while they are taken, layers may be exchanged."""
    for name in [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]:
        linear = model.get_submodule(name)
        choice = config.choice(name, linear)
        if choice is not None and isinstance(linear, nn.Linear):
            yield name, linear, choice


def pack(model: nn.Module, dtype: torch.dtype) -> None:
    """Bring all quantised weights into their kernels' order now, instead of at their first use."""
    for module in model.modules():
        if isinstance(module, QuantizedLinear):
            module.pack(dtype)
            release_free_memory()


def count_weights(model: nn.Module) -> int:
    """Parameters of a model, those that are quantised included."""
    quantised = (m.in_features * m.out_features for m in model.modules() if isinstance(m, QuantizedLinear))
    return sum(quantised) + sum(parameter.numel() for parameter in model.parameters())


def register() -> None:
    """Make transformers know the method by its name in config.json. Calling it again changes nothing."""
    if QUANT_METHOD not in AUTO_QUANTIZATION_CONFIG_MAPPING:
        register_quantization_config(QUANT_METHOD)(DiaQuantizationConfig)
        register_quantizer(QUANT_METHOD)(DiaQuantizer)


__all__ = [
    "FORMATS",
    "DiaQuantizationConfig",
    "DiaQuantizer",
    "count_weights",
    "pack",
    "quantize",
    "register",
]
