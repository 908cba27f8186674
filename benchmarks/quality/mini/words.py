"""Measure word errors of the model, of its teacher and of the codec alone, and how clips end."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from evaluation.held_out import TEACHER_RATE, Item
from evaluation.intervals import Figure, rate, share
from evaluation.recognizer import Recognizer
from evaluation.speaking import Line, Speaker, Spoken
from tqdm import tqdm

from dia.audio.waveform import Waveform
from dia.training.mini.teacher.voices import trim

KINDS = ("sentence", "sequence")
LENGTH_TOLERANCE = 0.25


class Errors(NamedTuple):
    """Word errors and reference words of each item."""

    edits: list[int]
    words: list[int]


def errors(
    recognizer: Recognizer, texts: Sequence[str], spoken: Sequence[Waveform], sampling_rate: int, who: str
) -> Errors:
    """Word errors of each clip."""
    clips = tqdm(list(zip(texts, spoken, strict=True)), f"listening to {who}", leave=False)
    pairs = [recognizer.errors(text, clip, sampling_rate) for text, clip in clips]
    return Errors([edits for edits, _ in pairs], [words for _, words in pairs])


def compared(items: Sequence[Item], model: Errors | None, teacher: Errors, codec: Errors) -> dict[str, Figure]:
    """Word error rates of each kind of item, and how far model and codec are above the teacher on the same items."""
    figures: dict[str, Figure] = {}
    for kind in KINDS:
        chosen = [index for index, item in enumerate(items) if item.kind == kind]
        if not chosen:
            continue
        words = [teacher.words[index] for index in chosen]
        base = np.array(teacher.edits)[chosen]
        figures[f"{kind}_teacher"] = rate(base, words)
        for who, measured in (("codec", codec), ("model", model)):
            if measured is not None:
                edits = np.array(measured.edits)[chosen]
                figures[f"{kind}_{who}"] = rate(edits, words)
                above = "above" if who == "model" else "codec_above"
                figures[f"{kind}_{above}"] = rate(edits - base, words)
    return figures


def endings(items: Sequence[Item], spoken: Sequence[Spoken], sampling_rate: int) -> dict[str, Figure]:
    """The shares of clips that end on their own, and that are about as long as the teacher's."""
    right = sum(
        length_right(clip.audio, sampling_rate, item.teacher) for clip, item in zip(spoken, items, strict=True)
    )
    return {"ended": share(sum(clip.ended for clip in spoken), len(items)), "duration": share(right, len(items))}


def length_right(audio: Waveform, sampling_rate: int, teacher: Waveform, tolerance: float = LENGTH_TOLERANCE) -> bool:
    """Whether a clip is as long as the teacher's within `tolerance`, silence at the ends aside."""
    ratio = _voiced(audio) / sampling_rate / (_voiced(teacher) / TEACHER_RATE)
    return bool(1 - tolerance <= ratio <= 1 + tolerance)


def _voiced(audio: Waveform) -> int:
    """Samples between the first loud one and the last."""
    return len(trim((np.clip(audio, -1, 1) * 32767).astype(np.int16), edge_seconds=0))


def words_heard(
    speaker: Speaker, recognizer: Recognizer, items: Sequence[Item], seed: int
) -> tuple[dict[str, Figure], list[Spoken]]:
    """Results for words and endings, and the model's speech."""
    texts, teacher = [item.text for item in items], [item.teacher for item in items]
    spoken = speaker.say([Line(item.script, item.seconds) for item in items], seed, "the model speaks")
    model = errors(recognizer, texts, [clip.audio for clip in spoken], speaker.rate, "the model")
    base = errors(recognizer, texts, teacher, TEACHER_RATE, "the teacher")
    codec = errors(recognizer, texts, speaker.through_codec(teacher), speaker.rate, "the codec")
    return {**compared(items, model, base, codec), **endings(items, spoken, speaker.rate)}, spoken
