"""Words as phones: lookup, unknown words, decoding and the file format."""

import copy
import gzip
import pickle

import pytest

from dia.runtime.limits import PRONUNCIATION_BYTES, PRONUNCIATION_WORDS
from dia.text.lexicon import FIRST, Pronunciations
from dia.tokenization_dia import BYTES, PRONUNCIATIONS, DiaTokenizer

PHONES = ["ax0", "b", "d", "g", "hh", "l", "ow1", "s", "z"]
WORDS = {
    "hello": "hh ax0 l ow1",
    "go": "g ow1",
    "bus": "b ax0 s",
    "dog's": "d ow1 g z",
    "bop": "b ow1 s",
    "GO": "g z",
    "B.": "b l",
}


@pytest.fixture
def known() -> Pronunciations:
    return Pronunciations(PHONES, WORDS, ["(laughs)"])


@pytest.fixture
def tokenizer(known, tmp_path) -> DiaTokenizer:
    known.save(tmp_path / PRONUNCIATIONS)
    return DiaTokenizer(max_length=64, pronunciations_file=tmp_path / PRONUNCIATIONS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[S1] Hello, go!", "[S1] {hh ax0 l ow1}, {g ow1}!"),
        ("HELLO", "{hh ax0 l ow1}"),
        ("Go GO GO's", "{g ow1} {g z} {g z ax0 z}"),
        ("BB BX bb", "{b l b l} BX bb"),
        ("BBs BB's bbs", "{b l b l z} {b l b l z} bbs"),
        ("B B. B", "{b l b l}. {b l}"),
        ("[go] [S2]", "[{g ow1}] [S2]"),
        ("héllo hello\u0301 dogʼs", "{hh ax0 l ow1} {hh ax0 l ow1} {d ow1 g z}"),
        ("(laughs) go", "(laughs) {g ow1}"),
        ("(go go)", "({g ow1} {g ow1})"),
        ("the bus's", "the {b ax0 s ax0 z}"),
        ("go's", "{g ow1 z}"),
        ("dog’s", "{d ow1 g z}"),
        ("gone, ego, go2 go-go", "gone, ego, {g ow1}2 {g ow1}-{g ow1}"),
        ("{z ow1} { Z OW1 } go", "{z ow1} {z ow1} {g ow1}"),
        ("", ""),
    ],
)
def test_known_words_become_phones_and_other_text_is_unchanged(known, text, said):
    assert known.from_phones(known.to_phones(text)) == said
    assert known.to_phones(said) == known.to_phones(text)


def test_every_phone_is_one_character_with_a_part_of_its_word(known):
    text = "[S1] hello (go) x"
    spoken, spans = known.to_phones(text), known.spans(text)
    assert len(spoken) == len(spans) == len("[S1] ") + 4 + len(" (") + 2 + len(") x")
    assert spoken[5] == chr(FIRST + PHONES.index("hh"))
    assert [text[start:end] for start, end in spans[5:9]] == ["he", "el", "ll", "lo"]
    assert [text[start:end] for start, end in spans[9:]] == [" ", "(", "g", "o", ")", " ", "x"]


def test_phones_share_letters_if_there_are_more_phones_than_letters(known):
    assert known.spans("{g ow1}") == [(0, 4), (3, 7)]
    assert Pronunciations(["a", "b", "c"], {"x": "a b c"}).spans("x") == [(0, 1)] * 3


@pytest.mark.parametrize(("text", "told"), [("{}", "it contains no phone"), ("a {qq g}", "'qq' is not a phone")])
def test_braces_around_something_else_are_rejected(known, text, told):
    with pytest.raises(ValueError, match=told):
        known.to_phones(text)


def test_a_saved_file_loads_as_the_same_pronunciations(known, tmp_path):
    known.save(tmp_path / "file")
    read = Pronunciations.load(tmp_path / "file")
    assert (read.phones, read.words, read.tags) == (known.phones, dict(sorted(WORDS.items())), known.tags)
    known.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "file").read_bytes()


CUT_SHORT = gzip.compress(b"a\n\nword a" * 9)[:30]
FLIPPED = bytearray(gzip.compress(b"a\n\n" + bytes(range(256)) * 9))
FLIPPED[60] ^= 0xFF


@pytest.mark.parametrize("content", [b"", b"words", gzip.compress(b"a b\n\nword"), CUT_SHORT, bytes(FLIPPED)])
def test_a_damaged_file_is_named(content, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=r"file is not a pronunciation file, or is damaged"):
        Pronunciations.load(tmp_path / "file")


def test_too_many_phones_are_rejected():
    with pytest.raises(ValueError, match="phones has 257 items"):
        Pronunciations(map(str, range(257)), {})


def test_phones_have_ids_after_the_bytes(tokenizer):
    assert tokenizer("[S1] go x")["input_ids"] == [1, 32, BYTES + 3, BYTES + 6, 32, ord("x")]
    assert len(tokenizer) == BYTES + len(PHONES)


