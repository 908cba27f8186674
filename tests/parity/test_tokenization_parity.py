"""Our tokenizer gives the ids of the stock one wherever the stock one is right."""

import random

import pytest
import torch
from transformers.models.dia import tokenization_dia as stock

from dia.tokenization_dia import DiaTokenizer

TEXTS = [
    "[S1] Dia is an open weights text to dialogue model. [S2] Wow. (laughs)",
    "  two  spaces\n[S2][S1]\ttab ",
    "Café 日本 🙂 \x7f\x03",
    "[S1",
    "a<pad>b",
]


@pytest.fixture(scope="module")
def pair():
    return DiaTokenizer(), stock.DiaTokenizer()


@pytest.mark.parametrize("text", TEXTS)
def test_ids_and_mask_are_the_same(pair, text):
    ours, theirs = pair
    assert dict(ours(text)) == dict(theirs(text))
    assert ours.encode(text) == theirs.encode(text)


def test_random_characters_have_the_same_ids(pair):
    ours, theirs = pair
    draw = random.Random(0)
    ranges = [(3, 0x80), (0x80, 0x800), (0x800, 0xD800), (0xE000, 0x110000)]
    for _ in range(50):
        text = "".join(chr(draw.randrange(*draw.choice(ranges))) for _ in range(40))
        assert ours(text)["input_ids"] == theirs(text)["input_ids"]


@pytest.mark.parametrize(
    "options",
    [
        {"padding": True},
        {"padding": True, "pad_to_multiple_of": 32},
        {"padding": "max_length", "max_length": 90},
        {"padding": True, "truncation": True, "max_length": 7},
        {"padding": True, "padding_side": "left", "add_special_tokens": False},
    ],
)
def test_batches_are_the_same(pair, options):
    ours, theirs = (tokenizer(TEXTS, return_tensors="pt", **options) for tokenizer in pair)
    assert ours.keys() == theirs.keys()
    for key in ours:
        assert torch.equal(ours[key], theirs[key])


def test_ascii_is_decoded_alike(pair):
    ours, theirs = pair
    for text in (TEXTS[0], TEXTS[1], "a<pad>b"):
        ids = theirs(text)["input_ids"]
        for skip in (False, True):
            assert ours.decode(ids, skip_special_tokens=skip) == theirs.decode(ids, skip_special_tokens=skip)


def test_fault_decode_mangles_non_ascii(pair):
    ours, theirs = pair
    ids = theirs("Café")["input_ids"]
    assert theirs.decode(ids) == "CafÃ©"
    assert ours.decode(ids) == "Café"


def test_fault_text_over_the_limit_is_passed_on(pair):
    ours, theirs = pair
    assert len(theirs("x" * 1025)["input_ids"]) == 1025
    with pytest.raises(ValueError, match="the encoder reads 1024"):
        ours("x" * 1025)


def test_what_the_stock_tokenizer_saved_is_loaded(pair, tmp_path):
    _, theirs = pair
    theirs.save_pretrained(tmp_path)
    ours = DiaTokenizer.from_pretrained(tmp_path)
    for text in TEXTS:
        assert ours(text)["input_ids"] == theirs(text)["input_ids"]
