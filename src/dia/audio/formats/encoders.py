"""Encode samples into an audio file: with libsndfile, or with PyAV for m4a, m4b and mp4 and for chapters.

Both encoders have the same methods. Independent of where the file goes and of how it appears there.
"""

import contextlib
import io
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from dia.audio.formats.containers import EXTRA, missing
from dia.audio.formats.id3 import id3_tag
from dia.audio.formats.sequential import BLOCK, UNCOUNTED, SequentialFile, blocks
from dia.audio.formats.tags import Tags
from dia.audio.waveform import Waveform

OPUS_RATE = 48_000  # Hz

_SYSTEM_ERROR = 2  # libsndfile's error code for a failed system call
_OPUS_RATES = (8_000, 12_000, 16_000, 24_000, OPUS_RATE)
# FFmpeg's names of container and codec. Chapters are possible in all of these.
_CONTAINERS = {
    "M4A": ("ipod", "aac"),
    "M4B": ("ipod", "aac"),
    "MP4": ("mp4", "aac"),
    "MP3": ("mp3", "libmp3lame"),
    "OPUS": ("opus", "libopus"),
}
_ONLY_PYAV = ("M4A", "M4B", "MP4")
# RAW has no header. SD2 has its header in a second file. WVE and XI have a single rate.
_NOT_WRITTEN = {"RAW", "SD2", "WVE", "XI"}
# These store the duration of a sample as a whole number, so they have only some rates.
_ROUNDED = ("HTK", "SDS")
# Formats with fields for title, artist and comment.
_TAGGED = ("AIFF", "CAF", "FLAC", "OGG", "RF64", "WAV", "WAVEX", *_CONTAINERS)
BIT_RATE = 96_000  # per channel; speech in AAC or MP3 does not improve above it


@dataclass(frozen=True)
class Output:
    """A file to encode.

    Attributes:
        path: where the encoder writes.
        shown: its final path, for error messages.
        kind: the format, as `file_format` returns it.
        rate: Hz of the samples.
        channels: their number.
        tags: title, artist and chapters.
        comment: the text of the comment field.
        seconds: the length, where it is known; the last chapter ends there.
    """

    path: Path
    shown: Path
    kind: str
    rate: int
    channels: int
    tags: Tags
    comment: str
    seconds: float | None = None

    def full_disk_error(self) -> OSError:
        """The error if not all could be written."""
        return OSError(
            f"{self.shown} could not be written completely; an existing file is unchanged. Check whether the disk is "
            f"full."
        )

    def format_error(self, reason: str) -> ValueError:
        """The error if the format does not support the rate or the number of channels."""
        what = f"{self.kind} at {self.rate} Hz cannot be written ({reason.rstrip('.')})"
        return ValueError(f"{self.shown}: {what}. Use another format, such as wav.")

    def empty_error(self) -> ValueError:
        """The error if there are no samples."""
        return ValueError(f"{self.shown}: {self.kind} files cannot be empty. Write some audio first.")


class Encoder(ABC):
    """Encodes samples incrementally. `frames` is the number of samples so far."""

    def __init__(self, output: Output) -> None:
        self.output, self.frames = output, 0

    @abstractmethod
    def write(self, samples: Waveform) -> None:
        """Append samples [N] or [N, channels]."""

    @abstractmethod
    def close(self) -> None:
        """Finish the file and check that it is complete."""

    @abstractmethod
    def discard(self) -> None:
        """Close the file without finishing it."""


def known_formats() -> list[str]:
    """The formats that can be written, with or without PyAV: upper-case suffixes."""
    return sorted({*soundfile.available_formats(), *_CONTAINERS} - _NOT_WRITTEN)


def check_format(path: Path, kind: str, tags: Tags) -> None:
    """Check that a known format can be written here, with its tags.

    Raises:
        ImportError: it needs PyAV, which is not installed.
        ValueError: the format has no fields for the tags.
    """
    chapters, texts = bool(tags.chapters), bool(tags.title or tags.artist or tags.comment)
    for given, what, able in ((chapters, "chapters", _CONTAINERS), (texts, "title, artist or comment", _TAGGED)):
        if given and kind not in able:
            others = ", ".join(sorted(one.lower() for one in able))
            raise ValueError(f"{path}: {kind.lower()} files have no {what}. Use one of {others}, or omit them.")
    if (chapters or kind in _ONLY_PYAV) and missing() is not None:
        what = "chapters need" if chapters else f"{kind.lower()} files need"
        others = ", ".join(one.lower() for one in known_formats() if one not in _ONLY_PYAV)
        remedy = "omit them" if chapters else f"use one of {others}"
        raise ImportError(f"{path}: {what} PyAV. Run: {EXTRA}, or {remedy}.")


