"""Encode samples into bytes as they come, for pipes and sockets, which cannot be rewound.

Independent of where the bytes go. mp3, opus, aac and flac need PyAV; wav and pcm need nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import soxr

from dia.audio.formats.containers import EXTRA, missing
from dia.audio.formats.encoders import BIT_RATE
from dia.audio.formats.id3 import id3_tag
from dia.audio.playback import wav_header
from dia.audio.waveform import Waveform

MEDIA_TYPES: Mapping[str, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
"""The formats, and the media type of each."""

_FULL = 32767.0
_OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
_MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
# The rates in Hz that a format has; the others have all.
_RATES = {"opus": _OPUS_RATES, "mp3": _MP3_RATES, "aac": _MP3_RATES}
# FFmpeg's names of container, codec and sample format, and its options. Without `bitexact`, Ogg files have a random
# serial number. Pages of Ogg files have a second of sound unless told otherwise.
_CONTAINERS: Mapping[str, tuple[str, str, str, dict[str, str]]] = {
    "mp3": ("mp3", "libmp3lame", "fltp", {"write_xing": "0", "id3v2_version": "0"}),
    "opus": ("ogg", "libopus", "flt", {"page_duration": "100000"}),
    "aac": ("adts", "aac", "fltp", {}),
    "flac": ("flac", "flac", "s16", {}),
}


def rate_for(kind: str, sampling_rate: int) -> int:
    """The rate in Hz to encode audio of `sampling_rate` with: the same, or the next higher one of the format."""
    rates = _RATES.get(kind, (sampling_rate,))
    return min((rate for rate in rates if rate >= sampling_rate), default=max(rates))


def rates_of(kind: str) -> tuple[int, ...]:
    """The rates that a format has, in Hz; empty for any."""
    return _RATES.get(kind, ())


class LiveEncoder(ABC):
    """Encodes mono audio incrementally: the bytes of `encode` for every chunk, then those of `finish`.

    The bytes depend on the samples only, not on how they are divided into chunks.
    """

    def encode(self, samples: Waveform) -> bytes:
        """The bytes that are complete after further samples [N] with ±1 full scale. Values beyond are clipped."""
        return self._encode(np.clip(samples, -1.0, 1.0).astype(np.float32))

    @abstractmethod
    def finish(self) -> bytes:
        """The remaining bytes.

        Raises:
            ValueError: there were no samples, and the format does not support that.
        """

    @abstractmethod
    def _encode(self, samples: Waveform) -> bytes:
        """Encode samples within ±1."""


def live_encoder(kind: str, sampling_rate: int, rate: int, comment: str = "") -> LiveEncoder:
    """An encoder for one clip.

    Args:
        kind: one of `MEDIA_TYPES`.
        sampling_rate: Hz of the samples.
        rate: Hz of the result.
        comment: the text of the comment field, in formats that have one: all but pcm.

    Raises:
        ImportError: the format needs PyAV, which is not installed.
        ValueError: the format does not exist, or does not have this rate.
    """
    if kind not in MEDIA_TYPES:
        raise ValueError(f"format {kind!r} is unknown; use one of {', '.join(MEDIA_TYPES)}.")
    if rate not in (_RATES.get(kind) or (rate,)):
        raise ValueError(f"{kind} does not have {rate} Hz; use one of {', '.join(map(str, _RATES[kind]))}.")
    encoder = _PcmEncoder(rate, kind, comment) if kind in ("wav", "pcm") else _ContainerEncoder(rate, kind, comment)
    return encoder if rate == sampling_rate else _Resampled(encoder, sampling_rate, rate)


class _Resampled(LiveEncoder):
    """Resamples, then encodes."""

    def __init__(self, encoder: LiveEncoder, sampling_rate: int, rate: int) -> None:
        self._encoder = encoder
        self._resampler = soxr.ResampleStream(sampling_rate, rate, 1, dtype="float32", quality="HQ")

    def _encode(self, samples: Waveform) -> bytes:
        return self._encoder.encode(self._resampler.resample_chunk(samples))

    def finish(self) -> bytes:
        rest = self._resampler.resample_chunk(np.zeros(0, np.float32), last=True)
        return self._encoder.encode(rest) + self._encoder.finish()


class _PcmEncoder(LiveEncoder):
    """Little-endian samples of 16 bits, for wav after a header of unknown length."""

    def __init__(self, rate: int, kind: str, comment: str) -> None:
        self._header = wav_header(rate, comment) if kind == "wav" else b""

    def _encode(self, samples: Waveform) -> bytes:
        return self._begin() + (samples * _FULL).round().astype("<i2").tobytes()

    def finish(self) -> bytes:
        return self._begin()

    def _begin(self) -> bytes:
        header, self._header = self._header, b""
        return header


class _Collected:
    """Collects what is written. FFmpeg does not seek in it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Append data."""
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Return the data since the last call."""
        data, self._parts = b"".join(self._parts), []
        return data


class _ContainerEncoder(LiveEncoder):
    """Encodes with PyAV."""

    def __init__(self, rate: int, kind: str, comment: str) -> None:
        if missing() is not None:
            raise ImportError(f"{kind} needs PyAV. Run: {EXTRA}, or use wav or pcm.")
        import av

        container, codec, self._format, options = _CONTAINERS[kind]
        self._rate, self._frames, self._output = rate, 0, _Collected()
        options = {"flush_packets": "1", "fflags": "+bitexact", **options}
        self._container: Any = av.open(self._output, "w", format=container, container_options=options)
        add_stream: Any = self._container.add_stream
        self._stream = add_stream(codec, rate=rate, layout="mono")
        self._stream.codec_context.format = self._format
        if kind != "flac":
            self._stream.bit_rate = BIT_RATE
        if kind in ("opus", "flac"):
            self._container.metadata["comment"] = comment
        elif comment:
            self._output.write(id3_tag({"comment": comment}))

    def _encode(self, samples: Waveform) -> bytes:
        import av

        if not len(samples):
            return b""
        planes = samples[None]
        if self._format == "s16":
            planes = (planes * _FULL).round().astype(np.int16)
        kind = "s16" if self._format == "s16" else "fltp"
        frame: Any = av.AudioFrame.from_ndarray(np.ascontiguousarray(planes), format=kind, layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._frames, Fraction(1, self._rate)
        self._frames += len(samples)
        self._container.mux(self._stream.encode(frame))
        return self._output.take()

    def finish(self) -> bytes:
        if not self._frames:
            raise ValueError("there are no samples to encode; an audio file of this format cannot be empty.")
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._output.take()


__all__ = ["MEDIA_TYPES", "LiveEncoder", "live_encoder", "rate_for", "rates_of"]
