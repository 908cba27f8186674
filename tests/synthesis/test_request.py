"""What a caller asks for becomes what a pass is called with: one of everything per text, in transformers' words."""

import pytest
import torch
from tiny import PATTERN, tiny_model
from tiny_codec import random_codes, tiny_codec, tiny_processor

from dia.synthesis.request import request_of
from dia.synthesis.synthesizer import Speech


@pytest.fixture(scope="module")
def speech():
    return Speech(tiny_model(), tiny_processor(tiny_codec()))


def test_what_is_left_out_is_the_models_own(speech):
    asked = request_of(speech, "[S1] Hi.")
    assert asked.settings == {}
    assert (asked.scripts, asked.texts, asked.transcripts) == (["[S1] Hi."], ["[S1] Hi."], [None])
    assert (asked.prompts, asked.seeds) == ([None], [None])


def test_the_native_words_become_transformers(speech):
    asked = request_of(speech, "[S1] Hi.", max_tokens=30, cfg_scale=2, temperature=0.9, top_p=0.5, cfg_filter_top_k=7)
    assert asked.settings == {
        "max_length": 30 - max(PATTERN),
        "guidance_scale": 2,
        "do_sample": True,
        "temperature": 0.9,
        "top_p": 0.5,
        "top_k": 7,
    }
    assert request_of(speech, "[S1] Hi.", temperature=0).settings == {"do_sample": False}


def test_one_of_anything_is_for_every_text(speech):
    codes = random_codes(4)[0]
    asked = request_of(speech, ["[S1] Hi.", "[S1] Ho."], audio_prompt=codes, audio_prompt_text="[S1] La. ", seed=3)
    assert asked.scripts == ["[S1] La. [S1] Hi.", "[S1] La. [S1] Ho."]
    assert asked.seeds == [3, 3]
    assert all(prompt is codes for prompt in asked.prompts)


def test_sound_becomes_codes(speech):
    asked = request_of(speech, ["[S1] Hi.", "[S1] Ho."], audio_prompt=[torch.zeros(60), None])
    assert asked.prompts[0].shape == (10, len(PATTERN))
    assert asked.prompts[1] is None
