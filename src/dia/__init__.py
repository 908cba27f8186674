"""Dia for transformers: turns a dialogue script into speech.

Importing this package makes transformers' Auto classes and pipelines resolve "dia" to it. The classes are imported
on first access.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dia.registration import register
from dia.runtime.lazy import lazy_names
from dia.version import __version__

if TYPE_CHECKING:
    from dia.configuration_dia import DiaConfig, DiaDecoderConfig, DiaEncoderConfig
    from dia.decoding.guidance import (
        DiaDelayedEndLogitsProcessor,
        DiaEndOfSpeechLogitsProcessor,
        DiaGuidanceLogitsProcessor,
    )
    from dia.feature_extraction_dia import DiaFeatureExtractor
    from dia.model import Dia
    from dia.modeling_dia import DiaForConditionalGeneration, DiaModel, DiaPreTrainedModel
    from dia.processing_dia import DiaProcessor
    from dia.runtime.warnings import DiaWarning
    from dia.streaming import DiaAudioStreamer
    from dia.tokenization_dia import DiaTokenizer

MINI = Path(__file__).parent / "mini"

_MODULE_OF_NAMES = {
    "configuration_dia": ("DiaConfig", "DiaDecoderConfig", "DiaEncoderConfig"),
    "feature_extraction_dia": ("DiaFeatureExtractor",),
    "decoding.guidance": (
        "DiaDelayedEndLogitsProcessor",
        "DiaEndOfSpeechLogitsProcessor",
        "DiaGuidanceLogitsProcessor",
    ),
    "model": ("Dia",),
    "modeling_dia": ("DiaForConditionalGeneration", "DiaModel", "DiaPreTrainedModel"),
    "processing_dia": ("DiaProcessor",),
    "runtime.warnings": ("DiaWarning",),
    "streaming": ("DiaAudioStreamer",),
    "tokenization_dia": ("DiaTokenizer",),
}
_SUBMODULES = [module for module in _MODULE_OF_NAMES if "." not in module]  # `dia.streaming` works after `import dia`
_get, __dir__ = lazy_names(__name__, _MODULE_OF_NAMES)


def __getattr__(name: str) -> Any:
    return import_module(f"{__name__}.{name}") if name in _SUBMODULES else _get(name)


register()

__all__ = [
    "MINI",
    "Dia",
    "DiaAudioStreamer",
    "DiaConfig",
    "DiaDecoderConfig",
    "DiaDelayedEndLogitsProcessor",
    "DiaEncoderConfig",
    "DiaEndOfSpeechLogitsProcessor",
    "DiaFeatureExtractor",
    "DiaForConditionalGeneration",
    "DiaGuidanceLogitsProcessor",
    "DiaModel",
    "DiaPreTrainedModel",
    "DiaProcessor",
    "DiaTokenizer",
    "DiaWarning",
    "__version__",
    "register",
]