def test_phones_are_decoded_in_braces_and_can_be_encoded_again(tokenizer):
    ids = tokenizer("[S1] Hello bus (laughs) é")["input_ids"]
    text = tokenizer.decode(ids)
    assert text == "[S1] {hh ax0 l ow1} {b ax0 s} (laughs) é"
    assert tokenizer(text)["input_ids"] == ids
    assert tokenizer.batch_decode([ids]) == [text]


def test_offsets_refer_to_the_text_as_written(tokenizer):
    texts = ["hello x", "go"]
    found = tokenizer(texts, return_offsets_mapping=True, padding=True)["offset_mapping"]
    assert [texts[0][start:end] for start, end in found[0]] == ["he", "el", "ll", "lo", " ", "x"]
    assert [texts[1][start:end] for start, end in found[1]] == ["g", "o", "", "", "", ""]


def test_a_batch_pairs_and_words_are_pronounced(tokenizer):
    assert tokenizer(["go", "x"])["input_ids"] == [[BYTES + 3, BYTES + 6], [ord("x")]]
    assert tokenizer("go", "go")["input_ids"] == [BYTES + 3, BYTES + 6] * 2
    assert tokenizer(["go", "x"], is_split_into_words=True)["input_ids"] == [BYTES + 3, BYTES + 6, ord("x")]


def test_a_character_of_the_private_use_area_is_rejected(tokenizer):
    with pytest.raises(ValueError, match=r"text contains U\+E003 at position 2"):
        tokenizer("a \ue003")


def test_the_limit_counts_phones(tokenizer):
    assert len(tokenizer("hello " * 12 + "go")["input_ids"]) == 62
    with pytest.raises(ValueError, match="text has 65 phones and bytes"):
        tokenizer("hello " * 13)


def test_pronunciations_are_saved_with_the_tokenizer(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path / "saved")
    again = DiaTokenizer.from_pretrained(tmp_path / "saved")
    assert again("hello x")["input_ids"] == tokenizer("hello x")["input_ids"]


def packed(path, content):
    path.write_bytes(gzip.compress(content, 1))
    return path


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (bytes(PRONUNCIATION_BYTES + 1), "unpacks to more than"),
        (b"a b\n\n" + b"\n" * PRONUNCIATION_WORDS, "lines, but at most"),
        (b"a b\n\nword c", "'word' is pronounced with 'c', which is not a phone"),
        (b"a b\n\nword", "length 1"),
        (b"", "not enough"),
        (b"\xff\n\nword a", "codec"),
    ],
)
def test_a_file_that_is_not_a_dictionary_or_too_large_is_rejected_by_name(tmp_path, content, told):
    with pytest.raises(ValueError, match=rf"p\.gz is not a pronunciation file, or is damaged .*{told}|{told}.*p\.gz"):
        Pronunciations.load(packed(tmp_path / "p.gz", content))


def test_a_git_lfs_pointer_is_not_a_dictionary(tmp_path):
    (tmp_path / "p.gz").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")
    with pytest.raises(ValueError, match=r"p\.gz is a Git LFS pointer"):
        Pronunciations.load(tmp_path / "p.gz")


def test_without_pronunciations_text_is_encoded_as_bytes(tmp_path):
    tokenizer = DiaTokenizer()
    assert tokenizer.spoken("go \ue003 {x}") == "go \ue003 {x}"
    assert tokenizer.decode(tokenizer("go \ue003 {x}")["input_ids"]) == "go \ue003 {x}"
    tokenizer.save_pretrained(tmp_path)
    assert not (tmp_path / PRONUNCIATIONS).exists()


def test_saving_over_another_tokenizer_removes_its_phones(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path / "saved")
    DiaTokenizer().save_pretrained(tmp_path / "saved")
    assert DiaTokenizer.from_pretrained(tmp_path / "saved").pronunciations is None


@pytest.mark.parametrize(("vocab_size", "told"), [(BYTES + 4, "the tokenizer has ids up to 264 and the model 260")])
def test_ids_that_a_model_does_not_know_are_refused(tokenizer, vocab_size, told):
    tokenizer.check_fits(BYTES + len(PHONES))
    with pytest.raises(ValueError, match=told):
        tokenizer.check_fits(vocab_size)


def test_a_model_of_phones_rejects_a_tokenizer_without_phones():
    DiaTokenizer().check_fits(BYTES)
    with pytest.raises(ValueError, match=r"its tokenizer has no pronunciations\.txt\.gz"):
        DiaTokenizer().check_fits(BYTES + 1)


def test_a_copied_or_pickled_tokenizer_keeps_its_phones(tokenizer):
    for copied in (copy.deepcopy(tokenizer), pickle.loads(pickle.dumps(tokenizer))):
        assert copied("go")["input_ids"] == tokenizer("go")["input_ids"]


def test_truncated_text_keeps_its_offsets(tokenizer):
    found = tokenizer("hello go", truncation=True, max_length=5, return_offsets_mapping=True)
    assert found["offset_mapping"] == [(0, 2), (1, 3), (2, 4), (3, 5), (5, 6)]
