"""Correct the length in the header of a WAV file that was not finished, or whose length was unknown when it began.

Streams and interrupted recorders leave 0 or a wrong length there. libsndfile would then read nothing, or a part.
"""

import io
import struct
from typing import Any, BinaryIO

_KNOWN = b"RIFF"
_CHUNKS = 1000  # more are not searched; files of recorders have a few
_JUNK = 4096  # bytes after the samples that are no chunk; some programs append a few of padding or tags
_MOST = 0xFFFFFFFF


def with_true_length(file: BinaryIO) -> BinaryIO:
    """The file, or a view of it in which the length of the samples is what follows them.

    A length is wrong if it is 0 or far less than the rest of the file, and no other chunk follows the samples.

    Args:
        file: a seekable file at its start, and again afterwards.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    try:
        found = _data_chunk(file, size)
        if found is None or not _is_wrong(file, found[0], found[1], size):
            return file
        true = struct.pack("<I", min(size - found[0] - 8, _MOST))
        return io.BufferedReader(_Patched(file, found[0] + 4, true))
    finally:
        file.seek(0)


def _data_chunk(file: BinaryIO, size: int) -> tuple[int, int] | None:
    """Offset and stated length of the chunk with the samples, which ends the search; None if there is none."""
    head = file.read(12)
    if head[:4] != _KNOWN or head[8:] != b"WAVE":
        return None
    place = 12
    for _ in range(_CHUNKS):
        file.seek(place)
        chunk = file.read(8)
        if len(chunk) < 8:
            return None
        length = int(struct.unpack("<I", chunk[4:])[0])
        if chunk[:4] == b"data":
            return place, length
        place += 8 + length + length % 2
        if place >= size:
            return None
    return None


def _is_wrong(file: BinaryIO, place: int, length: int, size: int) -> bool:
    """Whether bytes follow the chunk that are no chunk."""
    end = place + 8 + length + length % 2
    if end + 8 > size or (length and end + _JUNK > size):
        return False  # libsndfile reads up to the end of the file
    file.seek(end)
    name, following = struct.unpack("<4sI", file.read(8))
    is_chunk = all(32 <= byte < 127 for byte in name) and end + 8 + following <= size + 1
    return not is_chunk


class _Patched(io.RawIOBase):
    """A file in which some bytes are replaced."""

    def __init__(self, file: BinaryIO, place: int, replacement: bytes) -> None:
        super().__init__()
        self._file, self._place, self._replacement = file, place, replacement

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        start, view = self._file.tell(), memoryview(buffer).cast("B")
        content = bytearray(self._file.read(len(view)))
        for index, byte in enumerate(self._replacement, self._place - start):
            if 0 <= index < len(content):
                content[index] = byte
        view[: len(content)] = content
        return len(content)


__all__ = ["with_true_length"]
