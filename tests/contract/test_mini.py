"""The embedded model is complete and small, differs from the published one in all sizes, and generates speech."""

import re

import numpy as np
import pytest
import torch
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForSpeechSeq2Seq,
    AutoModelForTextToWaveform,
    AutoProcessor,
    AutoTokenizer,
    pipeline,
)

from dia import MINI, DiaConfig
from dia.configuration_dia import PUBLISHED_HOP_LENGTH, PUBLISHED_SAMPLING_RATE
from dia.model import Dia

SCRIPT = (
    "[S1] Dia is an open weights text to dialogue model. [S2] You get full control over scripts and voices. "
    "[S1] Wow. Amazing. (laughs) [S2] Try it now on Git hub or Hugging Face."
)


@pytest.fixture(scope="module")
def dia():
    return Dia.from_pretrained("mini", device="cpu")


@pytest.mark.parametrize(
    "auto",
    [
        AutoConfig,
        AutoModel,
        AutoModelForTextToWaveform,
        AutoModelForSpeechSeq2Seq,
        AutoTokenizer,
        AutoFeatureExtractor,
        AutoProcessor,
    ],
)
def test_every_auto_class_reads_the_embedded_folder(auto):
    assert type(auto.from_pretrained(MINI)).__module__.startswith("dia.")


def test_the_pipeline_can_use_it():
    speak = pipeline("text-to-speech", model=str(MINI))
    assert type(speak.model).__module__ == "dia.modeling_dia"
    spoken = speak("[S1] Hello.")
    assert spoken["sampling_rate"] == speak.model.generation_config.to_dict().get("sampling_rate", 16_000)
    assert np.abs(spoken["audio"]).max() > 0.05


@pytest.mark.parametrize("task", ["text-to-speech", "text-to-audio"])
def test_a_text_without_a_final_stop_ends_through_the_pipeline(task):
    speak = pipeline(task, model=str(MINI))
    limit = speak.model.generation_config.max_length * speak.processor.feature_extractor.hop_length
    torch.manual_seed(0)
    assert len(speak("[S1] Hello world")["audio"]) < limit / 10


def test_the_processor_ends_turns_as_the_model_was_trained():
    processor = AutoProcessor.from_pretrained(MINI, load_audio_tokenizer=False)
    assert processor.final_stop
    ended, open_end = processor("[S1] Hello world")["input_ids"], processor("[S1] Hello world", final_stop=False)
    assert ended.tolist() == processor("[S1] Hello world.")["input_ids"].tolist() != open_end["input_ids"].tolist()


def test_its_numbers_are_its_own(dia):
    codec, published = dia.processor.audio_tokenizer.config, DiaConfig()
    assert dia.sample_rate != PUBLISHED_SAMPLING_RATE
    assert dia.processor.feature_extractor.hop_length != PUBLISHED_HOP_LENGTH
    assert codec.n_codebooks != published.decoder_config.num_channels
    assert codec.codebook_size != published.decoder_config.eos_token_id
    assert dia.model.config.delay_pattern != published.delay_pattern


def test_it_is_under_31_megabytes():
    assert sum(file.stat().st_size for file in MINI.rglob("*") if file.is_file()) < 31e6


def test_it_knows_the_words_of_the_first_dialogue():
    vocabulary = (MINI / "vocabulary.txt").read_text(encoding="utf-8").split()
    words = set(re.findall(r"[a-z]+", re.sub(r"\[S\d\]|\(laughs\)", " ", SCRIPT).lower()))
    assert len(vocabulary) >= 2000
    assert words <= set(vocabulary)


def test_the_model_card_states_teacher_limits_and_ethics():
    card = (MINI / "README.md").read_text(encoding="utf-8").lower()
    for word in ("kokoro", "hibari", "limits", "without", "consent", "deceive", "naturalness.py"):
        assert word in card


def test_it_reads_the_words_of_its_vocabulary_as_phones(dia):
    tokenizer = dia.processor.tokenizer
    vocabulary = (MINI / "vocabulary.txt").read_text(encoding="utf-8").split()
    assert [word for word in vocabulary if tokenizer.pronunciations.phones_of(word) is None] == []
    assert max(tokenizer(" ".join(vocabulary[:60]))["input_ids"]) >= 256


def test_it_speaks_and_ends_on_its_own(dia):
    audio = dia.generate("[S1] Thank you for the music.", seed=7)
    assert 1 < len(audio) / dia.sample_rate < 6
    assert 0.02 < np.sqrt(np.mean(audio**2)) < 0.5


def test_it_speaks_the_first_dialogue_and_ends_on_its_own(dia):
    audio = dia.generate(SCRIPT, seed=7)
    assert 6 < len(audio) / dia.sample_rate < 20
    assert 0.02 < np.sqrt(np.mean(audio**2)) < 0.5
