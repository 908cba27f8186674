"""Decode the bytes of a text file, and detect its encoding if it is not Unicode."""

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dia.runtime.spelling import did_you_mean

if TYPE_CHECKING:
    from charset_normalizer import CharsetMatch

# The encodings of text files that are not Unicode. The first one of those that give the same text is named.
_LATIN = ("cp1252", "cp1250", "cp1254", "cp1257", "iso8859_2")
_DETECTED = (
    *_LATIN,
    *("cp1251", "koi8_r", "cp1253", "cp1255", "cp1256"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
    *("mac_roman", "cp437", "cp850"),
)
_EQUALLY_LIKELY = 0.02  # difference of two shares of unlikely characters
_SAMPLE_BYTES = 2**16  # of lines that are not ASCII; more do not change the result
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_KINDS = (  # the first bytes of common binary files
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive, such as .docx, .odt or .epub"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"{\\rtf", "an RTF document"),
    (b"RIFF", "a recording"),
    (b"ID3", "a recording"),
    (b"OggS", "a recording"),
    (b"fLaC", "a recording"),
    (b"FORM", "a recording"),
    (b"\x1aE\xdf\xa3", "a recording"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
)
_REMEDY = "Save the script as plain text, such as .txt or .md, in UTF-8 (or UTF-16 with a byte order mark)"


@dataclass(frozen=True)
class Decoded:
    """A decoded text, and a remark on its encoding if that was detected."""

    text: str
    remark: str = ""


def decoded(content: bytes, name: str, encoding: str | None = None) -> Decoded:
    """Decode the content of a text file.

    Without an `encoding`, it is UTF-8 with or without a byte order mark, UTF-16 or UTF-32 with one, or otherwise
    detected.

    Args:
        content: the bytes.
        name: the name of the file, for messages.
        encoding: a name that Python knows, such as "cp1252".

    Raises:
        ValueError: the content is not text, not in the given encoding, or in one that cannot be detected with
            certainty; the message then names the candidates. Or the encoding is unknown.
    """
    kind = next((kind for beginning, kind in _KINDS if content.startswith(beginning)), None)
    if kind is None and encoding is not None:
        return Decoded(_in_encoding(content, name, encoding))
    marked = next((encoding for mark, encoding in _BYTE_ORDER_MARKS if content.startswith(mark)), None)
    if kind is None and marked is None and b"\0" in content:
        kind = "not text: it contains zero bytes"
    if kind is not None:
        raise ValueError(f"{name} is {kind}. {_REMEDY}.")
    try:
        return Decoded(content.decode(marked or "utf-8-sig"))
    except UnicodeDecodeError as error:
        if marked is None:
            return _detected(content, name, error)
        raise ValueError(f"{_fault(content, name, error)}. {_REMEDY}.") from None


def check_encoding(encoding: str) -> None:
    """Check the name of an encoding of text.

    Raises:
        ValueError: it is unknown.
    """
    try:
        "".encode(encoding)
    except (LookupError, ValueError):  # ValueError: the name contains a zero byte
        near = did_you_mean(encoding, _DETECTED) or f"; choose one such as utf-8, {', '.join(_DETECTED[:3])}."
        raise ValueError(f"the encoding {encoding!r} is unknown{near}") from None


def _in_encoding(content: bytes, name: str, encoding: str) -> str:
    check_encoding(encoding)
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise ValueError(f"{_fault(content, name, error)}. Choose the encoding in which it was written.") from None


def _fault(content: bytes, name: str, error: UnicodeDecodeError) -> str:
    return f"{name} is not {error.encoding.upper()}: byte {error.start} is 0x{content[error.start]:02X}"


def _detected(content: bytes, name: str, error: UnicodeDecodeError) -> Decoded:
    """Decode a text in an encoding other than Unicode.

    Several encodings are often equally likely. Among those for Latin letters, cp1252 is by far the most common.
    """
    matches = _likely_matches(content)
    names = list(dict.fromkeys(_encoding_of(match) for match in matches))
    if not names:
        raise ValueError(f"{_fault(content, name, error)}, and its encoding cannot be detected. {_REMEDY}.")
    if len(names) > 1 and not (_LATIN[0] in names and set(names) <= set(_LATIN)):
        raise ValueError(
            f"{_fault(content, name, error)}, and its encoding is uncertain: {', '.join(names)}. Choose one with "
            f"--encoding, or save the file in UTF-8."
        )
    best = matches[names.index(_LATIN[0]) if len(names) > 1 else 0]
    others = [other for other in names if other != _encoding_of(best)]
    maybe = f" ({' or '.join(others)} is possible, too)" if others else ""
    remark = f"{name} is read as {_encoding_of(best)}{maybe}; use --encoding to choose another."
    return Decoded(content.decode(_encoding_of(best)), remark)


def _likely_matches(content: bytes) -> "list[CharsetMatch]":
    """The most likely matches, each with another text."""
    from charset_normalizer import from_bytes

    found = from_bytes(_sample(content), cp_isolation=list(_DETECTED), enable_fallback=False)
    matches = [match for match in found if _decodes(content, match.encoding)]
    least = min((match.chaos for match in matches), default=0.0)
    likely = [match for match in matches if match.chaos <= least + _EQUALLY_LIKELY]
    most = max((match.coherence for match in likely), default=0.0)
    return [match for match in likely if match.coherence >= most - _EQUALLY_LIKELY]


def _sample(content: bytes) -> bytes:
    """The lines that are not ASCII, of which there may be few."""
    lines, size = list[bytes](), 0
    for line in content.splitlines():
        if not line.isascii():
            lines.append(line)
            size += len(line)
        if size > _SAMPLE_BYTES:
            break
    return b"\n".join(lines)


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _encoding_of(match: "CharsetMatch") -> str:
    return min(match.could_be_from_charset, key=_DETECTED.index)


__all__ = ["Decoded", "check_encoding", "decoded"]
