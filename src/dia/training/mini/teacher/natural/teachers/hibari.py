"""hibari as a teacher: one voice, fast, distilled from Kokoro's af_heart, and others made from it."""

import zlib
from pathlib import Path

import numpy as np

from dia.training.mini.teacher.natural import packages
from dia.training.mini.teacher.natural.teachers.changed_voice import SEPARATOR, Change, changed
from dia.training.mini.teacher.natural.teachers.durations import session
from dia.training.mini.teacher.natural.teachers.teacher import (
    LABEL_LAG,
    Label,
    Speech,
    checked_voice,
    respelled,
    timed,
)

FRAME = 600  # samples at 24 kHz that a unit of duration lasts
_DURATIONS = "/Cast_32_output_0"


class HibariTeacher:
    """`heart`, the voice inside the package; its others are downloaded and not used.

    `heart*0.6/0.88` is `heart` with another pitch and other formants, see `changed_voice.Change`.

    Raises:
        ImportError: hibari-tts is not installed in the version of `packages.PYTHON_PACKAGES`.
    """

    voices = ("heart",)

    def __init__(self) -> None:
        packages.need("onnxruntime", "hibari-tts")
        from hibari import Hibari, dsp

        self._reader, self._dsp = Hibari(), dsp
        self._session = session(Path(self._reader.model_path).read_bytes(), _DURATIONS)

    def say(self, text: str, voice: str = "heart", tempo: float = 1.0) -> Speech:
        """See `Teacher.say`. A sentence is spoken at a time, as the package does."""
        base, separator, _ = voice.partition(SEPARATOR)
        checked_voice(base, self.voices)
        change = Change.of(voice) if separator else None
        noise = np.random.default_rng(zlib.crc32(text.encode()))
        rate = int(self._dsp.SR)
        parts, labels = [np.zeros(0, np.float32)], list[Label]()
        for line in self._reader.phonemize(respelled(text)):
            phones = [phone for phone in line if phone in self._reader.vocab]
            ids = [0, *(self._reader.vocab[phone] for phone in phones), 0]
            speed = np.asarray([tempo], np.float32)
            *spectrum, frames = self._session.run(None, {"ids": np.asarray([ids], np.int64), "speed": speed})
            start = sum(map(len, parts)) / rate - LABEL_LAG
            labels += timed(["", *phones, ""], frames.reshape(-1).tolist(), FRAME / rate, start)
            parts.append(self._dsp.synth(*(values[0] for values in spectrum), noise))
        if not labels:
            raise ValueError(f"text: hibari finds no word in {text!r}.")
        waveform = np.concatenate(parts)
        if change is not None:
            waveform = changed(waveform, rate, change)
        return Speech(waveform, rate, tuple(label for label in labels if label.phone))
