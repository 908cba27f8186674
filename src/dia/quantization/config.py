"""Quantizes the weights of a model, while it is loaded or afterwards.

    model = DiaForConditionalGeneration.from_pretrained(name, quantization_config=DiaQuantizationConfig("int4"))
    quantize(model, "int8")                                     # or afterwards, in place
    model.save_pretrained("smaller")                            # config.json stores the quantization

Selects the format of each layer and implements transformers' hooks. `dia.quantization.products` does the arithmetic.
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
from dia.quantization.codes import Format, fitting_group
from dia.quantization.half import HalfLinear
from dia.quantization.linear import QuantizedLinear
from dia.runtime.log import get_logger
from dia.runtime.ranges import shown
from dia.runtime.resources.memory import release_free_memory

logger = get_logger(__name__)

FORMATS = ("int8", "int4")
# Too sensitive for 16 levels, see docs/quantization.md.
SENSITIVE = ("logits_dense", "self_attention.q_proj", "self_attention.k_proj")


class DiaQuantizationConfig(QuantizationConfigMixin):
    """Quantization settings, for the argument `quantization_config` and for config.json.

    Args:
        weights: "int8" or "int4".
        int8: suffixes of the names of matrices that use int8 if the others use int4. Matrices with a shape that int4
            does not support also use int8.
        keep: suffixes of the names of matrices that are not quantized.

    Raises:
        TypeError: `int8` or `keep` is not a list of names.
        ValueError: `weights` is unknown.
    """

    def __init__(
        self, weights: str = "int8", int8: Sequence[str] = SENSITIVE, keep: Sequence[str] = (), **_: Any
    ) -> None:
        if weights not in FORMATS:
            raise ValueError(f"quantization={shown(weights)} is unknown; choose one of {', '.join(FORMATS)}.")
        self.quant_method: Any = QUANT_METHOD
        self.weights: Format = "int8" if weights == "int8" else "int4"
        self.int8, self.keep = _names("int8", int8), _names("keep", keep)

    def format_of(self, name: str, module: nn.Module) -> tuple[Format, int] | None:
        """Format and group size of a layer, or None if it is not quantized."""
        if not isinstance(module, nn.Linear) or type(module) not in (nn.Linear, HalfLinear):
            return None
        if module.bias is not None or name.endswith(tuple(self.keep)):
            return None
        if self.weights == "int8" or name.endswith(tuple(self.int8)):
            return "int8", module.in_features
        group_size = fitting_group(module.in_features, module.out_features)
        if group_size is None:
            logger.debug(
                f"{name}: int4 does not support the shape {module.out_features} x {module.in_features}; using int8."
            )
            return "int8", module.in_features
        return "int4", group_size


def _names(argument: str, given: Any) -> list[str]:
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        raise TypeError(f"{argument} is {shown(given)}; expected a list of name suffixes.")
    return list(given)


class DiaQuantizer(HfQuantizer):
    """Implements transformers' quantizer interface for loading and saving."""

    quantization_config: DiaQuantizationConfig

    @property
    def quantized_element_size(self) -> float:
        """Bytes per weight."""
        return 1.0 if self.quantization_config.weights == "int8" else 0.5625

    def _process_model_before_weight_loading(self, model: PreTrainedModel, **_: Any) -> None:
        if self.pre_quantized:
            for name, linear, (format, group_size) in _layers_to_quantize(model, self.quantization_config):
                layer = QuantizedLinear(format, linear.in_features, linear.out_features, group_size, device="meta")
                model.set_submodule(name, layer)

    def param_needs_quantization(self, model: PreTrainedModel, param_name: str, **_: Any) -> bool:
        """Whether a tensor of the checkpoint must be quantized."""
        name = param_name.removesuffix(".weight")
        if self.pre_quantized or name == param_name:
            return False
        return self.quantization_config.format_of(name, model.get_submodule(name)) is not None

    def get_quantize_ops(self) -> ConversionOps:
        """The operation that quantizes a tensor."""
        return _QuantizeOnLoad(self.quantization_config)

    def is_serializable(self) -> bool:
        """True: the codes are plain tensors."""
        return True

    @property
    def is_trainable(self) -> bool:
        """False: quantized weights have no gradient."""
        return False


class _QuantizeOnLoad(ConversionOps):
    """Quantizes each matrix right after it is read, so that the full model is never in memory."""

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
        format_and_group = self.config.format_of(name, model.get_submodule(name))
        assert format_and_group is not None
        (value,) = input_dict.values()
        layer = QuantizedLinear.of(value[0] if isinstance(value, list) else value, *format_and_group)
        layer._is_hf_initialized = True  # type: ignore[assignment]
        model.set_submodule(name, layer)
        release_free_memory()
        if missing_keys is not None:
            missing_keys.discard(full_layer_name)
        return {}


def quantize(model: PreTrainedModel, weights: str | DiaQuantizationConfig = "int8") -> PreTrainedModel:
    """Quantize a model in place, matrix by matrix.

    Args:
        model: a Dia model in any floating dtype, on its device.
        weights: "int8", "int4", or a config.

    Returns:
        The model.

    Raises:
        ValueError: the format is unknown, the model is already quantized, or it has adapters.
    """
    config = weights if isinstance(weights, DiaQuantizationConfig) else DiaQuantizationConfig(weights)
    if getattr(model, "hf_quantizer", None) is not None:
        raise ValueError("the model is already quantized; load it again to use another format.")
    if hasattr(model, "peft_config"):
        raise ValueError(
            "the model has adapters, which quantized weights do not support; merge them first with "
            "dia.training.lora.merged(model)."
        )
    for name, linear, format_and_group in _layers_to_quantize(model, config):
        model.set_submodule(name, QuantizedLinear.of(linear.weight, *format_and_group))
    quantizer = DiaQuantizer(config, pre_quantized=False)
    quantizer.preprocess_model(model)
    model.hf_quantizer = quantizer
    quantizer.postprocess_model(model)
    return model


def _layers_to_quantize(
    model: nn.Module, config: DiaQuantizationConfig
) -> Iterator[tuple[str, nn.Linear, tuple[Format, int]]]:
    """Name, layer, and format with group size of every layer to quantize. Layers can be replaced during iteration."""
    for name in [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]:
        linear = model.get_submodule(name)
        format_and_group = config.format_of(name, linear)
        if format_and_group is not None and isinstance(linear, nn.Linear):
            yield name, linear, format_and_group


def pack(model: nn.Module, dtype: torch.dtype) -> None:
    """Pack all quantized weights for their kernels now instead of on first use."""
    for module in model.modules():
        if isinstance(module, QuantizedLinear):
            module.pack(dtype)
            release_free_memory()


def count_weights(model: nn.Module) -> int:
    """Number of parameters of a model, including quantized weights."""
    quantized = (m.in_features * m.out_features for m in model.modules() if isinstance(m, QuantizedLinear))
    return sum(quantized) + sum(parameter.numel() for parameter in model.parameters())


def register() -> None:
    """Register the quantization method with transformers. Safe to call repeatedly."""
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
