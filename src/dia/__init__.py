"""Dia, at home in transformers: turns a dialogue script into speech.

Importing this package makes transformers' Auto classes and pipelines resolve "dia" to it.
"""

from pathlib import Path

from dia.configuration_dia import DiaConfig, DiaDecoderConfig, DiaEncoderConfig
from dia.feature_extraction_dia import DiaFeatureExtractor
from dia.guidance import (
    DiaDelayedEndLogitsProcessor,
    DiaEndOfSpeechLogitsProcessor,
    DiaGuidanceLogitsProcessor,
)
from dia.modeling_dia import DiaForConditionalGeneration, DiaModel, DiaPreTrainedModel
from dia.processing_dia import DiaProcessor
from dia.registration import register
from dia.streaming import AudioStreamer
from dia.tokenization_dia import DiaTokenizer
from dia.version import __version__

MINI = Path(__file__).parent / "mini"

register()

__all__ = [
    "MINI",
    "AudioStreamer",
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
    "__version__",
    "register",
]
