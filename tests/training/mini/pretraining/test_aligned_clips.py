"""Training clips from a code cache: words as phones, some as letters, and the position of each frame in the text."""

import numpy as np
import pytest

from dia.text.lexicon import FIRST, Pronunciations
from dia.training.data.encoding import CodedClip
from dia.training.mini.pretraining import aligned_clips
from dia.training.mini.pretraining.aligned_clips import read_clips, validation_clips

KNOWN = Pronunciations(["g", "ow1"], {"go": "g ow1"})
GO = chr(FIRST) + chr(FIRST + 1)


def row(text: str, split: str = "train", speaker: str = "S1", frames: int = 12) -> CodedClip:
    codes = np.full((frames, 2), 5, np.uint16)
    return CodedClip(codes, text, speaker, split, "sentence", frames / 10)


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """A cache of as many clips as a test puts into the list."""
    rows: list[CodedClip] = []
    monkeypatch.setattr(aligned_clips, "CodeCache", lambda folder: type("Cache", (), {"rows": rows}))
    return rows


def test_without_pronunciations_texts_keep_their_letters(cache, tmp_path):
    cache += [row("go on"), row("go", "heldout")]
    learnt, held_out, size = read_clips(tmp_path)
    assert [clip.text for clip in learnt + held_out] == ["[S1] go on", "[S1] go"]
    assert size == 8


def test_held_out_clips_are_phones_throughout(cache, tmp_path):
    cache += [row("go on"), *(row("go " * (1 + number), "heldout") for number in range(20))]
    _, held_out, _ = read_clips(tmp_path, KNOWN)
    assert all("go" not in clip.text for clip in held_out)


def test_a_tenth_of_the_words_learnt_are_letters_in_half_of_the_clips(cache, tmp_path):
    cache += [row("go " * 10 + str(number), frames=40) for number in range(300)]
    learnt, _, _ = read_clips(tmp_path, KNOWN)
    spelt = [clip.text.count("go") for clip in learnt]
    assert 0.07 < sum(spelt) / 3000 < 0.13
    assert 0.4 < sum(map(bool, spelt)) / 300 < 0.6
    assert [clip.text for clip in read_clips(tmp_path, KNOWN)[0]] == [clip.text for clip in learnt]


def test_places_count_phones_and_stay_within_the_text(cache, tmp_path):
    cache += [row("go go", "heldout", frames=40), row("x")]
    _, (clip,), _ = read_clips(tmp_path, KNOWN)
    assert clip.text == f"[S1] {GO} {GO}"
    assert clip.places[0][0] >= 2
    assert clip.places[0][-1] <= 2 + len(f"{GO} {GO}")


def test_both_speakers_are_measured_alike(cache, tmp_path):
    cache += [row(f"go {number}", "heldout", speaker) for number in range(9) for speaker in ("S1", "S2", "slt*1.1")]
    cache.append(row("x"))
    speakers = [clip.speaker for clip in validation_clips(read_clips(tmp_path)[1], 8)]
    assert speakers == ["S1"] * 4 + ["S2"] * 4
