"""Folders saved here load in transformers without this package, and the other way round.

Transformers runs in a separate process, because in this one the Auto classes resolve to this package.
"""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from transformers import AutoProcessor, DacConfig, DacModel, pipeline

from dia import MINI
from dia.configuration_dia import DiaConfig, DiaDecoderConfig, DiaEncoderConfig
from dia.decoding.sampling import published_generation_config
from dia.modeling_dia import DiaForConditionalGeneration
from dia.processing_dia import DiaProcessor

TEXT, SAMPLES = "[S1] Héllo, you.", 700

# Loads and uses folders with transformers alone; `report` collects the results.
STOCK = """
import json, os, sys
import numpy as np, torch
from transformers import AutoProcessor, AutoTokenizer, DacModel, pipeline

folder, moved, mini, out = sys.argv[1:5]
report = {}

def failure(call):
    try:
        return type(call()).__module__
    except Exception as error:
        return f"{type(error).__name__}: {error}"

processor = AutoProcessor.from_pretrained(folder)
clip = (np.random.default_rng(0).random(700, dtype=np.float32) - 0.5).astype(np.float32)
inputs = processor(["[S1] Héllo, you."], [clip])
report["parts"] = [type(part).__module__ for part in (processor, processor.tokenizer, processor.feature_extractor)]
report["inputs"] = {name: value.tolist() for name, value in inputs.items()}
ended = processor(["[S1] Héllo, you."], [clip], generation=False)["decoder_input_ids"]
report["sound"] = processor.batch_decode(ended)[0].tolist()
speaker = pipeline("text-to-speech", model=folder)
torch.manual_seed(0)
spoken = speaker("[S1] Hi.", generate_kwargs={"max_new_tokens": 40})
report["pipeline"] = [list(spoken["audio"].shape), spoken["sampling_rate"]]
processor.save_pretrained(out)
os.chdir("/")
report["moved"] = failure(lambda: AutoProcessor.from_pretrained(moved))
report["mini"] = {
    "tokenizer": failure(lambda: AutoTokenizer.from_pretrained(mini)),
    "processor": failure(lambda: AutoProcessor.from_pretrained(mini)),
    "pipeline": failure(lambda: pipeline("text-to-speech", model=mini)),
}
assert not any(name.partition(".")[0] == "dia" for name in sys.modules)
print(json.dumps(report))
"""


def of_published_layout():
    """A small model and processor with the channels, delays, ids and rate that are built into transformers' Dia."""
    small = {"num_hidden_layers": 1, "hidden_size": 16, "intermediate_size": 16, "head_dim": 8}
    small |= {"num_attention_heads": 2, "num_key_value_heads": 2}
    cross = {"cross_hidden_size": 16, "cross_head_dim": 8}
    cross |= {"cross_num_attention_heads": 2, "cross_num_key_value_heads": 2}
    config = DiaConfig(encoder_config=DiaEncoderConfig(**small), decoder_config=DiaDecoderConfig(**small, **cross))
    torch.manual_seed(0)
    model = DiaForConditionalGeneration(config)
    model.generation_config = published_generation_config(config)
    sizes = {"encoder_hidden_size": 4, "decoder_hidden_size": 16, "codebook_dim": 4, "downsampling_ratios": [2, 4]}
    codec = DacModel(DacConfig(**sizes, n_codebooks=9, codebook_size=1024, sampling_rate=44100)).eval()
    return model, DiaProcessor.for_config(config, codec)


def visit_stock(*paths):
    """Report of transformers alone with a folder, a moved folder and the embedded model; it saves to the last path."""
    command = [sys.executable, "-c", STOCK, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def trip(tmp_path_factory):
    """Folders saved here, their processor, and the report of transformers alone."""
    root = tmp_path_factory.mktemp("trip")
    model, processor = of_published_layout()
    for name in ("ours", "moved"):
        model.save_pretrained(root / name)
        processor.save_pretrained(root / name)
    shutil.move(root / "moved", root / "elsewhere")
    return root, processor, visit_stock(root / "ours", root / "elsewhere", MINI, root / "stock")


def clip():
    return (np.random.default_rng(0).random(SAMPLES, dtype=np.float32) - 0.5).astype(np.float32)


def assert_the_same(processor, inputs):
    ours = processor([TEXT], [clip()])
    assert {name: value.tolist() for name, value in ours.items()} == inputs


def test_a_folder_saved_here_works_where_this_package_is_not_installed(trip):
    _, processor, report = trip
    assert all(module.startswith("transformers.models.dia.") for module in report["parts"])
    assert_the_same(processor, report["inputs"])
    sound = processor.decode(processor([TEXT], [clip()], generation=False)["decoder_input_ids"])
    torch.testing.assert_close(sound, torch.tensor(report["sound"]), rtol=0, atol=1e-5)
    shape, rate = report["pipeline"]
    assert rate == 44100
    assert len(shape) == 1
    assert shape[0] > 100


def test_folders_saved_by_stock_load_here_and_again_in_stock(trip):
    root, _, report = trip
    back = AutoProcessor.from_pretrained(root / "stock")
    assert type(back) is DiaProcessor
    assert_the_same(back, report["inputs"])
    DiaForConditionalGeneration.from_pretrained(root / "ours").save_pretrained(root / "third")
    back.save_pretrained(root / "third")
    again = visit_stock(root / "third", root / "elsewhere", MINI, root / "fourth")
    assert again["inputs"] == report["inputs"]
    assert again["pipeline"] == report["pipeline"]
    shutil.move(root / "third", root / "third, moved")
    assert_the_same(DiaProcessor.from_pretrained(root / "third, moved"), report["inputs"])


def test_a_moved_folder_works_here_and_is_refused_by_stock_with_the_codec_path(trip):
    root, _, report = trip
    assert report["moved"].startswith("OSError: ")
    assert str(root / "moved" / "audio_tokenizer") in report["moved"]
    assert_the_same(AutoProcessor.from_pretrained(root / "elsewhere"), report["inputs"])
    assert pipeline("text-to-speech", str(root / "elsewhere")).processor.audio_tokenizer is not None


@pytest.mark.parametrize("kind", ["tokenizer", "processor", "pipeline"])
def test_the_embedded_model_is_refused_by_stock_with_the_remedy(trip, kind):
    assert "this tokenizer reads phones, which only the package dia-tts does: install it" in trip[2]["mini"][kind]
