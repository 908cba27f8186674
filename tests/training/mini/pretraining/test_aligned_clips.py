"""Training clips from a code cache: words as phones, some as letters, and the position of each frame in the text."""

import numpy as np
import pytest
from transformers import DacConfig, DacModel

from dia.codec.speaker_encoder import SpeakerEncoder
from dia.text.lexicon import FIRST, Pronunciations
from dia.training.data import code_cache
from dia.training.mini.pretraining.aligned_clips import read_clips, validation_clips

KNOWN = Pronunciations(["g", "ow1", "aw1"], {"go": "g ow1", "no": "ow1"}, ["(beep)"])
G, OW, AW = (chr(FIRST + number) for number in range(3))
RATE, HOP = 80, 8


@pytest.fixture(scope="module")
def codec():
    sizes = {"encoder_hidden_size": 4, "decoder_hidden_size": 8, "downsampling_ratios": [2, 4], "codebook_dim": 2}
    return DacModel(DacConfig(sampling_rate=RATE, n_codebooks=2, codebook_size=16, **sizes))


@pytest.fixture
def folder(tmp_path, codec):
    code_cache.claim(tmp_path, codec)
    return tmp_path


def write(folder, *lines, number=0, variant=0):
    """A shard of clips with codes for all of their labels' time."""
    codes = [np.full((round(line["seconds"] * RATE / HOP), 2), 5, np.uint16) for line in lines]
    code_cache.write_shard(code_cache.index_of(folder, number, variant), codes, lines)


def row(text, labels="", split="train", speaker="S1", shift=0, step=0.1):
    """A clip in which every label takes a tenth of a second."""
    names = [" " if label == "_" else label for label in labels.split()]
    times = [[step * number, step * (number + 1)] for number in range(len(names))]
    line = {"text": text, "speaker": speaker, "kind": "prose", "split": split, "shift": shift}
    return {**line, "seconds": step * len(names), "labels": "\t".join(names), "times": times}


def test_without_pronunciations_texts_keep_their_letters(folder):
    write(folder, row("go on.", "g ow1 _ g ow1 ."), row("go.", "g ow1 .", "heldout"))
    learned, held_out, size = read_clips(folder)
    assert [clip.text for clip in learned + held_out] == ["[S1] go on.", "[S1] go."]
    assert size == 16


def test_a_position_moves_from_phone_to_phone_as_they_are_spoken(folder):
    write(folder, row("go no.", "g ow1 _ ow1 .", "heldout"))
    _, (clip,), _ = read_clips(folder, KNOWN)
    assert clip.text == f"[S1] {G}{OW} {OW}."
    assert clip.places[0].tolist() == pytest.approx([2.5, 3.5, 4.5, 5.5, 6.5], abs=0.01)


def test_a_shifted_clip_is_spoken_later_by_its_shift(folder):
    write(folder, row("go no.", "g ow1 _ ow1 .", "heldout", shift=4))
    _, (clip,), _ = read_clips(folder, KNOWN)
    assert clip.places[0].tolist() == pytest.approx([2.0, 3.0, 4.0, 5.0, 6.0], abs=0.01)


def test_a_word_of_letters_and_a_sound_divide_their_time(folder):
    write(folder, row("Zyx (beep) go.", "g ow1 _ (beep) _ g ow1", "heldout", step=0.8))
    _, (clip,), _ = read_clips(folder, KNOWN)
    assert clip.text == f"[S1] Zyx (beep) {G}{OW}."
    places = clip.places[0]
    assert [float(places[number]) for number in (8, 28, 44)] == pytest.approx(
        [2 + 8.5 * 3 / 16, 2 + 4 + 4.5 * 6 / 8, 2 + 11 + 4.5 / 8], abs=0.02
    )
    assert (places[1:] >= places[:-1]).all()


def test_a_mark_that_is_cut_off_takes_no_time(folder):
    write(folder, row("go!", "g ow1", "heldout"))
    assert read_clips(folder, KNOWN)[1][0].places[0].tolist() == pytest.approx([2.5, 3.5], abs=0.01)


