"""A converted native checkpoint gives the same results in our classes and in transformers'."""

import json

import native_codecs
import pytest
import torch
from native_checkpoints import first_generation, second_generation, tiny_model, to_native, write
from transformers.models.dia import feature_extraction_dia, modeling_dia, processing_dia, tokenization_dia

from dia import DiaForConditionalGeneration
from dia.checkpoints.native import checkpoint as native
from dia.checkpoints.native import conversion
from dia.decoding.delay import delay

GENERATIONS = pytest.mark.parametrize("generation", [first_generation, second_generation])
GREEDY = {"do_sample": False, "max_new_tokens": 24, "temperature": None, "top_p": None, "top_k": 5}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "config.json"
    path.write_text(json.dumps(first_generation()))
    return tiny_model(native.read_config(path))


@pytest.fixture(scope="module")
def oracle(original, stock_twin):
    """The stock model with the weights from which the native checkpoint was made."""
    return stock_twin(original)


@pytest.fixture
def folder(tmp_path, original):
    def make(generation, form="safetensors"):
        return write(tmp_path / "native", generation(), to_native(original.state_dict(), original.config), form)

    return make


@pytest.fixture
def converted(folder, tmp_path):
    """The folder that conversion writes, with a codec."""
    native_codecs.tiny_codec().save_pretrained(tmp_path / "codec")
    conversion.convert_model(folder(first_generation), tmp_path / "dia", tmp_path / "codec")
    return tmp_path / "dia"


def inputs():
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(3, 256, (2, 11), generator=generator)
    mask = torch.ones_like(ids)
    ids[1, 7:] = mask[1, 7:] = 0
    return {"input_ids": ids, "attention_mask": mask}


@torch.no_grad()
def logits(model):
    grid = torch.randint(16, (2, 9, 3), generator=torch.Generator().manual_seed(4))
    return model(**inputs(), decoder_input_ids=grid).logits


def greedy(model, scale):
    """A grid as from the processor, with BOS before a channel starts."""
    start = delay(torch.full((2, 1, 3), 18), [0, 2, 3], bos=18, pad=17)
    prompt = {"decoder_input_ids": start, "decoder_attention_mask": torch.ones(start.shape[:2], dtype=torch.long)}
    return model.generate(**inputs(), **prompt, guidance_scale=scale, **GREEDY)


@GENERATIONS
@pytest.mark.parametrize("form", ["safetensors", "sharded", "pth", "bin"])
def test_our_classes_read_native_folders_and_compute_the_stock_logits(folder, oracle, generation, form):
    ours = DiaForConditionalGeneration.from_pretrained(folder(generation, form)).eval()
    torch.testing.assert_close(logits(ours), logits(oracle), atol=1e-5, rtol=1e-5)


@GENERATIONS
@pytest.mark.parametrize("scale", [None, 3.0])
def test_a_native_folder_generates_the_stock_greedy_codes(folder, oracle, generation, scale):
    ours = DiaForConditionalGeneration.from_pretrained(folder(generation)).eval()
    assert torch.equal(greedy(ours, scale), greedy(oracle, scale))


def test_the_stock_model_reads_the_converted_folder(converted, oracle):
    stock = modeling_dia.DiaForConditionalGeneration.from_pretrained(converted).eval()
    assert torch.equal(logits(stock), logits(oracle))
    assert stock.generation_config.guidance_scale == 3.0
    assert torch.equal(greedy(stock, 3.0), greedy(oracle, 3.0))


def test_the_stock_tokenizer_and_feature_extractor_read_the_converted_folder(converted):
    tokenizer = tokenization_dia.DiaTokenizer.from_pretrained(converted)
    extractor = feature_extraction_dia.DiaFeatureExtractor.from_pretrained(converted)
    assert tokenizer("[S1] Hé")["input_ids"] == [1, 32, 72, 195, 169]
    assert (extractor.sampling_rate, extractor.hop_length) == (8000, 40)


def test_the_stock_processor_reads_a_folder_that_names_its_codec(tmp_path, converted, monkeypatch):
    monkeypatch.setattr(conversion, "REAL_CODEC", str(tmp_path / "codec"))
    conversion._save_processor(native.read_config(converted / "config.json"), None, tmp_path / "named")
    processor = processing_dia.DiaProcessor.from_pretrained(tmp_path / "named")
    assert processor.audio_tokenizer.config.sampling_rate == 8000
