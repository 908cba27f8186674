"""`pipeline("text-to-speech")` with every form of text and options; codes are never passed off as sound in silence."""

import numpy as np
import pytest
import torch
from tiny_checkpoint import HOP, RATE, write_tiny_checkpoint
from transformers import pipeline

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
def test_a_text_becomes_sound(speak, text, options):
    assert_sound(speak(text, **options))


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_a_list_becomes_a_list(speak, batch_size):
    texts = ["[S1] Hello.", "Hi.", "[S2] A longer one."]
    spoken = speak(texts, batch_size=batch_size, generate_kwargs=SHORT)
    assert len(spoken) == 3
    for each in spoken:
        assert_sound(each)


def test_a_generator_of_texts_is_read_as_it_comes(speak):
    spoken = speak((text for text in ["[S1] Hello.", "Hi."]), generate_kwargs=SHORT)
    assert [each["sampling_rate"] for each in spoken] == [RATE, RATE]


def test_a_recording_to_speak_like_goes_through_preprocess_params(speak):
    clip = (np.random.default_rng(0).random(3 * HOP) - 0.5).astype(np.float32)
    for audio in (clip, [clip]):
        spoken = speak("[S1] Hello.", preprocess_params={"audio": audio}, generate_kwargs=SHORT)
        assert len(spoken["audio"]) > 3 * HOP - 10  # what it was given is heard first
        assert_sound(spoken, FRAMES + 3)
    fast = {"audio": np.repeat(clip, 2), "sampling_rate": 2 * RATE}
    assert_sound(speak("[S1] Hello.", preprocess_params=fast, generate_kwargs=SHORT), FRAMES + 3)


def test_the_same_seed_says_the_same(speak):
    spoken = []
    for _ in range(2):
        torch.manual_seed(3)
        spoken.append(speak("[S1] Hello.", generate_kwargs=SHORT)["audio"])
    np.testing.assert_array_equal(*spoken)


def test_a_model_and_a_processor_in_hand_are_taken(folder):
    processor = DiaProcessor.from_pretrained(folder)
    model = DiaForConditionalGeneration.from_pretrained(folder)
    speak = pipeline("text-to-audio", model=model, processor=processor, tokenizer=processor.tokenizer)
    assert_sound(speak("[S1] Hello.", generate_kwargs=SHORT))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("x" * 100, {}, r"text\[0\] is 102 bytes .* the encoder reads 48"),
        ("[S1] Hello.", {"preprocess_params": {"audio": np.zeros(3)}}, "audio has 3 samples"),
        (["[S1] Hello.", "\x01"], {}, r"text\[0\] holds the control character"),
    ],
)
def test_errors_are_those_of_the_parts(speak, text, options, message):
    with pytest.raises(ValueError, match=message):
        speak(text, generate_kwargs=SHORT, **options)


@pytest.mark.parametrize("damage", ["processor_config.json", "audio_tokenizer/config.json"])
def test_a_pipeline_that_goes_on_without_its_processor_says_so(tmp_path, damage):
    folder = write_tiny_checkpoint(tmp_path)
    (folder / damage).write_text("{")
    with pytest.warns(DiaWarning, match=r"returns codes in place of sound.*config\.json"):
        speak = pipeline("text-to-speech", model=str(folder))
    assert speak.processor is None
