"""Read what phones, browsers and cameras record, through PyAV: m4a, mp4, webm, 3gp, aac and video files.

libsndfile does not read them. PyAV is the optional package `av`; its wheels include FFmpeg.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from dia.audio.waveform import Sound, Waveform, check_channels, check_seconds, checked_rate, full_scale

EXTRA = "pip install 'dia-tts[media]'"
# File name suffixes of recordings that only this module reads.
SUFFIXES = ("m4a", "mp4", "m4b", "mov", "3gp", "aac", "amr", "webm", "mkv", "mka", "wma", "avi", "ac3", "ape")

# FFmpeg's names of the formats to read. Playlists and others that open further files or addresses are not among them.
_FORMATS = "mov,matroska,webm,ogg,aac,ac3,eac3,amr,amrnb,amrwb,mp3,wav,aiff,caf,flac,ape,wv,asf,avi,flv,mpeg,mpegts"
_STATED = ("mov", "matroska")  # formats that state their length; FFmpeg guesses that of others from their bit rate
_LOST = 0.1  # seconds; smaller gaps are rounding, or what the encoder added at the ends
_PROTECTED = "drms"  # the codec tag of music from a shop


class NotDecoded(ValueError):
    """FFmpeg does not recognize the file, or cannot decode it."""


def missing() -> str | None:
    """Why PyAV cannot be used; None if it can."""
    try:
        import av  # noqa: F401
    except ImportError as error:  # also for a damaged installation
        return str(error)
    return None


def read(file: BinaryIO, name: str = "audio", longest: float | None = None) -> Sound:
    """Decode the first audio track of a file.

    Args:
        file: a seekable file at its start.
        name: the name of the argument, for error messages.
        longest: the maximum length in seconds; decoding stops there. None for no limit.

    Raises:
        NotDecoded: FFmpeg does not recognize the file.
        ValueError: it has no audio track, is longer than `longest` or protected, or its rate is outside `RATES`.
    """
    with _opened(file, name) as (container, track):
        stated = _stated_seconds(container, track)
        if stated is not None:
            check_seconds(stated, longest, name)
        decoder = _Decoder(name, longest)
        for packet in _packets(container, track):
            decoder.decode(packet)
        tracks = len(container.streams.audio)
    if decoder.rate is None:
        raise ValueError(f"{name}: its audio track cannot be decoded. The file is damaged or empty.")
    return Sound(np.concatenate(decoder.blocks), decoder.rate, tuple(_remarks(tracks, decoder.lost(stated))))


def decoded_blocks(file: BinaryIO, name: str = "audio") -> Iterator[tuple[Waveform, int]]:
    """The samples [N, channels] of the first audio track in blocks, with their rate in Hz, in constant memory.

    Args:
        file: a seekable file at its start.
        name: the name of the argument, for error messages.

    Raises:
        NotDecoded, ValueError: as `read`; what is damaged is left out.
    """
    import av

    with _opened(file, name) as (container, track):
        for packet in _packets(container, track):
            with contextlib.suppress(av.error.FFmpegError):
                for frame in packet.decode():
                    yield full_scale(_block(frame), name), frame.sample_rate


def check_readable(file: BinaryIO, name: str = "audio") -> None:
    """Check that a file has an audio track, without decoding it.

    Raises:
        NotDecoded, ValueError: as `read`, as far as the header shows it.
    """
    with _opened(file, name):
        pass


@contextlib.contextmanager
def _opened(file: BinaryIO, name: str) -> Iterator[tuple[Any, Any]]:
    """The container and its first audio track. Raises the errors of `read`."""
    import av

    try:
        with av.open(file, metadata_errors="replace", container_options={"format_whitelist": _FORMATS}) as container:
            if not container.streams.audio:
                raise ValueError(f"{name} has no audio track. Choose a file with sound.")
            track = container.streams.audio[0]
            if track.codec_context is None:
                raise ValueError(f"{name}: FFmpeg cannot decode its audio track. Convert it to WAV or FLAC first.")
            check_channels(track.codec_context.channels, name)
            if rate := track.codec_context.sample_rate:  # some formats state it with the samples
                checked_rate(rate, name)
            yield container, track
    except av.error.FFmpegError as error:
        raise NotDecoded(str(error.strerror or error)) from error


def _packets(container: Any, track: Any) -> Iterator[Any]:
    """The packets of a track up to the end, or to damage that the rest of the file cannot be found after."""
    import av

    with contextlib.suppress(av.error.InvalidDataError, av.error.EOFError):
        yield from container.demux(track)


class _Decoder:
    """The samples of a track so far, and the span of time that they cover."""

    def __init__(self, name: str, longest: float | None) -> None:
        self.blocks: list[Waveform] = []
        self.rate: int | None = None
        self._name, self._longest = name, longest
        self._samples, self._start, self._end = 0, 0.0, 0.0

    def decode(self, packet: Any) -> None:
        """Append the samples of a packet; a damaged one has none, and an encrypted one, which may decode to noise, is
        refused.
        """
        import av

        if packet.has_sidedata("encryption_info") or packet.stream.codec_context.codec_tag == _PROTECTED:
            raise ValueError(
                f"{self._name} is encrypted (DRM) and can only be played by its store's player. Use another recording."
            )
        with contextlib.suppress(av.error.FFmpegError):
            for frame in packet.decode():
                self._append(frame)

    def lost(self, stated: float | None) -> float:
        """The seconds that could not be decoded, according to the times of the rest or the length in the header."""
        assert self.rate is not None
        covered = self._end - self._start
        return max(covered, stated or 0.0) - self._samples / self.rate

    def _append(self, frame: Any) -> None:
        block = _block(frame)
        if not np.isfinite(block).all():
            return
        self._check_same(frame.sample_rate, block.shape[1])
        self._time(frame)
        self.blocks.append(full_scale(block, self._name))
        self._samples += len(block)
        check_seconds(self._samples / frame.sample_rate, self._longest, self._name, more=True)

    def _check_same(self, rate: int, channels: int) -> None:
        if self.rate is None:
            self.rate = checked_rate(rate, self._name)
        elif (rate, channels) != (self.rate, self.blocks[0].shape[1]):
            raise ValueError(
                f"{self._name} changes from {self.rate} to {rate} Hz or from {self.blocks[0].shape[1]} to {channels} "
                f"channels after {self._samples / self.rate:.1f} s. Convert it to WAV or FLAC first."
            )

    def _time(self, frame: Any) -> None:
        if frame.time is None:
            self._end += frame.samples / frame.sample_rate
            return
        if not self.blocks:
            self._start = frame.time
        self._end = max(self._end, frame.time + frame.samples / frame.sample_rate)


def _block(frame: Any) -> Any:
    """The samples of a frame as [N, channels], of its own type."""
    array = frame.to_ndarray()
    return array.T if frame.format.is_planar else array.reshape(frame.samples, -1)


def _stated_seconds(container: Any, track: Any) -> float | None:
    """The length of the audio track according to the header; None if it does not say."""
    if not container.format.name.startswith(_STATED):
        return None
    if track.duration is not None:
        return float(track.duration * track.time_base)
    alone = len(container.streams) == 1 and container.duration is not None
    return container.duration / 1e6 if alone else None


def _remarks(tracks: int, lost: float) -> Iterator[str]:
    if tracks > 1:
        yield f"it has {tracks} audio tracks; only the first is used."
    if lost > _LOST:
        yield damage(lost)


def damage(seconds: float) -> str:
    """A remark about damaged or missing parts of a file."""
    return f"it is damaged: {seconds:.1f} s of it cannot be decoded and are left out."


__all__ = ["EXTRA", "SUFFIXES", "NotDecoded", "check_readable", "damage", "decoded_blocks", "missing", "read"]
