"""Read audio files, and write them atomically. Independent of codecs and models."""

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
import soundfile

from dia.audio.formats import containers
from dia.audio.formats.encoders import Output, check_format, encoder_for, known_formats
from dia.audio.formats.sequential import UNCOUNTED, SequentialFile, blocks
from dia.audio.formats.tags import NOTICE, Provenance, Tags
from dia.audio.formats.wav_header import with_true_length
from dia.audio.watermark.embedding import Watermarker
from dia.audio.watermark.payload import Payload
from dia.audio.waveform import (
    Sound,
    Waveform,
    as_array,
    check_channels,
    check_seconds,
    checked_rate,
    full_scale,
    one_of_batch,
)
from dia.runtime.files.atomic import Partial, check_file, replace_file
from dia.runtime.files.reading import check_is_file
from dia.runtime.warnings import DiaWarning

Source: TypeAlias = str | Path | bytes | BinaryIO
"""A path, the content of a file, or a seekable file object, which is read from its start."""

_LOST = 0.1  # seconds; headers are wrong by less
_UNKNOWN = Provenance()
_UNTAGGED = Tags()


def read(source: Source, name: str = "audio", longest: float | None = None) -> tuple[Waveform, int]:
    """Read an audio file as `decode` does, with its remarks as warnings.

    Returns:
        Samples [N, channels] with ±1 full scale, and the sampling rate in Hz.
    """
    sound = decode(source, name, longest)
    for remark in sound.remarks:
        warnings.warn(f"about {name}: {remark}", DiaWarning, stacklevel=2)
    return sound.samples, sound.rate


def decode(source: Source, name: str = "audio", longest: float | None = None) -> Sound:
    """Decode an audio file: with libsndfile, or with PyAV where that fails and PyAV is installed.

    Args:
        source: a path, the content of a file, or a seekable file object, which is read from its start.
        name: the name of the argument, for error messages.
        longest: the maximum length in seconds. No more is decoded. None for no limit.

    Returns:
        Samples [N, channels] with ±1 full scale, the sampling rate in Hz, and remarks on what is damaged.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is longer than `longest`, its rate is outside `RATES`, or it cannot be decoded; the message says
            what to install or how to convert it.
    """
    with _opened(source, name) as file:
        try:
            return _read_sequentially(file, name, longest)
        except _NOT_DECODED as error:
            file.seek(0)
            with _explained(source, name, error):
                return containers.read(file, name, longest)


def check_readable(source: str | Path, name: str = "audio") -> None:
    """Check from its header that `read` can read a file.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: its rate is outside `RATES`, or it cannot be decoded.
    """
    with _opened(source, name) as file:
        try:
            with SequentialFile(with_true_length(file)) as opened:
                checked_rate(opened.samplerate, name)
        except _NOT_DECODED as error:
            file.seek(0)
            with _explained(source, name, error):
                containers.check_readable(file, name)


_NOT_DECODED = (soundfile.LibsndfileError, TypeError)  # a TypeError for the suffix of raw samples


@contextlib.contextmanager
def _opened(source: Source, name: str) -> Iterator[BinaryIO]:
    """A seekable file at its start. A file object of the caller is at its old position again afterwards."""
    if isinstance(source, bytes):
        yield io.BytesIO(source)
    elif isinstance(source, str | Path):
        check_is_file(source, name)
        with open(source, "rb") as file:
            yield file
    else:
        position = source.tell()
        source.seek(0)
        try:
            yield source
        finally:
            source.seek(position)


def _read_sequentially(file: BinaryIO, name: str, longest: float | None) -> Sound:
    with SequentialFile(with_true_length(file)) as opened:
        check_channels(opened.channels, name)
        rate, stated = checked_rate(opened.samplerate, name), int(opened.frames)
        known = stated < UNCOUNTED
        if known:
            check_seconds(stated / rate, longest, name)
        read, count = [np.zeros((0, opened.channels), np.float32)], 0
        for block in blocks(opened):
            read.append(block)
            count += len(block)
            check_seconds(count / rate, longest, name, more=True)
    lost = (stated - count) / rate if known else 0.0
    return Sound(np.concatenate(read), rate, (containers.damage(lost),) if lost > _LOST else ())


