"""Makes transformers' Auto classes and pipelines resolve "dia" to this package. The only file that touches them."""

from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForSpeechSeq2Seq,
    AutoModelForTextToWaveform,
    AutoProcessor,
    AutoTokenizer,
)
from transformers.models.auto.feature_extraction_auto import FEATURE_EXTRACTOR_MAPPING_NAMES
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

from dia.configuration_dia import DiaConfig, DiaDecoderConfig, DiaEncoderConfig
from dia.feature_extraction_dia import DiaFeatureExtractor
from dia.modeling_dia import DiaForConditionalGeneration, DiaModel
from dia.processing_dia import DiaProcessor
from dia.tokenization_dia import DiaTokenizer


def register() -> None:
    """Register every class, in place of the Dia inside transformers. Calling it again changes nothing."""
    for config in (DiaConfig, DiaEncoderConfig, DiaDecoderConfig):
        AutoConfig.register(config.model_type, config, exist_ok=True)
    AutoModel.register(DiaConfig, DiaModel, exist_ok=True)
    # The built-in Dia stands in the table of speech-to-sequence models, where the pipeline also looks.
    AutoModelForTextToWaveform.register(DiaConfig, DiaForConditionalGeneration, exist_ok=True)
    AutoModelForSpeechSeq2Seq.register(DiaConfig, DiaForConditionalGeneration, exist_ok=True)
    AutoTokenizer.register(DiaConfig, tokenizer_class=DiaTokenizer, exist_ok=True)
    AutoFeatureExtractor.register(DiaConfig, DiaFeatureExtractor, exist_ok=True)
    AutoProcessor.register(DiaConfig, DiaProcessor, exist_ok=True)
    # Both look a class name up among the built-in ones before the registered ones.
    PROCESSOR_MAPPING_NAMES.pop(DiaConfig.model_type, None)
    FEATURE_EXTRACTOR_MAPPING_NAMES.pop(DiaConfig.model_type, None)


__all__ = ["register"]
