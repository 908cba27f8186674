"""Play audio on the sound device, or write it to a pipe. Independent of speech."""

import os
import stat
import struct
from contextlib import suppress
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from dia.audio.waveform import Waveform

PIPED = ("wav", "raw")

_UNKNOWN = 0xFFFFFFFF  # by convention, the length of a RIFF chunk that is still being written
_FULL = 32767.0


class Player:
    """Plays audio incrementally on the sound device. A context manager that exits after the last sample has played.

    Args:
        sampling_rate: Hz.

    Raises:
        ImportError: sounddevice, or the PortAudio library it uses, is not installed.
        OSError: there is no output device.
    """

    def __init__(self, sampling_rate: int) -> None:
        sounddevice = _sounddevice()
        self._error: type[Exception] = sounddevice.PortAudioError
        try:
            self._device: Any = sounddevice.OutputStream(samplerate=sampling_rate, channels=1, dtype="float32")
            self._device.start()
        except sounddevice.PortAudioError as error:
            raise _no_device(error) from error

    def __enter__(self) -> "Player":
        return self

    def write(self, samples: Waveform) -> None:
        """Append samples [N] to the audio being played. Returns when the device has buffered them."""
        try:
            self._device.write(np.ascontiguousarray(samples, dtype=np.float32)[:, None])
        except self._error as error:
            raise _stopped(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Play the remaining audio; after an error, stop at once."""
        try:
            if kind is None:
                self._device.stop()
            else:
                self._device.abort()
        except self._error as failed:
            if kind is None:
                raise _stopped(failed) from failed
        finally:
            self._device.close()


class Pipe:
    """Writes 16-bit mono PCM to a pipe incrementally, raw or with a WAV header. A context manager.

    The header marks the length as unknown. If the pipe is really a file, as after `>` in a shell, the length is
    written into the header when the block ends.

    Args:
        file: a binary file, not necessarily seekable, such as `sys.stdout.buffer`.
        sampling_rate: Hz.
        kind: "wav", or "raw" for little-endian samples without a header.
        comment: the comment for the header.

    Raises:
        ValueError: `kind` is unknown.
        OSError: the pipe cannot be written, for example because the disk is full.
    """

    def __init__(self, file: BinaryIO, sampling_rate: int, kind: str = "wav", comment: str = "") -> None:
        if kind not in PIPED:
            raise ValueError(f"format {kind!r} cannot be written to a pipe; use one of {', '.join(PIPED)}.")
        self._file, self._samples = file, 0
        self._header = wav_header(sampling_rate, comment) if kind == "wav" else b""
        self._start = _rewritable_position(file) if kind == "wav" else None
        self._send(self._header)

    def __enter__(self) -> "Pipe":
        return self

    def write(self, samples: Waveform) -> None:
        """Write samples [N] with ±1 full scale. Values beyond are clipped.

        Raises:
            BrokenPipeError: the reader has closed the pipe.
            OSError: the pipe cannot be written, for example because the disk is full.
        """
        self._send((np.clip(samples, -1.0, 1.0) * _FULL).round().astype("<i2").tobytes())
        self._samples += len(samples)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Write the length into the header if the file supports it."""
        size = 2 * self._samples
        if self._start is None or len(self._header) + size >= _UNKNOWN:
            return
        with suppress(OSError):
            for offset, length in ((4, len(self._header) - 8 + size), (len(self._header) - 4, size)):
                self._file.seek(self._start + offset)
                self._send(struct.pack("<I", length))
            self._file.seek(0, os.SEEK_END)

    def _send(self, data: bytes) -> None:
        try:
            self._file.write(data)
            self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OSError(f"the audio cannot be written completely: {error.strerror or error}.") from error


def _rewritable_position(file: BinaryIO) -> int | None:
    """The current position of a file that can be rewritten from there; None for a pipe, or a file after `>>`."""
    try:
        descriptor = _descriptor(file)
        rewritable = file.seekable() and (descriptor is None or _is_rewritable(descriptor))
        return file.tell() if rewritable else None
    except (OSError, ValueError):
        return None


def _descriptor(file: BinaryIO) -> int | None:
    """The file descriptor; None for an object without one, such as `io.BytesIO`."""
    try:
        return file.fileno()
    except (OSError, AttributeError):
        return None


def _is_rewritable(descriptor: int) -> bool:
    """Whether it is a regular file that is not in append mode, in which all writes go to the end."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return False
    try:
        import fcntl
    except ImportError:  # on Windows
        return True
    return not fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND


def play(samples: Waveform, sampling_rate: int) -> None:
    """Play samples [N] and wait until they have played. Raises the errors of `Player`."""
    with Player(sampling_rate) as player:
        player.write(samples)


def check_device() -> None:
    """Check that an output device is available. Raises the errors of `Player`."""
    sounddevice = _sounddevice()
    try:
        sounddevice.check_output_settings(channels=1, dtype="float32")
    except sounddevice.PortAudioError as error:
        raise _no_device(error) from error


def wav_header(sampling_rate: int, comment: str = "") -> bytes:
    """The header of a 16-bit mono WAV file of unknown length; `comment` becomes its ICMT field."""
    text = comment.encode("utf-8") + b"\0"
    text += b"\0" * (len(text) % 2)
    info = b"INFO" + _chunk(b"ICMT", text)
    layout = struct.pack("<HHIIHH", 1, 1, sampling_rate, 2 * sampling_rate, 2, 16)
    body = b"WAVE" + _chunk(b"fmt ", layout) + (_chunk(b"LIST", info) if comment else b"")
    return b"RIFF" + struct.pack("<I", _UNKNOWN) + body + b"data" + struct.pack("<I", _UNKNOWN)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content


def _no_device(error: Exception) -> OSError:
    return OSError(f"no sound device is available ({error}). Write a file with -o FILE, or to a pipe with -o -.")


def _stopped(error: Exception) -> OSError:
    return OSError(f"the sound device stopped playing ({error}). Check that it is still connected.")


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise ImportError(
            "playback needs sounddevice. Run: pip install sounddevice (on Debian also: apt install libportaudio2)."
        ) from error
    except OSError as error:  # its wheel includes PortAudio only for macOS and Windows
        raise ImportError(f"playback needs PortAudio ({error}). On Debian, run: apt install libportaudio2") from error
    return sounddevice


__all__ = ["PIPED", "Pipe", "Player", "check_device", "play", "wav_header"]
