"""`DiaTokenizer`: converts text to byte ids, speaker tags and, for small models, phones, and back.

Independent of audio and of the model.
"""

import copy
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Encoding, Tokenizer, decoders
from tokenizers.models import BPE
from transformers import BatchEncoding
from transformers.tokenization_utils_base import LARGE_INTEGER, TruncationStrategy
from transformers.tokenization_utils_tokenizers import TokenizersBackend
from transformers.utils.generic import PaddingStrategy

from dia.runtime.limits import ID_OFFSET, TEXT_IDS
from dia.runtime.ranges import check_given
from dia.text.lexicon import FIRST, PHONES, Pronunciations

SPEAKER_TAGS = ("[S1]", "[S2]")
BYTES = 256
_PAD = "<pad>"
PRONUNCIATIONS = "pronunciations.txt.gz"
TOKENIZER_RANGES = {"offset": ID_OFFSET, "max_length": TEXT_IDS}

# Arguments that `convert_to_native_format` and older files pass to __init__, although the backend is built here.
_BACKEND_ARGUMENTS = ("vocab", "merges", "vocab_file", "tokenizer_file", "tokenizer_object", "backend")

# The Dia in transformers has no phones and would read all words as letters, without an error. It rejects an unknown
# truncation side and quotes it, so files of a tokenizer with phones append this message to the side.
_ONLY_HERE = (
    "; this tokenizer reads phones, which only the package dia-tts does: install it, and `import dia` before loading"
)


