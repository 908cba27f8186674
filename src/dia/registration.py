"""Makes transformers' Auto classes and pipelines resolve "dia" to this package. The only file that touches them.

Importing all of them, and what they are to resolve to, takes seconds. Whoever only wants the command's help need not
wait for it: what one of transformers' modules has to know it is told as soon as that module is imported.
"""

import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_AUTO = "transformers.models.auto"


def register() -> None:
    """Register every class, in place of the Dia inside transformers. Calling it again changes nothing."""
    if not any(isinstance(finder, _Watch) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watch())
    for name, tell in _TELL.items():
        if name in sys.modules:
            tell(sys.modules[name])


class _Watch:
    """Finds what the interpreter would find, and sees to it that the Auto modules are told once they have run."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        tell = _TELL.get(fullname)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target) if tell else None
        if tell and spec and spec.loader:
            setattr(spec.loader, "exec_module", _then(spec.loader.exec_module, tell))  # noqa: B010 - mypy forbids =
        return spec


def _then(run: Callable[[ModuleType], None], tell: Callable[[Any], None]) -> Callable[[ModuleType], None]:
    def both(module: ModuleType) -> None:
        run(module)
        tell(module)

    return both


def _tell_configurations(auto: Any) -> None:
    from dia.configuration_dia import DiaConfig, DiaDecoderConfig, DiaEncoderConfig

    for config in (DiaConfig, DiaEncoderConfig, DiaDecoderConfig):
        auto.AutoConfig.register(config.model_type, config, exist_ok=True)


def _tell_models(auto: Any) -> None:
    # The built-in Dia stands in the table of speech-to-sequence models only, where the pipeline also looks.
    auto.MODEL_FOR_TEXT_TO_WAVEFORM_MAPPING_NAMES["dia"] = "DiaForConditionalGeneration"
    # Models import this module themselves, so they cannot be imported here: their names are looked up in this package
    # when they are asked for.
    for models in (auto.AutoModel, auto.AutoModelForSpeechSeq2Seq, auto.AutoModelForTextToWaveform):
        models._model_mapping._modules["dia"] = sys.modules["dia"]


def _tell_tokenizer(auto: Any) -> None:
    from dia.configuration_dia import DiaConfig
    from dia.tokenization_dia import DiaTokenizer

    auto.AutoTokenizer.register(DiaConfig, tokenizer_class=DiaTokenizer, exist_ok=True)


def _tell_feature_extractor(auto: Any) -> None:
    from dia.configuration_dia import DiaConfig
    from dia.feature_extraction_dia import DiaFeatureExtractor

    auto.AutoFeatureExtractor.register(DiaConfig, DiaFeatureExtractor, exist_ok=True)
    # A class name is looked up among the built-in ones before the registered ones.
    auto.FEATURE_EXTRACTOR_MAPPING_NAMES.pop("dia", None)


def _tell_processor(auto: Any) -> None:
    from dia.checkpoints.saved_processor import ProcessorGlance
    from dia.configuration_dia import DiaConfig
    from dia.processing_dia import DiaProcessor

    auto.AutoProcessor.register(DiaConfig, DiaProcessor, exist_ok=True)
    auto.PROCESSOR_MAPPING_NAMES.pop("dia", None)  # as above
    auto.ProcessorMixin = ProcessorGlance


_TELL: dict[str, Callable[[Any], None]] = {
    f"{_AUTO}.configuration_auto": _tell_configurations,
    f"{_AUTO}.modeling_auto": _tell_models,
    f"{_AUTO}.tokenization_auto": _tell_tokenizer,
    f"{_AUTO}.feature_extraction_auto": _tell_feature_extractor,
    f"{_AUTO}.processing_auto": _tell_processor,
}

__all__ = ["register"]
