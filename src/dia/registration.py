"""Registers this package's classes as "dia" with transformers' Auto classes and pipelines.

`import dia` registers them whichever of dia and transformers is imported first, and imports neither transformers nor
torch. transformers has no entry point for other packages, so an import hook registers the classes with each Auto
module when that module is imported. Without the hook, either `import dia` imports all Auto modules, which takes
seconds, or a program that imports transformers later silently loads the Dia inside transformers.
"""

import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_AUTO = "transformers.models.auto"


def register() -> None:
    """Register all classes, replacing the Dia inside transformers. Safe to call repeatedly."""
    if not any(isinstance(finder, _AutoImportHook) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AutoImportHook())
    for name, register_in in _REGISTRATIONS.items():
        if name in sys.modules:
            register_in(sys.modules[name])


class _AutoImportHook:
    """Finds modules as the interpreter does, and registers classes with the Auto modules after they have run."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        register_in = _REGISTRATIONS.get(fullname)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target) if register_in else None
        if register_in and spec and spec.loader:
            run = _run_then_register(spec.loader.exec_module, register_in)
            setattr(spec.loader, "exec_module", run)  # noqa: B010 - mypy forbids =
        return spec


def _run_then_register(
    run: Callable[[ModuleType], None], register_in: Callable[[Any], None]
) -> Callable[[ModuleType], None]:
    def exec_module(module: ModuleType) -> None:
        run(module)
        register_in(module)

    return exec_module


def _register_configurations(auto: Any) -> None:
    from dia.configuration_dia import DiaConfig, DiaDecoderConfig, DiaEncoderConfig

    for config in (DiaConfig, DiaEncoderConfig, DiaDecoderConfig):
        auto.AutoConfig.register(config.model_type, config, exist_ok=True)


def _register_models(auto: Any) -> None:
    # The built-in Dia is registered only as a speech-to-sequence model, where the pipeline also looks.
    auto.MODEL_FOR_TEXT_TO_WAVEFORM_MAPPING_NAMES["dia"] = "DiaForConditionalGeneration"
    # Models import this module, so importing them here would be circular. Let transformers look up their names in this
    # package on first use.
    for models in (auto.AutoModel, auto.AutoModelForSpeechSeq2Seq, auto.AutoModelForTextToWaveform):
        models._model_mapping._modules["dia"] = sys.modules["dia"]


def _register_tokenizer(auto: Any) -> None:
    from dia.configuration_dia import DiaConfig
    from dia.tokenization_dia import DiaTokenizer

    auto.AutoTokenizer.register(DiaConfig, tokenizer_class=DiaTokenizer, exist_ok=True)


def _register_feature_extractor(auto: Any) -> None:
    from dia.configuration_dia import DiaConfig
    from dia.feature_extraction_dia import DiaFeatureExtractor

    auto.AutoFeatureExtractor.register(DiaConfig, DiaFeatureExtractor, exist_ok=True)
    # Built-in class names take precedence over registered ones.
    auto.FEATURE_EXTRACTOR_MAPPING_NAMES.pop("dia", None)


def _register_processor(auto: Any) -> None:
    from dia.checkpoints.saved_processor import ProcessorSettingsReader
    from dia.configuration_dia import DiaConfig
    from dia.processing_dia import DiaProcessor

    auto.AutoProcessor.register(DiaConfig, DiaProcessor, exist_ok=True)
    auto.PROCESSOR_MAPPING_NAMES.pop("dia", None)  # as above
    auto.ProcessorMixin = ProcessorSettingsReader


_REGISTRATIONS: dict[str, Callable[[Any], None]] = {
    f"{_AUTO}.configuration_auto": _register_configurations,
    f"{_AUTO}.modeling_auto": _register_models,
    f"{_AUTO}.tokenization_auto": _register_tokenizer,
    f"{_AUTO}.feature_extraction_auto": _register_feature_extractor,
    f"{_AUTO}.processing_auto": _register_processor,
}

__all__ = ["register"]