class DiaTokenizer(TokenizersBackend):
    """Tokenizes a script into its UTF-8 bytes. The id of a byte is its value, except for three ids.

    Id 0 is padding. Ids 1 and 2 are the speaker tags `[S1]` and `[S2]`, one id each. There are no other special
    tokens. Because these ids are taken, the control characters U+0000 to U+0002 cannot be encoded: a text that
    contains one is an error, so that a stray byte never becomes padding or a change of speaker. `decode` restores
    every accepted text exactly.

    The backend is a `tokenizers.Tokenizer`, so `return_offsets_mapping=True` gives the position of every id in the
    text in characters (all bytes of a character share its position). Encoding does not change the tokenizer, so
    threads can share it.

    The tokenizer of a small model has pronunciations, and ids after the bytes for their phones: known words are
    encoded as phones, all others as bytes. `{n aa1 r iy0}` in a text gives a word's phones, and `decode` writes phones
    the same way.

    Args:
        pad_token: the padding token, id 0.
        unk_token: token for entries outside the vocabulary, by default the padding token; encoding never produces it.
        max_length: maximum number of ids per text, the encoder's limit; None for no limit. A smaller
            `model_max_length` lowers the limit; a larger one has no effect.
        offset: added to the id of every byte. From 3 on, all 256 bytes have an id of their own.
        pronunciations_file: a file written by `Pronunciations.save`; None, as for Dia-1.6B, encodes bytes only.
    """

    vocab_files_names = {**TokenizersBackend.vocab_files_names, "pronunciations_file": PRONUNCIATIONS}  # noqa: RUF012

    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012 (the base class declares it without ClassVar)

    def __init__(
        self,
        pad_token: str | AddedToken | None = _PAD,
        unk_token: str | AddedToken | None = _PAD,
        max_length: int | None = 1024,
        offset: int = 0,
        pronunciations_file: str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        max_length = check_given(TOKENIZER_RANGES, {"max_length": max_length}).get("max_length")
        offset = ID_OFFSET.check("offset", offset)
        kwargs = {key: value for key, value in kwargs.items() if key not in _BACKEND_ARGUMENTS}
        limits = [limit for limit in (max_length, kwargs.pop("model_max_length", None)) if limit is not None]
        self.pronunciations = None if pronunciations_file is None else Pronunciations.load(pronunciations_file)
        phones = len(self.pronunciations.phones) if self.pronunciations else 0
        if str(unk_token) == _PAD:  # use the token with id 0; any other name would get a new id
            unk_token = pad_token
        if added := kwargs.get("added_tokens_decoder"):  # the first ids are created below, with the current names
            kwargs["added_tokens_decoder"] = {at: token for at, token in added.items() if int(at) > len(SPEAKER_TAGS)}
        if "truncation_side" in kwargs:
            kwargs["truncation_side"] = _side(kwargs["truncation_side"], self.pronunciations)
        super().__init__(
            tokenizer_object=_byte_tokenizer(str(pad_token or _PAD), offset, phones),
            pad_token=pad_token,
            unk_token=unk_token,
            max_length=max_length,
            model_max_length=min(limits, default=None),
            offset=offset,
            pronunciations_file=pronunciations_file,
            **kwargs,
        )
        self.max_length = max_length
        self.offset = offset

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> "DiaTokenizer":
        """Load from a folder or a Hub id. Keyword arguments override the settings of its files.

        A saved `model_max_length` is derived from `max_length`, so `max_length` overrides both.
        """
        if "max_length" in kwargs:
            kwargs.setdefault("model_max_length", None)
        loaded: DiaTokenizer = super().from_pretrained(*args, **kwargs)
        return loaded

    def get_vocab(self) -> dict[str, int]:
        """The ids of all tokens, sorted by id."""
        vocabulary: dict[str, int] = super().get_vocab()
        return dict(sorted(vocabulary.items(), key=lambda item: item[1]))

    def _encode_plus(
        self,
        text: str | Sequence[Any],
        text_pair: str | Sequence[Any] | None = None,
        add_special_tokens: bool = True,
        padding_strategy: PaddingStrategy = PaddingStrategy.DO_NOT_PAD,
        truncation_strategy: TruncationStrategy = TruncationStrategy.DO_NOT_TRUNCATE,
        max_length: int | None = None,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | None = None,
        split_special_tokens: bool | None = None,
        **options: Any,
    ) -> BatchEncoding:
        """Encode one text or a batch. All public encoding methods call this method.

        The base class sets truncation and padding on the backend, which threads share. Here truncation is set on a
        copy of the backend, and padding is applied to the encodings.
        """
        batched, rows = _rows(text, text_pair, is_split_into_words, self.offset)
        spoken, backend = self._spoken_rows(rows), self._backend(split_special_tokens)
        how = {"is_pretokenized": is_split_into_words, "add_special_tokens": False}
        encodings = backend.encode_batch(spoken, **how)
        if truncation_strategy != TruncationStrategy.DO_NOT_TRUNCATE and max_length is not None:
            _check_cut(encodings, truncation_strategy, max_length, stride)
            cutting = copy.deepcopy(backend)
            strategy, side = truncation_strategy.value, self.truncation_side
            cutting.enable_truncation(max_length, stride=stride, strategy=strategy, direction=side)
            encodings = cutting.encode_batch(spoken, **how)
        self._refuse_long(encodings, batched)
        length = _padded_length(encodings, padding_strategy, max_length, pad_to_multiple_of)
        if length is not None:
            for encoding in encodings:
                encoding.pad(
                    length,
                    direction=padding_side or self.padding_side,
                    pad_id=self.pad_token_id,
                    pad_token=self.pad_token,
                )
        return self._as_batch(encodings, rows, batched, return_tensors, options)

    def spoken(self, text: str) -> str:
        """The text with known words replaced by their phones, one private use character per phone."""
        return self.pronunciations.to_phones(text) if self.pronunciations else text

    def check_fits(self, vocab_size: int) -> None:
        """Raise an error if the tokenizer does not match a model with `vocab_size` text ids.

        Raises:
            ValueError: the model has phones but the tokenizer has none, or the tokenizer has more ids than the model.
        """
        if self.pronunciations is None and vocab_size > BYTES + self.offset:
            raise ValueError(
                f"the model uses phones, but its tokenizer has no {PRONUNCIATIONS}; copy it from the checkpoint."
            )
        highest = max(self.get_vocab().values())
        if self.pronunciations is not None and highest >= vocab_size:
            raise ValueError(
                f"the tokenizer has ids up to {highest} and the model {vocab_size} ids; use the tokenizer of the "
                "model's checkpoint."
            )

    def _spoken_rows(self, rows: Any) -> Any:
        """Apply `spoken` to every text in rows, pairs and lists of words."""
        if self.pronunciations is None:
            return rows
        if not isinstance(rows, str):
            return type(rows)(map(self._spoken_rows, rows))
        if found := re.search(f"[{PHONES}]", rows):
            raise ValueError(
                f"text contains U+{ord(found.group()):04X} at position {found.start()}, a private use character that "
                "is reserved for a phone. Remove it, or write the phone in braces."
            )
        return self.pronunciations.to_phones(rows)

    def _decode(self, *args: Any, **kwargs: Any) -> str:
        text: str = super()._decode(*args, **kwargs)
        return self.pronunciations.from_phones(text) if self.pronunciations else text

    def _save_pretrained(
        self, save_directory: str | os.PathLike[str], file_names: tuple[str, ...], *args: Any, **kwargs: Any
    ) -> tuple[str, ...]:
        written: tuple[str, ...] = super()._save_pretrained(save_directory, file_names, *args, **kwargs)
        path, settings_file = os.path.join(save_directory, PRONUNCIATIONS), Path(file_names[0])
        settings = json.loads(settings_file.read_text(encoding="utf-8"))
        for machine_specific in ("is_local", "local_files_only"):
            settings.pop(machine_specific, None)
        if self.pronunciations is not None:
            settings["truncation_side"] = self.truncation_side + _ONLY_HERE
        settings_file.write_text(json.dumps(settings, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
        if self.pronunciations is None:
            Path(path).unlink(missing_ok=True)  # left by a tokenizer that was saved here before
            return written
        self.pronunciations.save(path)
        return (*written, path)

    def _backend(self, split_special_tokens: bool | None) -> Tokenizer:
        if split_special_tokens is None or split_special_tokens == self.split_special_tokens:
            return self.backend_tokenizer
        backend = copy.deepcopy(self.backend_tokenizer)
        backend.encode_special_tokens = split_special_tokens
        return backend

    def _refuse_long(self, encodings: Sequence[Encoding], batched: bool) -> None:
        limit = min(self.max_length or LARGE_INTEGER, self.model_max_length)
        for row, encoding in enumerate(encodings):
            if len(encoding) > limit:
                name = f"text[{row}]" if batched else "text"
                unit = "phones and bytes" if self.pronunciations else "bytes"
                reads = f"the encoder's limit is {limit} (max_length)"
                if limit != self.max_length:
                    reads = f"model_max_length is {limit}"
                raise ValueError(
                    f"{name} has {len(encoding)} {unit} (a speaker tag counts as one); {reads}. "
                    f"Split the script into shorter texts, or pass truncation=True to cut it at the limit."
                )

    def _as_batch(
        self,
        encodings: Sequence[Encoding],
        rows: Sequence[Any],
        batched: bool,
        return_tensors: str | None,
        options: dict[str, Any],
    ) -> BatchEncoding:
        overflowing = bool(options.get("return_overflowing_tokens", False))
        flags = {key: value for key, value in options.items() if key.startswith("return_")}
        data: dict[str, list[Any]] = {}
        kept: list[Encoding] = []
        for row, encoding in enumerate(encodings):
            columns, parts = self._convert_encoding(encoding, **flags)
            kept.extend(parts)
            if "token_type_ids" in columns:  # both texts of a pair have the same type
                columns["token_type_ids"] = [[0] * len(ids) for ids in columns["token_type_ids"]]
            if self.pronunciations and "offset_mapping" in columns:
                columns["offset_mapping"] = [
                    self._written_offsets(rows[row], part.sequence_ids, offsets)
                    for part, offsets in zip(parts, columns["offset_mapping"], strict=True)
                ]
            if overflowing:
                columns["overflow_to_sample_mapping"] = [row] * len(parts)
            for key, values in columns.items():
                data.setdefault(key, []).extend(values)
        if not batched and return_tensors is None and not overflowing:
            return BatchEncoding({key: values[0] for key, values in data.items()}, kept)
        return BatchEncoding(data, kept, tensor_type=return_tensors)

    def _written_offsets(
        self, row: Any, sequences: Sequence[int | None], offsets: Sequence[tuple[int, int]]
    ) -> list[tuple[int, int]]:
        """Convert offsets into the spoken text to offsets into the original text or pair. Padding stays empty."""
        assert self.pronunciations is not None
        texts = (row,) if isinstance(row, str) else row
        if not all(isinstance(text, str) for text in texts) or max(s or 0 for s in sequences) >= len(texts):
            return list(offsets)
        spans = [self.pronunciations.spans(text) for text in texts]
        return [
            (spans[at or 0][start][0], spans[at or 0][end - 1][1]) if end > start else (start, end)
            for at, (start, end) in zip(sequences, offsets, strict=True)
        ]


def _byte_tokenizer(pad_token: str, offset: int, phones: int = 0) -> Tokenizer:
    # Without merges, BPE with byte fallback splits text into characters, and unknown characters into bytes.
    reserved = (pad_token, *SPEAKER_TAGS)
    vocabulary = {token: index for index, token in enumerate(reserved)}
    for value in range(max(len(reserved) - offset, 0), BYTES):
        vocabulary[chr(value) if value < 128 else f"<0x{value:02X}>"] = value + offset
    vocabulary |= {chr(FIRST + phone): BYTES + offset + phone for phone in range(phones)}
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=[], unk_token=pad_token, byte_fallback=True))
    tokenizer.decoder = decoders.ByteFallback()
    tokenizer.add_tokens([AddedToken(tag, normalized=False) for tag in SPEAKER_TAGS])
    tokenizer.add_special_tokens([AddedToken(pad_token, normalized=False)])
    return tokenizer


def _side(given: Any, pronunciations: Pronunciations | None) -> Any:
    """The truncation side from a file, without `_ONLY_HERE`."""
    side, remark, _ = str(given).partition(_ONLY_HERE[0])
    if remark and pronunciations is None:
        raise ValueError(
            f"the tokenizer uses phones, but its folder has no {PRONUNCIATIONS}; copy it from the checkpoint."
        )
    return side if remark else given


def _rows(text: Any, text_pair: Any, is_split_into_words: bool, offset: int) -> tuple[bool, list[Any]]:
    many = isinstance(text, list | tuple)
    batched = many and (not is_split_into_words or (len(text) > 0 and isinstance(text[0], list | tuple)))
    _check(text, "text", offset)
    if text_pair is None:
        return batched, list(text) if batched else [text]
    _check(text_pair, "text_pair", offset)
    if not batched:
        return False, [(text, text_pair)]
    if not isinstance(text_pair, list | tuple) or len(text_pair) != len(text):
        raise ValueError(f"text_pair must be a list of {len(text)} texts, one for each item of text.")
    return True, list(zip(text, text_pair, strict=True))


def _check(text: Any, name: str, offset: int) -> None:
    if isinstance(text, list | tuple):
        if not text:
            raise ValueError(f"{name} is an empty list; pass at least one text.")
        for index, item in enumerate(text):
            _check(item, f"{name}[{index}]", offset)
        return
    if not isinstance(text, str):
        raise TypeError(f"{name} is {type(text).__name__}; expected a str or a list of str.")
    if not text:
        raise ValueError(f"{name} is empty; pass at least one character.")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"{name} contains a lone surrogate, which is not a character. Decode the source as UTF-8.")
    for value in range(max(len(SPEAKER_TAGS) + 1 - offset, 0)):
        if (at := text.find(chr(value))) >= 0:
            raise ValueError(
                f"{name} contains the control character U+{value:04X} at position {at}, whose id is reserved for "
                f"padding or a speaker. Remove it, and write speakers as [S1] and [S2]."
            )


