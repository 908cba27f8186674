"""Recordings as phones and browsers write them, made with PyAV; `needs_av` skips what cannot be made here."""

import importlib.util
import io

import numpy as np
import pytest

HAS_AV = importlib.util.find_spec("av") is not None
needs_av = pytest.mark.skipif(not HAS_AV, reason="PyAV is not installed: pip install 'dia-tts[media]'")

RATE = 16_000


def sweep(seconds=3.0, rate=RATE):
    """A tone that rises, so that every place of it differs from the others."""
    time = np.arange(int(rate * seconds)) / rate
    return (0.5 * np.sin(2 * np.pi * (200 + 100 * time) * time)).astype(np.float32)


class Pipe(io.RawIOBase):
    """A file that cannot be sought in, like the recorder of a browser."""

    def __init__(self):
        super().__init__()
        self.content = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.content += bytes(data)
        return len(data)


def recorded(container, codec, samples, rate=RATE, tracks=1, picture=False, live=False, options=None):
    """The bytes of a recording.

    Args:
        container: FFmpeg's name of it.
        codec: of its audio tracks.
        samples: [N], or [channels, N].
        rate: Hz.
        tracks: how many equal ones.
        picture: whether a video track comes first.
        live: write to a file without seeking, so that the header states no length.
        options: of the container.
    """
    import av

    file = Pipe() if live else io.BytesIO()
    planes = np.atleast_2d(samples)
    layout = "mono" if len(planes) == 1 else "stereo"
    with av.open(file, "w", format=container, container_options=options or {}) as output:
        film = _film(output) if picture else None
        streams = [output.add_stream(codec, rate=_rate(codec, rate), layout=layout) for _ in range(tracks)]
        if film is not None:
            _draw(output, film, planes.shape[1] / rate)
        for start in range(0, planes.shape[1], 4000):
            for stream in streams:
                frame = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(planes[:, start : start + 4000]), format="fltp", layout=layout
                )
                frame.sample_rate, frame.pts = rate, start
                output.mux(stream.encode(frame))
        for stream in streams:
            output.mux(stream.encode(None))
    return bytes(file.content) if live else file.getvalue()


def silent_film(container="mp4"):
    """The bytes of a video without an audio track."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        _draw(output, _film(output), 1.0)
    return file.getvalue()


def _rate(codec, rate):
    return {"libopus": 48_000, "libopencore_amrnb": 8_000}.get(codec, rate)


def _film(output):
    film = output.add_stream("mpeg4", rate=5)
    film.width = film.height = 32
    film.pix_fmt = "yuv420p"
    return film


def _draw(output, film, seconds):
    import av

    for number in range(int(5 * seconds)):
        frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 9 * number % 256, np.uint8), format="rgb24")
        frame.pts = number
        output.mux(film.encode(frame))
    output.mux(film.encode(None))


__all__ = ["HAS_AV", "RATE", "needs_av", "recorded", "silent_film", "sweep"]
