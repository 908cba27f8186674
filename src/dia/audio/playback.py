"""Where sound goes that goes to no file: the sound device, or a pipe. Knows sounddevice and PCM, nothing of speech."""

import os
import stat
import struct
from contextlib import suppress
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from dia.audio.waveform import Waveform

PIPED = ("wav", "raw")

_UNKNOWN = 0xFFFFFFFF  # the length of a RIFF chunk that is still being written, by common consent
_FULL = 32767.0


class Player:
    """The sound device, written to as sound comes; a context manager, left when the last sample has been heard.

    Args:
        sampling_rate: Hz.

    Raises:
        ImportError: sounddevice, or the PortAudio below it, is not installed.
        OSError: there is no device that plays.
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
        """Play samples [N] after what is playing; returns when the device has taken them."""
        try:
            self._device.write(np.ascontiguousarray(samples, dtype=np.float32)[:, None])
        except self._error as error:
            raise OSError(f"the sound device stopped playing ({error}); is it still there?") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Play what is left, or after an error fall silent at once."""
        try:
            if kind is None:
                self._device.stop()
            else:
                self._device.abort()
        except self._error as failed:
            if kind is None:
                raise OSError(f"the sound device stopped playing ({failed}); is it still there?") from failed
        finally:
            self._device.close()


class Pipe:
    """16 bit mono PCM into a pipe, as it comes, raw or behind the header of a WAV; a context manager.

    The length of a WAV is not known while it is sent, and its header says so. Where the pipe is in truth a file, as
    behind `>` in a shell, the header gets its length when the block ends.

    Args:
        file: a binary file that need not seek, such as `sys.stdout.buffer`.
        sampling_rate: Hz.
        kind: "wav" or "raw", little-endian samples without a header.
        comment: what the header says about the sound.

    Raises:
        ValueError: `kind` is neither.
        OSError: it cannot be written, such as on a full disk.
    """

    def __init__(self, file: BinaryIO, sampling_rate: int, kind: str = "wav", comment: str = "") -> None:
        if kind not in PIPED:
            raise ValueError(f"format {kind!r} is not written to a pipe; use one of {', '.join(PIPED)}.")
        self._file, self._samples = file, 0
        self._header = wav_header(sampling_rate, comment) if kind == "wav" else b""
        self._start = _place_in_file(file) if kind == "wav" else None
        self._send(self._header)

    def __enter__(self) -> "Pipe":
        return self

    def write(self, samples: Waveform) -> None:
        """Send samples [N] of ±1; what is beyond is clipped.

        Raises:
            BrokenPipeError: nobody reads any more.
            OSError: it cannot be written, such as on a full disk.
        """
        self._send((np.clip(samples, -1.0, 1.0) * _FULL).round().astype("<i2").tobytes())
        self._samples += len(samples)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Write the length of what was sent into the header, if it can still be reached."""
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
            raise OSError(f"the sound cannot be written to its end: {error.strerror or error}.") from error


def _place_in_file(file: BinaryIO) -> int | None:
    """Where in a regular file the next byte goes, if it may be gone back to; None in a pipe, or behind `>>`."""
    try:
        number = _number(file)
        reachable = file.seekable() and (number is None or _may_go_back(number))
        return file.tell() if reachable else None
    except (OSError, ValueError):
        return None


def _number(file: BinaryIO) -> int | None:
    """The file descriptor; None of what is no file, such as `io.BytesIO`."""
    try:
        return file.fileno()
    except (OSError, AttributeError):
        return None


def _may_go_back(number: int) -> bool:
    """Whether a regular file is not opened to be appended to, which would put a header at its end."""
    if not stat.S_ISREG(os.fstat(number).st_mode):
        return False
    try:
        import fcntl
    except ImportError:  # on Windows
        return True
    return not fcntl.fcntl(number, fcntl.F_GETFL) & os.O_APPEND


def play(samples: Waveform, sampling_rate: int) -> None:
    """Play samples [N] to their end; raises as `Player`."""
    with Player(sampling_rate) as player:
        player.write(samples)


def check_device() -> None:
    """Refuse, before there is anything to play, what no device would play; raises as `Player`."""
    sounddevice = _sounddevice()
    try:
        sounddevice.check_output_settings(channels=1, dtype="float32")
    except sounddevice.PortAudioError as error:
        raise _no_device(error) from error


def wav_header(sampling_rate: int, comment: str = "") -> bytes:
    """The header of a mono WAV of 16 bit samples, whose length is not known yet; `comment` becomes its ICMT field."""
    text = comment.encode("utf-8") + b"\0"
    text += b"\0" * (len(text) % 2)
    info = b"INFO" + _chunk(b"ICMT", text)
    layout = struct.pack("<HHIIHH", 1, 1, sampling_rate, 2 * sampling_rate, 2, 16)
    body = b"WAVE" + _chunk(b"fmt ", layout) + (_chunk(b"LIST", info) if comment else b"")
    return b"RIFF" + struct.pack("<I", _UNKNOWN) + body + b"data" + struct.pack("<I", _UNKNOWN)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content


def _no_device(error: Exception) -> OSError:
    return OSError(f"no sound device plays ({error}); write a file with -o, or to a pipe with -o -.")


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise ImportError(
            "playing needs sounddevice: pip install sounddevice (on Debian also: apt install libportaudio2)."
        ) from error
    except OSError as error:  # its wheel brings PortAudio for macOS and Windows alone
        raise ImportError(f"playing needs PortAudio ({error}); on Debian: apt install libportaudio2.") from error
    return sounddevice


__all__ = ["PIPED", "Pipe", "Player", "check_device", "play", "wav_header"]