def _check_cut(encodings: Sequence[Encoding], strategy: TruncationStrategy, limit: int, stride: int) -> None:
    """Raise a clear error for truncation that the backend rejects or panics on."""
    for encoding in encodings:
        lengths = [encoding.sequence_ids.count(sequence) for sequence in range(encoding.n_sequences)]
        excess = sum(lengths) - limit
        if excess <= 0:
            continue
        left = limit if len(lengths) == 1 else max(max(lengths) - excess, limit // 2)
        if strategy != TruncationStrategy.LONGEST_FIRST:
            second = strategy == TruncationStrategy.ONLY_SECOND
            left = [*lengths, 0][second] - excess
        if left <= stride:
            raise ValueError(
                f"truncation={strategy.value!r} to max_length={limit} leaves {max(left, 0)} ids of the cut text, but "
                f"stride={stride} needs at least {stride + 1}. Use truncation='longest_first', a larger max_length or "
                "a smaller stride."
            )


def _padded_length(
    encodings: Sequence[Encoding], strategy: PaddingStrategy, max_length: int | None, multiple: int | None
) -> int | None:
    if strategy == PaddingStrategy.DO_NOT_PAD:
        return None
    longest = max(len(encoding) for encoding in encodings)
    length = max_length if strategy == PaddingStrategy.MAX_LENGTH and max_length is not None else longest
    return length if not multiple else -(-length // multiple) * multiple


__all__ = ["DiaTokenizer"]
