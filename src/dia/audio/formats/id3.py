"""The tag at the start of an MP3 file, in ID3 version 2.3.

libsndfile writes text of such tags as Latin-1, so most letters of the world would be wrong.
"""

import struct
from collections.abc import Mapping

_FRAMES = {"title": b"TIT2", "artist": b"TPE1", "comment": b"COMM"}


def id3_tag(texts: Mapping[str, str]) -> bytes:
    """A tag with any of title, artist and comment."""
    frames = b"".join(_frame(_FRAMES[name], text) for name, text in texts.items())
    size = bytes(len(frames) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\x00\x00" + size + frames


def _frame(name: bytes, text: str) -> bytes:
    plain = text.isascii()
    content, end = (text.encode("ascii"), b"\0") if plain else (text.encode("utf-16"), "\0".encode("utf-16"))
    if name == b"COMM":
        content = b"eng" + end + content  # language, and an empty description
    body = (b"\0" if plain else b"\1") + content
    return name + struct.pack(">I", len(body)) + b"\0\0" + body


__all__ = ["id3_tag"]
