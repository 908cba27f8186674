"""Text is encoded as UTF-8 bytes, with three reserved ids, and decoded exactly."""

import json
import threading

import pytest
import torch

from dia.tokenization_dia import DiaTokenizer


@pytest.fixture
def tokenizer():
    return DiaTokenizer()


def test_a_byte_is_its_value_and_a_speaker_tag_one_id(tokenizer):
    assert tokenizer("[S1] Hé\n[S2]")["input_ids"] == [1, 32, 72, 0xC3, 0xA9, 10, 2]
    assert tokenizer.convert_tokens_to_ids(["<pad>", "[S1]", "[S2]"]) == [0, 1, 2]
    assert tokenizer.vocab_size == len(tokenizer) == 256


@pytest.mark.parametrize(
    "text",
    [
        "[S1] Café, naïve.",
        "日本語 🙂👩‍🚀",
        "line\r\n\ttab  two spaces ",
        "Ġ Ā <0xC3> <0x01> [S3] [s1] [S1",
        "\x03\x7f\x80\xff",
    ],
)
def test_decode_restores_the_text_including_non_ascii(tokenizer, text):
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


def test_every_character_of_two_bytes_round_trips():
    tokenizer = DiaTokenizer(max_length=None)
    text = "".join(map(chr, range(3, 0x800)))
    assert tokenizer(text)["input_ids"] == list(text.encode())
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_padding_is_skipped_as_special_and_speakers_are_not(tokenizer):
    ids = tokenizer(["[S1] a", "[S2] longer"], padding=True)["input_ids"]
    assert tokenizer.batch_decode(ids, skip_special_tokens=True) == ["[S1] a", "[S2] longer"]
    assert tokenizer.all_special_tokens == ["<pad>"]


def test_a_batch_is_padded_on_the_right(tokenizer):
    batch = tokenizer(["ab", "[S1]bcd"], padding=True, return_tensors="pt")
    assert torch.equal(batch["input_ids"], torch.tensor([[97, 98, 0, 0], [1, 98, 99, 100]]))
    assert torch.equal(batch["attention_mask"], torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]]))


def test_padding_follows_its_options(tokenizer):
    assert tokenizer("ab", padding="max_length", max_length=4)["input_ids"] == [97, 98, 0, 0]
    assert tokenizer("ab", padding=True, pad_to_multiple_of=3, padding_side="left")["input_ids"] == [0, 97, 98]


def test_offsets_are_positions_in_characters(tokenizer):
    offsets = tokenizer("é[S1]x", return_offsets_mapping=True)["offset_mapping"]
    assert offsets == [(0, 1), (0, 1), (1, 5), (5, 6)]


def test_text_over_the_limit_is_an_error_and_never_truncated_silently(tokenizer):
    assert len(tokenizer("[S1]" + "é" * 511 + "x")["input_ids"]) == 1024
    with pytest.raises(
        ValueError, match=r"text has 1025 bytes .*; the encoder's limit is 1024 \(max_length\)\. Split the script"
    ):
        tokenizer("[S1]" + "é" * 512)
    with pytest.raises(ValueError, match=r"text\[1\] has 2000 bytes"):
        tokenizer(["short", "x" * 2000], padding=True)


def test_requested_truncation_is_applied(tokenizer):
    assert len(tokenizer("x" * 2000, truncation=True)["input_ids"]) == 1024
    assert tokenizer("abcdef", truncation=True, max_length=3)["input_ids"] == [97, 98, 99]
    parts = tokenizer("abcdef", truncation=True, max_length=4, stride=1, return_overflowing_tokens=True)
    assert parts["input_ids"] == [[97, 98, 99, 100], [100, 101, 102]]
    assert parts["overflow_to_sample_mapping"] == [0, 0]


@pytest.mark.parametrize(
    ("strategy", "side", "expected"),
    [
        (True, "right", "abcde1234"),
        ("longest_first", "left", "defgh2345"),
        ("only_first", "right", "abcd12345"),
        ("only_second", "right", "abcdefgh1"),
        ("only_second", "left", "abcdefgh5"),
    ],
)
def test_a_pair_is_truncated_by_its_strategy(strategy, side, expected):
    tokenizer = DiaTokenizer(truncation_side=side)
    cut = tokenizer("abcdefgh", "12345", truncation=strategy, max_length=9)
    assert tokenizer.decode(cut["input_ids"]) == expected
    assert cut.sequence_ids() == [0 if letter.isalpha() else 1 for letter in expected]
    batch = tokenizer(["abcdefgh", "a"], ["12345", "1"], truncation=strategy, max_length=9)
    assert tokenizer.batch_decode(batch["input_ids"]) == [expected, "a1"]


def test_the_overflow_of_a_pair_is_returned(tokenizer):
    parts = tokenizer("abcdef", "123", truncation="only_first", max_length=6, stride=1, return_overflowing_tokens=True)
    assert tokenizer.batch_decode(parts["input_ids"]) == ["abc123", "cde123", "ef123"]


@pytest.mark.parametrize(
    ("texts", "options"),
    [
        (("abc", "12345678"), {"truncation": "only_first", "max_length": 8}),
        (("abcdefgh", "123"), {"truncation": "only_second", "max_length": 8}),
        (("abcdefgh",), {"truncation": "only_second", "max_length": 4}),
        (("abcdefgh",), {"truncation": True, "max_length": 0}),
        (("abcdefgh",), {"truncation": True, "max_length": 4, "stride": 4}),
    ],
)
def test_impossible_truncation_is_refused(tokenizer, texts, options):
    with pytest.raises(ValueError, match=r"truncation='\w+' to max_length=\d leaves \d ids of the cut text"):
        tokenizer(*texts, **options)