def test_words_spoken_otherwise_are_phones_of_the_clip_in_the_main_voices_alone(folder):
    write(folder, *(row("go.", "g aw1 .", "heldout", speaker) for speaker in ("S2", "bf_emma")))
    texts = [clip.text for clip in read_clips(folder, KNOWN)[1]]
    assert texts == [f"[S2] {G}{AW}.", f"[S1] {G}{OW}."]


def test_every_other_text_without_a_final_stop_gets_one(folder):
    write(folder, *(row(f"go {'no ' * number}no", "g ow1", "heldout") for number in range(60)))
    closed = [clip.text.endswith(".") for clip in read_clips(folder, KNOWN)[1]]
    assert 15 < sum(closed) < 45


def test_the_same_words_encoded_twice_are_one_clip_with_places_of_each(folder):
    for variant in range(2):
        write(folder, row("go.", "g ow1 .", shift=4 * variant), variant=variant)
    (clip,), _, _ = read_clips(folder, KNOWN)
    assert len(clip.codes) == len(clip.places) == 2
    assert clip.places[0][1] - clip.places[1][1] == pytest.approx(0.5, abs=0.01)


def test_a_recording_in_several_voices_is_disguised_as_each_of_the_others(folder):
    voices = ["af_sky", "af_sky*0.8/1", "af_sky*1.2/1", "af_bella"]
    write(folder, *(row("go no.", "g ow1 _ ow1 .", speaker=voice) for voice in voices))
    write(folder, row("go no.", "g ow1 _ ow1 . .", speaker="af_sky*0.7/1"), number=1)  # longer
    learned, _, _ = read_clips(folder, KNOWN)
    assert [(one.speaker, len(one.disguised)) for one in learned] == [
        *((voice, 2) for voice in voices[:3]),
        ("af_bella", 0),
        ("af_sky*0.7/1", 0),
    ]
    assert len({one.text for one in learned[:3]}) == 1


def test_held_out_clips_are_phones_throughout(folder):
    write(folder, *(row("go " * (1 + number), "g ow1", "heldout") for number in range(20)))
    assert all("go" not in clip.text for clip in read_clips(folder, KNOWN)[1])


def test_a_tenth_of_the_words_learnt_are_letters_in_half_of_the_clips(folder):
    write(folder, *(row("go " * 10 + str(number), "g ow1") for number in range(300)))
    learned, _, _ = read_clips(folder, KNOWN)
    spelled = [clip.text.count("go") for clip in learned]
    assert 0.07 < sum(spelled) / 3000 < 0.13
    assert 0.4 < sum(map(bool, spelled)) / 300 < 0.6
    assert [clip.text for clip in read_clips(folder, KNOWN)[0]] == [clip.text for clip in learned]


def test_codes_without_times_are_refused(folder):
    write(folder, {**row("go", "g ow1"), "labels": "", "times": []})
    with pytest.raises(ValueError, match="without times of phones"):
        read_clips(folder, KNOWN)


def test_both_speakers_are_measured_alike(folder):
    speakers = ("S1", "S2", "am_adam")
    write(folder, *(row(f"go {'no ' * n}", "g ow1", "heldout", s) for n in range(9) for s in speakers))
    assert [clip.speaker for clip in validation_clips(read_clips(folder)[1], 8)] == ["S1"] * 4 + ["S2"] * 4


def test_training_clips_have_the_marks_of_their_voice(folder):
    encoder = SpeakerEncoder(2, 16, dimensions=2, levels=3)
    known = Pronunciations([*KNOWN.phones, *encoder.marks], KNOWN.words)
    write(folder, row("go on.", "g ow1 _ g ow1 ."), row("go.", "g ow1 .", "heldout"))
    learned, held_out, _ = read_clips(folder, known, encoder)
    (clip,) = learned
    assert known.from_phones(clip.marks) == encoder.description(clip.codes[0])
    assert clip.text == f"[S1] {G}{OW} on."
    assert held_out[0].marks == ""


def test_marks_that_the_pronunciations_lack_are_refused(folder):
    write(folder, row("go on.", "g ow1 _ g ow1 ."))
    with pytest.raises(ValueError, match="is not a phone"):
        read_clips(folder, KNOWN, SpeakerEncoder(2, 16, dimensions=2, levels=3))
