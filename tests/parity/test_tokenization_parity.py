"""Our tokenizer gives the same ids as the stock one, except where the stock one has a fault."""

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
    with pytest.raises(ValueError, match="the encoder's limit is 1024"):
        ours("x" * 1025)


def test_files_of_the_stock_tokenizer_are_loaded(pair, tmp_path):
    _, theirs = pair
    theirs.save_pretrained(tmp_path)
    ours = DiaTokenizer.from_pretrained(tmp_path)
    for text in TEXTS:
        assert ours(text)["input_ids"] == theirs(text)["input_ids"]


def cut(tokenizer, lengths, strategy, side, limit):
    first, second = "a" * lengths[0], "é" * lengths[1]
    tokenizer.truncation_side = side
    return tokenizer(first, second, truncation=strategy, max_length=limit)["input_ids"]


@pytest.mark.parametrize("strategy", [True, "only_first", "only_second", "longest_first"])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("lengths", [(9, 2), (3, 5), (7, 6), (12, 12)])
def test_pairs_are_truncated_alike(strategy, side, lengths):
    for limit in range(lengths[0] + 2 * lengths[1] - 2, 40, 2):
        assert cut(DiaTokenizer(), lengths, strategy, side, limit) == cut(
            stock.DiaTokenizer(), lengths, strategy, side, limit
        )


def test_difference_the_odd_id_of_a_truncated_pair_goes_to_the_longer_text(pair):
    ours, theirs = (each("ab", "1234", truncation=True, max_length=3)["input_ids"] for each in pair)
    assert (bytes(ours), bytes(theirs)) == (b"a12", b"ab1")


def test_both_texts_of_a_pair_are_of_one_type(pair):
    ours, theirs = (each(["ab", "a"], ["é", "b"], return_token_type_ids=True, padding=True) for each in pair)
    assert dict(ours) == dict(theirs)
    assert set(ours["token_type_ids"][0]) == {0}


def test_fault_a_pair_that_cannot_be_truncated_as_requested_stays_too_long():
    asked = {"truncation": "only_first", "max_length": 6}
    assert len(stock.DiaTokenizer()("abc", "12345678", **asked)["input_ids"]) == 8
    with pytest.raises(ValueError, match="leaves 0 ids of the cut text"):
        DiaTokenizer()("abc", "12345678", **asked)


@pytest.mark.parametrize("options", [{}, {"pad_token": "[PAD]", "max_length": 30, "padding_side": "left"}])
def test_tokenizer_files_are_interchangeable_with_stock(tmp_path, options):
    ours = DiaTokenizer(**options)
    ours.save_pretrained(tmp_path / "ours")
    theirs = stock.DiaTokenizer.from_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    back = DiaTokenizer.from_pretrained(tmp_path / "theirs")
    for tokenizer in (theirs, back):
        assert tokenizer(["é[S1]", "a"], padding=True)["input_ids"] == ours(["é[S1]", "a"], padding=True)["input_ids"]
        for name in ("pad_token_id", "model_max_length", "padding_side", "offset"):
            assert getattr(tokenizer, name) == getattr(ours, name)
    assert back.max_length == ours.max_length
