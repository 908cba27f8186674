"""After `import dia`, transformers resolves "dia" to this package, whichever was imported first."""

import importlib
import json
import subprocess
import sys

import pytest
import torch
import transformers
from tiny_checkpoint import write_tiny_checkpoint

import dia

AUTO = {
    "AutoConfig": "dia.configuration_dia",
    "AutoModel": "dia.modeling_dia",
    "AutoModelForTextToWaveform": "dia.modeling_dia",
    "AutoModelForSpeechSeq2Seq": "dia.modeling_dia",
    "AutoTokenizer": "dia.tokenization_dia",
    "AutoFeatureExtractor": "dia.feature_extraction_dia",
    "AutoProcessor": "dia.processing_dia",
}
STOCK = ("configuration_dia", "modeling_dia", "tokenization_dia", "feature_extraction_dia", "processing_dia")
# Prints the module of every class that is resolved from the folder in argv[2].
RESOLVE = """
import json, sys
{first}
{second}
import transformers
from transformers import pipeline
found = {{name: type(getattr(transformers, name).from_pretrained(sys.argv[1])).__module__ for name in {names}}}
pipe = pipeline("text-to-speech", sys.argv[1])
found["pipeline model"], found["pipeline processor"] = type(pipe.model).__module__, type(pipe.processor).__module__
print(json.dumps(found))
"""
STOCK_FIRST = "import transformers\n" + "\n".join(f"import transformers.models.dia.{name}" for name in STOCK)
ORDERS = {
    "dia first": ("import dia", STOCK_FIRST),
    "transformers first": (STOCK_FIRST, "import dia"),
    "between a model and the Auto classes": ("import transformers.models.llama.modeling_llama", "import dia"),
    "a model, which imports Auto classes, after dia": (
        "import dia",
        "import transformers.models.llama.modeling_llama",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny")


@pytest.mark.parametrize("name", AUTO)
def test_auto_classes_resolve_to_ours(folder, name):
    loaded = getattr(transformers, name).from_pretrained(folder)
    assert type(loaded).__module__ == AUTO[name]


def test_parts_of_a_processor_are_ours(folder):
    processor = transformers.AutoProcessor.from_pretrained(folder)
    assert type(processor.tokenizer).__module__ == "dia.tokenization_dia"
    assert type(processor.feature_extractor).__module__ == "dia.feature_extraction_dia"
    assert type(processor.audio_tokenizer).__name__ == "DacModel"


def test_auto_classes_make_ours_from_a_config(config):
    assert isinstance(transformers.AutoModel.from_config(config), dia.DiaModel)
    assert isinstance(transformers.AutoModelForTextToWaveform.from_config(config), dia.DiaForConditionalGeneration)
    assert isinstance(transformers.AutoConfig.for_model("dia"), dia.DiaConfig)


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_import_order_does_not_matter(folder, order):
    code = RESOLVE.format(first=order[0], second=order[1], names=list(AUTO))
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = {**AUTO, "pipeline model": "dia.modeling_dia", "pipeline processor": "dia.processing_dia"}
    assert json.loads(done.stdout.splitlines()[-1]) == expected


def test_importing_dia_is_lazy():
    code = """
import sys, dia, dia.cli
print([name for name in ("torch", "transformers", "numpy") if name in sys.modules], dia.DiaConfig.__module__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] dia.configuration_dia\n"


def test_a_class_of_a_part_alone_is_ours(folder):
    """`AutoTokenizer` looks up the class by name, without the configuration."""
    code = "import dia, sys; from transformers import AutoTokenizer as A; print(type(A.from_pretrained(sys.argv[1])))"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert "dia.tokenization_dia" in done.stdout


def test_registering_again_changes_nothing(folder):
    dia.register()
    assert isinstance(transformers.AutoModel.from_pretrained(folder), dia.DiaModel)


def test_the_pipeline_speaks(folder):
    pipe = transformers.pipeline("text-to-speech", str(folder))
    assert type(pipe.model).__module__ == "dia.modeling_dia"
    torch.manual_seed(0)
    output = pipe("[S1] Hello.", generate_kwargs={"max_new_tokens": 20})
    assert output["sampling_rate"] == pipe.processor.sampling_rate
    assert output["audio"].size > 0


def test_files_name_classes_that_also_exist_in_stock(folder):
    names = [
        json.loads((folder / "tokenizer_config.json").read_text())["tokenizer_class"],
        json.loads((folder / "preprocessor_config.json").read_text())["feature_extractor_type"],
        json.loads((folder / "processor_config.json").read_text())["processor_class"],
        *json.loads((folder / "config.json").read_text())["architectures"],
    ]
    assert all(hasattr(importlib.import_module("transformers"), name) for name in names), names