@contextlib.contextmanager
def _explained(source: Source, name: str, error: Exception) -> Iterator[None]:
    """Say what to do about a file that libsndfile does not read: install PyAV, convert it, or what PyAV found."""
    is_path = isinstance(source, str | Path)
    shown = str(source) if is_path else f"{len(source)} bytes" if isinstance(source, bytes) else "the file"
    reason = str(getattr(error, "error_string", error)).rstrip(".")
    remedy = f"ffmpeg -i {Path(str(source)).name if is_path else 'INPUT'} recording.wav"
    if containers.missing() is not None:
        raise ValueError(
            f"{name}: {shown} cannot be read as audio ({reason or 'it is damaged'}). To read m4a, mp4, webm, aac and "
            f"other recordings from phones and browsers, run: {containers.EXTRA}. Or convert it to WAV or FLAC first: "
            f"{remedy}"
        ) from error
    try:
        yield
    except containers.NotDecoded as second:
        raise ValueError(
            f"{name}: {shown} cannot be read as audio ({str(second).rstrip('.')}). Convert it to WAV or FLAC first: "
            f"{remedy}"
        ) from second


def write(
    path: str | Path,
    audio: Any,
    sampling_rate: int,
    name: str = "audio",
    provenance: Provenance = _UNKNOWN,
    tags: Tags = _UNTAGGED,
    watermark: bool = False,
) -> None:
    """Write a waveform in the format of the path's suffix, with a notice that it is synthetic.

    The file appears complete or not at all. Samples beyond ±1 are clipped. The notice is in the comment field of
    formats that have one (wav, flac, ogg, opus, mp3, m4a, mp4, aiff and others).

    Args:
        path: the path of the file, in an existing folder. An existing file is replaced.
        audio: array, list or tensor, [N], or [N, 2] or [2, N] for stereo; floats of ±1 or PCM integers.
        sampling_rate: Hz. Opus files have 48 kHz if Opus does not have this rate.
        name: the name of the argument, for error messages.
        provenance: the model and seed for the notice.
        tags: title, artist, comment and chapters. m4a, m4b, mp4, mp3 and opus files can have chapters.
        watermark: also put an inaudible watermark with the provenance into the sound, see docs/provenance.md.

    Raises:
        ImportError: the format or the chapters need PyAV, which is not installed.
        ValueError: the suffix is unknown, the format does not support the rate or a tag, or the audio is not finite,
            far beyond full scale or of another shape.
        OSError: the folder does not exist or is not writable, or the disk is full.
    """
    file_format(Path(path), tags)
    samples = full_scale(_frames_first(one_of_batch(as_array(audio), name), name), name)
    seconds = len(samples) / checked_rate(sampling_rate, name)
    tags.check_chapters(seconds)
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with Writer(path, sampling_rate, provenance, channels, False, tags, seconds, watermark) as file:
        file.write(samples, name)


