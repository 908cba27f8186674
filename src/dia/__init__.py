"""Dia, at home in transformers: turns a dialogue script into speech."""

from dia.configuration_dia import DiaConfig, DiaDecoderConfig, DiaEncoderConfig
from dia.modeling_dia import DiaForConditionalGeneration, DiaModel, DiaPreTrainedModel
from dia.version import __version__

__all__ = [
    "DiaConfig",
    "DiaDecoderConfig",
    "DiaEncoderConfig",
    "DiaForConditionalGeneration",
    "DiaModel",
    "DiaPreTrainedModel",
    "__version__",
]