def encoder_for(output: Output) -> Encoder:
    """An encoder for a file, opened.

    Raises:
        ValueError: the format does not support the rate or the number of channels.
        OSError: the file cannot be written.
    """
    if output.tags.chapters or output.kind in _ONLY_PYAV:
        return ContainerEncoder(output)
    return SoundFileEncoder(output)


class SoundFileEncoder(Encoder):
    """Encodes with libsndfile. Samples of Opus files are resampled to a rate that Opus has."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        opus, self._rate, self._resampler = output.kind == "OPUS", output.rate, None
        if opus and output.rate not in _OPUS_RATES:
            self._rate = OPUS_RATE
            self._resampler = soxr.ResampleStream(output.rate, OPUS_RATE, output.channels, dtype="float32")
        kinds = {"format": "OGG", "subtype": "OPUS"} if opus else {"format": output.kind}
        if output.kind in _ROUNDED and _rate_written(output.kind, output.rate) != output.rate:
            raise output.format_error("the format does not have this rate")
        try:
            self._file = soundfile.SoundFile(output.path, "w", self._rate, output.channels, **kinds)
        except soundfile.LibsndfileError as error:
            if error.code == _SYSTEM_ERROR:
                raise output.full_disk_error() from error
            raise output.format_error(error.error_string) from error
        for name, text in ({} if output.kind == "MP3" else _texts(output)).items():
            with contextlib.suppress(soundfile.LibsndfileError):  # formats without text fields, such as au, reject it
                setattr(self._file, name, text)

    def write(self, samples: Waveform) -> None:
        self.frames += len(samples)
        self._encode(samples)

    def close(self) -> None:
        if self._resampler is not None:
            self._encode(np.zeros((0, self.output.channels), np.float32), last=True)
        frames = int(self._file.frames)
        self._file.close()
        if self.output.kind == "MP3" and frames:
            self._add_tag()
        self._check(frames)

    def discard(self) -> None:
        with contextlib.suppress(soundfile.LibsndfileError):
            self._file.close()

    def _encode(self, samples: Waveform, last: bool = False) -> None:
        if self._resampler is not None:
            shaped = samples.reshape(-1, self.output.channels).astype(np.float32)
            samples = self._resampler.resample_chunk(shaped, last=last)
        for start in range(0, len(samples), BLOCK):
            try:
                self._file.write(samples[start : start + BLOCK])
            except (soundfile.LibsndfileError, AssertionError) as error:  # it asserts that all is written
                raise self.output.full_disk_error() from error

    def _add_tag(self) -> None:
        try:
            self.output.path.write_bytes(id3_tag(_texts(self.output)) + self.output.path.read_bytes())
        except OSError as error:
            raise self.output.full_disk_error() from error

    def _check(self, frames: int) -> None:
        """Check that all samples can be read again, because most formats do not report a full disk."""
        kind = self.output.kind
        try:
            with SequentialFile(self.output.path) as written:
                rate, whole = written.samplerate, frames <= written.frames < frames + UNCOUNTED
                if kind == "MP3" and whole:  # its header states the intended length
                    whole = sum(map(len, blocks(written))) >= frames
        except soundfile.LibsndfileError as error:
            raise (self.output.full_disk_error() if frames else self.output.empty_error()) from error
        if rate != self._rate:
            raise ValueError(
                f"{self.output.shown}: {kind} does not support {self.output.rate} Hz. Use another format."
            )
        if not whole:
            raise self.output.full_disk_error()


def _rate_written(kind: str, rate: int) -> int:
    """The rate that a mono file of one sample states."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate, 1, format=kind) as written:
        written.write(np.zeros(1, np.float32))
    file.seek(0)
    with soundfile.SoundFile(file) as read:
        return int(read.samplerate)