def test_max_length_of_a_call_does_not_raise_the_limit(tokenizer):
    with pytest.raises(ValueError, match=r"text has 1100 bytes .*; the encoder's limit is 1024"):
        tokenizer("x" * 2000, truncation=True, max_length=1100)


def test_model_max_length_can_only_lower_the_limit():
    assert len(DiaTokenizer(model_max_length=8)("123456789", truncation=True)["input_ids"]) == 8
    with pytest.raises(ValueError, match=r"text has 9 bytes .*; model_max_length is 8"):
        DiaTokenizer(model_max_length=8)("123456789")
    with pytest.raises(ValueError, match="the encoder's limit is 8"):
        DiaTokenizer(max_length=8, model_max_length=100)("123456789")


def test_the_vocabulary_is_sorted_by_id(tokenizer):
    assert list(tokenizer.get_vocab().values()) == list(range(256))
    assert list(tokenizer.get_vocab())[:4] == ["<pad>", "[S1]", "[S2]", "\x03"]


def test_another_padding_token_replaces_the_default(tmp_path):
    tokenizer = DiaTokenizer(pad_token="[PAD]")
    assert tokenizer("[PAD]<pad>")["input_ids"] == [0, *b"<pad>"]
    assert len(tokenizer) == 256
    DiaTokenizer().save_pretrained(tmp_path)
    loaded = DiaTokenizer.from_pretrained(tmp_path, pad_token="[PAD]")
    assert loaded("[PAD]<pad>")["input_ids"] == [0, *b"<pad>"]


def test_files_have_no_machine_specific_settings(tmp_path):
    DiaTokenizer().save_pretrained(tmp_path / "a")
    DiaTokenizer.from_pretrained(tmp_path / "a").save_pretrained(tmp_path / "b")
    one, other = (json.loads((tmp_path / name / "tokenizer_config.json").read_text()) for name in "ab")
    assert one == other


def test_the_limit_comes_from_the_checkpoint():
    with pytest.raises(ValueError, match="the encoder's limit is 8"):
        DiaTokenizer(max_length=8)("123456789")
    assert len(DiaTokenizer(max_length=None)("x" * 5000)["input_ids"]) == 5000


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x02"])
def test_bytes_with_reserved_ids_are_refused(tokenizer, character):
    with pytest.raises(ValueError, match=r"text contains the control character U\+000\d at position 2"):
        tokenizer(f"ab{character}c")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", ValueError, "text is empty"),
        ([], ValueError, "text is an empty list"),
        (["a", ""], ValueError, r"text\[1\] is empty"),
        (["a", 3], TypeError, r"text\[1\] is int"),
        (b"bytes", TypeError, "text is bytes"),
        (None, ValueError, "`text`"),
        ("\ud800", ValueError, "lone surrogate"),
    ],
)
def test_invalid_texts_are_refused_by_name(tokenizer, text, error, message):
    with pytest.raises(error, match=message):
        tokenizer(text)


@pytest.mark.parametrize(("option", "value"), [("offset", -1), ("max_length", 0)])
def test_invalid_options_are_refused_by_name(option, value):
    with pytest.raises(ValueError, match=option):
        DiaTokenizer(**{option: value})


def test_an_offset_moves_the_bytes_but_not_the_tags():
    tokenizer = DiaTokenizer(offset=3)
    assert tokenizer("[S1]\x01a")["input_ids"] == [1, 4, 100]
    assert tokenizer.decode([1, 4, 100]) == "[S1]\x01a"


def test_special_tokens_can_be_read_as_plain_text(tokenizer):
    assert tokenizer("<pad>", split_special_tokens=True)["input_ids"] == list(b"<pad>")
    assert tokenizer("<pad>")["input_ids"] == [0]


def test_it_loads_from_published_files_which_hold_no_tokenizer_json(tmp_path):
    tags = {
        str(index): {
            "content": tag,
            "lstrip": False,
            "normalized": True,
            "rstrip": False,
            "single_word": False,
            "special": False,
        }
        for index, tag in enumerate(["<pad>", "[S1]", "[S2]"])
    }
    published = {
        "added_tokens_decoder": tags,
        "max_length": 1024,
        "model_max_length": 1000000000000000019884624838656,
        "offset": 0,
        "pad_token": "<pad>",
        "processor_class": "DiaProcessor",
        "tokenizer_class": "DiaTokenizer",
        "unk_token": "<pad>",
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(published))
    tokenizer = DiaTokenizer.from_pretrained(tmp_path)
    assert tokenizer("[S2] é")["input_ids"] == [2, 32, 0xC3, 0xA9]
    assert tokenizer.decode([0, 2, 32], skip_special_tokens=True) == "[S2] "
    with pytest.raises(ValueError, match="the encoder's limit is 1024"):
        tokenizer("x" * 1025)


def test_it_can_be_saved_and_loaded(tmp_path):
    DiaTokenizer(max_length=20).save_pretrained(tmp_path)
    tokenizer = DiaTokenizer.from_pretrained(tmp_path)
    assert tokenizer("[S1] é🙂")["input_ids"] == DiaTokenizer()("[S1] é🙂")["input_ids"]
    assert tokenizer.max_length == 20
    assert DiaTokenizer.from_pretrained(tmp_path, max_length=30).max_length == 30


def test_threads_with_different_options_do_not_disturb_each_other(tokenizer):
    wrong = []

    def work(length):
        for _ in range(200):
            ids = tokenizer("abc", padding="max_length", max_length=length)["input_ids"]
            if len(ids) != length:
                wrong.append((length, len(ids)))

    threads = [threading.Thread(target=work, args=(length,)) for length in (3, 5, 9, 17)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
