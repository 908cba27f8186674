"""The public names, pinned: taking one away or adding one is a decision."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import dia

PUBLIC = [
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
BY_STAGE = {
    "audio": ["Player", "Writer", "stretched"],
    "codec": ["decode", "decode_context", "encode", "frame_rate"],
    "jobs": ["Audiobook", "Batch", "BatchSettings", "Report", "RowResult"],
    "quantization": ["DiaQuantizationConfig", "quantize"],
    "synthesis": ["SynthesisJob", "Take", "pocketsphinx_recognizer", "srt", "vtt"],
    "text": ["PromptFormat", "Script", "estimated_seconds", "parse", "spoken_form"],
    "training.data": [
        "CodeCache",
        "Report",
        "Row",
        "check",
        "encode_rows",
        "hold_out",
        "length_limits",
        "read_source",
    ],
    "voices": ["Voice", "find_voice", "keep_voice", "remove_voice", "voice_files"],
}
SOURCE = Path(dia.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(SOURCE).with_suffix("").parts)
    for path in SOURCE.rglob("*.py")
    if path.stem not in ("__init__", "__main__")
)


def test_public_names_are_pinned():
    assert dia.__all__ == PUBLIC


def test_public_names_are_there_and_no_others():
    assert set(PUBLIC) <= set(dir(dia))
    with pytest.raises(AttributeError, match="no attribute 'Diva'"):
        _ = dia.Diva


@pytest.mark.parametrize(("stage", "names"), BY_STAGE.items(), ids=BY_STAGE)
def test_public_names_of_the_stages_are_pinned_and_there(stage, names):
    package = importlib.import_module(f"dia.{stage}")
    assert package.__all__ == names
    assert set(names) <= set(dir(package))
    assert all(getattr(package, name).__module__.startswith(f"dia.{stage}.") for name in names)
    with pytest.raises(AttributeError, match=f"module 'dia.{stage}' has no attribute 'nothing'"):
        _ = package.nothing


def test_public_names_are_sorted():
    constants, others = [n for n in PUBLIC if n.isupper()], [n for n in PUBLIC if not n.isupper()]
    assert sorted(constants) + sorted(others) == PUBLIC


def test_the_facade_is_where_the_documents_say():
    assert importlib.import_module("dia.model").Dia is dia.Dia


NEEDS = {
    "kernels.split_attention": "triton",  # which torch brings for CUDA only
    "distributed.serve_app": "ray",  # which is too large for tests
}


@pytest.mark.parametrize("name", MODULES)
def test_every_listed_name_is_there_and_described(name):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    module = importlib.import_module(f"dia.{name}")
    assert module.__doc__
    for listed in getattr(module, "__all__", []):
        value = getattr(module, listed)
        assert not callable(value) or value.__doc__, f"dia.{name}.{listed} has no docstring"


def test_classes_derive_from_bases_of_transformers_not_from_its_dia():
    for name in PUBLIC:
        bases = getattr(getattr(dia, name), "__mro__", ())
        assert not [base for base in bases if base.__module__.startswith("transformers.models.dia")]


def test_mini_is_a_folder_of_the_package():
    assert Path(dia.__file__).parent / "mini" == dia.MINI


def test_importing_the_package_loads_neither_torch_nor_transformers():
    loaded = "{'torch', 'transformers', 'numpy'} & set(sys.modules)"
    program = f"import sys, dia, dia.text, dia.voices, dia.synthesis; print({loaded}, dia.__version__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"set() {dia.__version__}\n"