class ContainerEncoder(Encoder):
    """Encodes with PyAV, which also writes chapters."""

    def __init__(self, output: Output) -> None:
        import av

        super().__init__(output)
        if output.channels > 2:
            raise output.format_error(f"{output.channels} channels")
        try:
            self._container, self._stream = self._opened()
        except (av.error.FFmpegError, ValueError) as error:
            raise output.format_error(str(getattr(error, "strerror", None) or error)) from error
        self._container.metadata.update(_texts(output))
        if output.kind == "OPUS":
            self._container.metadata.update(_chapter_comments(output.tags.chapters))
        elif output.tags.chapters:
            assert output.seconds is not None
            self._container.set_chapters(_chapters(output.tags.chapters, output.seconds))

    def write(self, samples: Waveform) -> None:
        import av

        planes = np.ascontiguousarray(samples.reshape(len(samples), -1).T, dtype=np.float32)
        frame: Any = av.AudioFrame.from_ndarray(planes, format="fltp", layout=_layout(self.output.channels))
        frame.sample_rate, frame.pts, frame.time_base = self.output.rate, self.frames, Fraction(1, self.output.rate)
        self.frames += len(samples)
        self._mux(frame)

    def close(self) -> None:
        import av

        if not self.frames:
            self.discard()
            raise self.output.empty_error()
        self._mux(None)
        try:
            self._container.close()
        except av.error.FFmpegError as error:
            raise self.output.full_disk_error() from error
        self._check()

    def discard(self) -> None:
        import av

        with contextlib.suppress(av.error.FFmpegError):
            self._container.close()

    def _opened(self) -> tuple[Any, Any]:
        """The container, and its stream, whose codec has accepted the rate."""
        import av

        name, codec = _CONTAINERS[self.output.kind]
        options = {"movflags": "+faststart"} if codec == "aac" else {}
        if self.output.kind == "M4B":
            options["brand"] = "M4B "  # by which players tell audiobooks from music
        container: Any = av.open(self.output.path, "w", format=name, container_options=options)
        rate = OPUS_RATE if codec == "libopus" else self.output.rate
        stream: Any = container.add_stream(codec, rate=rate, layout=_layout(self.output.channels))
        stream.bit_rate = BIT_RATE * self.output.channels
        stream.codec_context.open()
        return container, stream

    def _mux(self, frame: Any) -> None:
        import av

        try:
            self._container.mux(self._stream.encode(frame))
        except av.error.FFmpegError as error:
            raise self.output.full_disk_error() from error

    def _check(self) -> None:
        """Check that the packets of the file contain all samples."""
        import av

        try:
            with av.open(self.output.path, metadata_errors="replace") as written:
                track = written.streams.audio[0]
                length = sum(packet.duration or 0 for packet in written.demux(track)) * float(track.time_base or 0)
        except (av.error.FFmpegError, IndexError) as error:
            raise self.output.full_disk_error() from error
        if length < self.frames / self.output.rate - 0.001:
            raise self.output.full_disk_error()


def _texts(output: Output) -> dict[str, str]:
    """The text fields to write."""
    texts = {"title": output.tags.title, "artist": output.tags.artist, "comment": output.comment}
    return {name: text for name, text in texts.items() if text}


def _layout(channels: int) -> str:
    return "mono" if channels == 1 else "stereo"


def _chapters(chapters: tuple[tuple[float, str], ...], seconds: float) -> list[Any]:
    """Chapters as PyAV takes them, in ms. Each ends where the next one starts."""
    starts = [round(1000 * start) for start, _ in chapters]
    ends = [*starts[1:], round(1000 * seconds)]
    return [
        {"id": number, "start": start, "end": end, "time_base": Fraction(1, 1000), "metadata": {"title": title}}
        for number, (start, end, (_, title)) in enumerate(zip(starts, ends, chapters, strict=True))
    ]


def _chapter_comments(chapters: tuple[tuple[float, str], ...]) -> dict[str, str]:
    """Chapters as comments of an Ogg file. FFmpeg would round the seconds and then add the fraction."""
    found = {}
    for number, (start, title) in enumerate(chapters):
        seconds, thousandths = divmod(round(1000 * start), 1000)
        clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{thousandths:03}"
        found[f"CHAPTER{number:03}"] = clock
        found[f"CHAPTER{number:03}NAME"] = title
    return found


__all__ = ["BIT_RATE", "Encoder", "Output", "check_format", "encoder_for", "known_formats"]
