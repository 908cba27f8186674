"""`pipeline("text-to-speech")` with all types of text and options; it never silently returns codes as audio."""

import numpy as np
import pytest
import torch
import transformers
from packaging.version import Version
from tiny_checkpoint import HOP, RATE, write_tiny_checkpoint
from transformers import pipeline
from transformers.pipelines.pt_utils import KeyDataset

from dia import DiaWarning
from dia.modeling_dia import DiaForConditionalGeneration
from dia.processing_dia import DiaProcessor

SHORT = {"max_new_tokens": 12}
FRAMES = 12 - 3  # without the rows of delay


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module", params=["text-to-audio", "text-to-speech"])
def speak(folder, request):
    return pipeline(request.param, model=str(folder))


def assert_sound(spoken, frames=FRAMES):
    assert spoken["sampling_rate"] == RATE
    assert spoken["audio"].ndim == 1
    assert spoken["audio"].dtype == np.float32
    assert 0 < len(spoken["audio"]) <= frames * HOP


@pytest.mark.parametrize(
    "options",
    [
        {"generate_kwargs": SHORT},
        {"forward_params": SHORT},
        {"forward_params": {"temperature": 2.0}, "generate_kwargs": SHORT},
        {"generate_kwargs": {**SHORT, "do_sample": False, "guidance_scale": 1.0}},
    ],
    ids=str,
)
@pytest.mark.parametrize("text", ["[S1] Hello.", "No tag."])
def test_a_text_becomes_audio(speak, text, options):
    assert_sound(speak(text, **options))


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_a_list_becomes_a_list(speak, batch_size):
    texts = ["[S1] Hello.", "Hi.", "[S2] A longer one."]
    spoken = speak(texts, batch_size=batch_size, generate_kwargs=SHORT)
    assert len(spoken) == 3
    for each in spoken:
        assert_sound(each)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_generator_of_texts_is_consumed_lazily(speak, batch_size):
    taken = []
    texts = (taken.append(text) or text for text in ["[S1] Hello.", "Hi.", "One.", "Two.", "Three."])
    spoken = iter(speak(texts, batch_size=batch_size, generate_kwargs=SHORT))
    assert_sound(next(spoken))
    assert len(taken) < 5  # the rest is read later
    rest = list(spoken)
    assert len(rest) == 4
    for each in rest:
        assert_sound(each)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_column_of_a_data_set_is_spoken_row_by_row(speak, batch_size):
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"text": ["[S1] Hello.", "Hi.", "[S2] A longer one."]})
    spoken = list(speak(KeyDataset(rows, "text"), batch_size=batch_size, generate_kwargs=SHORT))
    assert len(spoken) == 3
    for each in spoken:
        assert_sound(each)


def test_an_audio_prompt_is_passed_with_preprocess_params(speak):
    clip = (np.random.default_rng(0).random(3 * HOP) - 0.5).astype(np.float32)
    for audio in (clip, [clip]):
        spoken = speak("[S1] Hello.", preprocess_params={"audio": audio}, generate_kwargs=SHORT)
        assert len(spoken["audio"]) > 3 * HOP - 10  # the audio starts with the prompt
        assert_sound(spoken, FRAMES + 3)
    fast = {"audio": np.repeat(clip, 2), "sampling_rate": 2 * RATE}
    assert_sound(speak("[S1] Hello.", preprocess_params=fast, generate_kwargs=SHORT), FRAMES + 3)


def test_the_same_seed_gives_the_same_audio(speak):
    spoken = []
    for _ in range(2):
        torch.manual_seed(3)
        spoken.append(speak("[S1] Hello.", generate_kwargs=SHORT)["audio"])
    np.testing.assert_array_equal(*spoken)


@pytest.mark.skipif(
    Version(transformers.__version__) < Version("5.24"),
    reason="the pipelines of older versions let forward_params override generate_kwargs",
)
def test_generate_kwargs_take_precedence_over_forward_params(speak):
    longer = {"max_new_tokens": 20, "do_sample": False, "min_new_tokens": 20}
    spoken = speak("[S1] Hello.", forward_params={**longer, "max_new_tokens": 12}, generate_kwargs=longer)
    assert len(spoken["audio"]) > FRAMES * HOP
    assert_sound(spoken, 20 - 3)


def test_a_generator_of_random_numbers_is_a_seed(speak):
    first, again = (
        speak("[S1] Hello.", generate_kwargs={**SHORT, "generator": torch.Generator().manual_seed(3)})["audio"]
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("form", ["objects", "paths", "processor", "tokenizer", "processor path", "tokenizer path"])
def test_model_processor_and_tokenizer_may_be_paths_or_objects(folder, form):
    processor = DiaProcessor.from_pretrained(folder)
    model = DiaForConditionalGeneration.from_pretrained(folder)
    path, tokenizer = str(folder), processor.tokenizer
    speak = pipeline(
        "text-to-audio",
        **{
            "objects": {"model": model, "processor": processor, "tokenizer": tokenizer},
            "paths": {"model": model, "processor": path, "tokenizer": path},
            "processor": {"model": path, "processor": processor},
            "tokenizer": {"model": path, "tokenizer": tokenizer},
            "processor path": {"model": path, "processor": path},
            "tokenizer path": {"model": path, "tokenizer": path},
        }[form],
    )
    assert type(speak.model) is DiaForConditionalGeneration
    assert type(speak.processor) is DiaProcessor
    assert_sound(speak("[S1] Hello.", generate_kwargs=SHORT))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("x" * 100, {}, r"text\[0\] has 102 bytes .* the encoder's limit is 48"),
        ("[S1] Hello.", {"preprocess_params": {"audio": np.zeros(3)}}, "audio has 3 samples"),
        (["[S1] Hello.", "\x01"], {}, r"text\[0\] contains the control character"),
    ],
)
def test_errors_of_the_parts_are_raised(speak, text, options, message):
    with pytest.raises(ValueError, match=message):
        speak(text, generate_kwargs=SHORT, **options)


@pytest.mark.parametrize("damage", ["processor_config.json", "audio_tokenizer/config.json"])
def test_a_pipeline_without_its_processor_warns(tmp_path, damage):
    folder = write_tiny_checkpoint(tmp_path)
    (folder / damage).write_text("{")
    with pytest.warns(DiaWarning, match=r"returns codes instead of audio.*config\.json"):
        speak = pipeline("text-to-speech", model=str(folder))
    assert speak.processor is None
