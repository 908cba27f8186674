"""Read files with libsndfile from start to end, in blocks."""

from collections.abc import Iterator

import soundfile

from dia.audio.waveform import Waveform

BLOCK = 65536  # samples read or written at once; libsndfile's Vorbis encoder fails with many more
# Samples; the header of a FLAC file that was streamed or not finished claims more.
UNCOUNTED = 2**40


class SequentialFile(soundfile.SoundFile):
    """A file that is read sequentially.

    soundfile seeks after every read of a seekable file. In an MP3 file this loses data that the next frame takes from
    previous frames, which causes wrong samples between blocks and libmpg123 errors on standard error.
    """

    def seekable(self) -> bool:
        """Whether soundfile may seek."""
        return False


def blocks(file: soundfile.SoundFile) -> Iterator[Waveform]:
    """The samples [N, channels] of a file in blocks, because a damaged header may claim more than memory can hold."""
    while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
        yield block


__all__ = ["BLOCK", "UNCOUNTED", "SequentialFile", "blocks"]