class Writer:
    """An audio file that is written incrementally and appears, complete, when it is closed. A context manager.

    Until then, the audio is in a hidden file next to it that ends in `.partial`.

    Args:
        path: the path of the file; its suffix selects the format. An existing file is replaced at the end. If it is a
            link, its target is replaced.
        sampling_rate: Hz.
        provenance: the model and seed for the notice.
        channels: the number of channels.
        keep: if the block ends with an error or an interrupt, write a complete file of the audio so far. Otherwise
            nothing is written, and an existing file is kept.
        tags: title, artist, comment and chapters.
        seconds: the length of the audio, which chapters need.
        watermark: also put an inaudible watermark with the provenance into the sound, see docs/provenance.md.

    Raises:
        ImportError: the format or the chapters need PyAV, which is not installed.
        ValueError: the suffix is unknown, the rate is outside `RATES` or not supported by the format, the format has
            no field for a tag, chapters are given without a length, or `path` is a folder or a device.
        OSError: the folder does not exist or is not writable, or the disk is full.
    """

    def __init__(
        self,
        path: str | Path,
        sampling_rate: int,
        provenance: Provenance = _UNKNOWN,
        channels: int = 1,
        keep: bool = False,
        tags: Tags = _UNTAGGED,
        seconds: float | None = None,
        watermark: bool = False,
    ) -> None:
        self.path, self.keep = Path(path), keep
        kind, self._rate = file_format(self.path, tags), checked_rate(sampling_rate, str(path))
        if tags.chapters and seconds is None:
            raise ValueError("chapters need the length of the audio; pass seconds.")
        payload = Payload.of(provenance.model, provenance.seed)
        self._marker = Watermarker(self._rate, payload, channels=channels) if watermark else None
        self._channels, self._closed = channels, False
        self._target = check_file(path)
        self._partial = Partial(self._target)
        try:
            comment = tags.comment_with(provenance)
            self._encoder = encoder_for(
                Output(self._partial.path, self.path, kind, self._rate, channels, tags, comment, seconds)
            )
        except BaseException:
            self._partial.release()
            raise

    @property
    def seconds(self) -> float:
        """The length of the audio written so far."""
        return self._encoder.frames / self._rate

    def write(self, samples: Any, name: str = "audio") -> None:
        """Append samples [N] or [N, channels]. Values beyond ±1 are clipped.

        Raises:
            ValueError: the samples are not finite, far beyond full scale or of another shape, or the file is closed.
            OSError: the disk is full.
        """
        if self._closed:
            raise ValueError(f"{self.path} is closed. Write all samples before.")
        checked = self._shaped(full_scale(as_array(samples), name), name)
        if self._marker is not None:
            checked = self._marker.process(checked)
        self._encode(checked)

    def _encode(self, samples: Waveform) -> None:
        if len(samples):
            self._encoder.write(np.clip(samples, -1.0, 1.0))

    def _shaped(self, samples: Waveform, name: str) -> Waveform:
        """Samples [N] for a mono file, else [N, channels]."""
        if self._channels == 1 and samples.ndim == 2 and samples.shape[1] == 1:
            samples = samples.reshape(-1)
        shape = samples.shape[1:] if samples.ndim else None
        if shape != (() if self._channels == 1 else (self._channels,)):
            wanted = "[samples]" if self._channels == 1 else f"[samples, {self._channels}]"
            raise ValueError(f"{name} has shape {samples.shape}; expected {wanted}.")
        return samples

    def close(self) -> None:
        """Finish the file and move it to its final path. Does nothing if that was done, or after `discard`.

        Raises:
            ValueError: the format does not support the rate; no file is written.
            OSError: the disk is full; no file is written.
        """
        if self._closed:
            return
        try:
            if self._marker is not None:
                self._encode(self._marker.finish())
            self._encoder.close()
            replace_file(self._partial.path, self._target)
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove the unfinished file. Does nothing after `close`."""
        self._closed = True
        self._encoder.discard()
        self._partial.release()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Close the file; after an error, discard it unless `keep` is set."""
        if kind is None:
            self.close()
        elif self.keep and self._encoder.frames:
            with contextlib.suppress(OSError, ValueError):  # the first error is the one to report
                self.close()
        else:
            self.discard()


def file_format(path: Path, tags: Tags = _UNTAGGED) -> str:
    """The format of a path's suffix, such as "WAV" or "M4A".

    Raises:
        ImportError: the format, or the chapters in `tags`, need PyAV, which is not installed.
        ValueError: the suffix is unknown; the message lists the known ones. Or the format has no fields for the tags.
    """
    kind, known = path.suffix[1:].upper(), known_formats()
    if kind not in known:
        suffixes = ", ".join(format_.lower() for format_ in known)
        raise ValueError(f"{path}: the suffix {path.suffix!r} is not an audio format. Use one of {suffixes}.")
    check_format(path, kind, tags)
    return kind


def _frames_first(array: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    if array.ndim == 2 and 1 in array.shape:
        return array.reshape(-1)
    if array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 2):
        return array
    if array.ndim == 2 and array.shape[0] == 2:
        return array.T
    raise ValueError(f"{name} has shape {array.shape}; expected [samples], or 2 channels for stereo.")


__all__ = [
    "NOTICE",
    "Provenance",
    "Source",
    "Tags",
    "Writer",
    "check_readable",
    "decode",
    "file_format",
    "read",
    "write",
]
