"""Prompts from recordings and voices: codes with transcripts, short enough to leave time for the script."""

import re

import numpy as np
import pytest
import soundfile
import torch
from talking import talking
from tiny import CHANNELS
from tiny_codec import CODES, RATE, random_codes
from tiny_speech import ROWS, tiny_speech

from dia.codec.identity import CodecRecord
from dia.codec.speaker_encoder import SpeakerEncoder
from dia.model import Dia
from dia.processing_dia import DiaProcessor
from dia.runtime.warnings import DiaWarning
from dia.synthesis import prompts
from dia.synthesis.parts.planning import reserved_seconds
from dia.synthesis.prompts import (
    VoicePrompt,
    fit_prompt,
    prompt_from_recording,
    prompt_from_voice,
    prompt_limit,
    shorten_prompt,
)
from dia.synthesis.request import jobs_of
from dia.synthesis.takes.alignment import Alignment
from dia.synthesis.takes.take import Line
from dia.text.script import parse
from dia.voices.voice import Voice

SAID = "[S1] One two three. Four five, six seven eight nine. Ten eleven twelve."


@pytest.fixture(scope="module")
def synthesizer():
    return tiny_speech(pass_seconds=6.0)


def evenly_read(model, processor, text, codes):
    """An alignment in which all characters have the same length."""
    path = np.arange(len(codes)) * len(text) // len(codes)
    return Alignment(text, path, np.ones(len(codes), np.float32), processor.frame_rate)


@pytest.fixture
def aligned(monkeypatch):
    """Words are spaced evenly, and there is a pause of 0.2 s wherever one is needed."""
    monkeypatch.setattr(prompts, "align", evenly_read)
    monkeypatch.setattr(prompts, "pauses", lambda sound, rate: [(len(sound) // 2, len(sound) // 2 + rate // 5)])


def part_of(synthesizer, seconds, said=SAID):
    return Line("", random_codes(round(seconds * synthesizer.processor.frame_rate))[0], said)


def seconds_of(synthesizer, line):
    return len(line.prompt) / synthesizer.processor.frame_rate


# Recordings


def test_a_recording_is_prepared_and_its_flaws_are_remarks(synthesizer):
    sound = talking(6.0, rate=RATE)
    late = np.concatenate([np.zeros(2 * RATE, np.float32), sound])
    whole = prompt_from_recording(synthesizer, late, "[S1] " + 5 * "La la la la. ")
    assert seconds_of(synthesizer, whole.line) == pytest.approx(6.2, abs=0.1)
    assert whole.remarks == ()
    opposite = prompt_from_recording(synthesizer, np.stack([late, -late]), "", "audio_prompt[3]")
    assert opposite.remarks == (
        "about audio_prompt[3]: its channels cancel each other out, so only the loudest one is used.",
    )
    assert torch.equal(opposite.line.prompt, whole.line.prompt)
    (doubt,) = prompt_from_recording(synthesizer, late, "[S1] La.").remarks
    assert "Check that the transcript contains exactly the words" in doubt


def test_all_entry_points_prepare_a_recording_alike():
    synthesizer = tiny_speech(pass_seconds=20.0)
    sound = np.concatenate([np.zeros(2 * RATE, np.float32), talking(6.0, rate=RATE)])
    said = "[S1] " + 5 * "La la la la. "
    voice = Voice.from_audio(sound, said, processor=synthesizer.processor, consent="nobody's voice")
    (job,) = jobs_of(synthesizer, "[S1] Hi.", audio_prompt=sound, audio_prompt_text=said)
    assert torch.equal(job.voice.prompt, voice.codes)
    assert job.voice.transcript == voice.transcript


def test_loading_a_recording_prepares_and_warns(synthesizer, tmp_path):
    sound = np.concatenate([np.zeros(2 * RATE, np.float32), talking(2.0, rate=RATE)])
    soundfile.write(tmp_path / "a.wav", sound, RATE, subtype="FLOAT")
    with pytest.warns(DiaWarning, match=r"about the recording: it contains 2.0 s"):
        codes = Dia(synthesizer.model, synthesizer.processor).load_audio(tmp_path / "a.wav")
    assert torch.equal(codes, prompt_from_recording(synthesizer, sound, "").line.prompt)


def test_a_recording_for_several_texts_is_encoded_once(synthesizer, monkeypatch):
    encoded = []
    encode = DiaProcessor.encode_audio
    monkeypatch.setattr(DiaProcessor, "encode_audio", lambda *given: encoded.append(1) or encode(*given))
    jobs = jobs_of(
        synthesizer, ["[S1] Hi.", "[S1] Ho."], audio_prompt=talking(1.5, rate=RATE), audio_prompt_text="[S1] La."
    )
    assert len(encoded) == 1
    assert jobs[0].voice.prompt is jobs[1].voice.prompt


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (torch.zeros(0, 3).long(), "contains no codes; pass at least one frame"),
        (
            torch.zeros(9, 4).long(),
            r"has shape \(9, 4\) and type int64; expected codes \[frames, 3 channels\], or audio",
        ),
        (np.zeros((9, 4), np.uint16), r"has shape \(9, 4\) and type uint16; expected codes"),
        (torch.zeros(3, 9).long().numpy(), r"has shape \(3, 9\) and type int64; expected codes"),
        (torch.full((9, 3), CODES), f"contains codes from {CODES} to {CODES}; expected 0 to {CODES - 1}"),
        (torch.full((9, 3), -1), "contains codes from -1 to -1"),
    ],
)
def test_codes_of_another_codec_are_rejected(synthesizer, codes, message):
    with pytest.raises(ValueError, match=f"audio_prompt {message}"):
        prompt_from_recording(synthesizer, codes, "[S1] La.")


@pytest.mark.parametrize("kind", ["int16", "int32", "int64", "uint16", "uint32", "uint64", ">i4"])
def test_codes_of_any_integer_type_are_codes(synthesizer, kind):
    (codes,) = random_codes(200)
    for given in (codes.numpy().astype(kind), *([codes.to(getattr(torch, kind))] if kind != ">i4" else [])):
        prompt = prompt_from_recording(synthesizer, given, "[S1] La.").line.prompt
        assert prompt.dtype == torch.int64
        assert torch.equal(prompt, codes)


@pytest.mark.parametrize("kind", ["int16", "int32", "uint8"])
def test_integers_that_may_be_samples_are_audio(synthesizer, kind):
    """As many channels as codes have."""
    sound = talking(1.5, rate=RATE)
    middle, full = (128, 127) if kind == "uint8" else (0, np.iinfo(kind).max)
    samples = np.stack(3 * [middle + sound * full], axis=1).astype(kind)
    expected = prompt_from_recording(synthesizer, np.stack(3 * [sound], axis=1), "").line.prompt
    assert len(prompt_from_recording(synthesizer, samples, "").line.prompt) == pytest.approx(len(expected), abs=2)


def test_a_prompt_too_long_for_the_model_is_rejected_before_it_is_encoded(synthesizer, monkeypatch):
    assert prompt_limit(synthesizer).seconds == ROWS / 200
    monkeypatch.setattr(DiaProcessor, "encode_audio", lambda *_: pytest.fail("it was encoded"))
    with pytest.raises(
        ValueError, match=r"audio_prompt lasts 9.2 s, but the model supports 8.0 s including the generated"
    ):
        prompt_from_recording(synthesizer, talking(9.0, rate=RATE), "")
    with pytest.raises(ValueError, match=r"audio_prompt lasts 9.0 s, but the model supports 8.0 s"):
        prompt_from_recording(synthesizer, random_codes(9 * 200)[0], "[S1] La.")
    prompt_from_recording(
        synthesizer, random_codes(9 * 200)[0], "[S1] La.", limit=prompt_limit(synthesizer, 10 * 200)
    )  # where more rows are asked for
    with pytest.raises(ValueError, match=r"contains 25.0 s of speech, but a voice needs 1 to 20 s"):
        prompt_from_recording(synthesizer, talking(25.0, rate=RATE), "")


def test_a_voice_too_long_for_the_model_is_rejected(synthesizer):
    codec = CodecRecord.of(synthesizer.processor.audio_tokenizer)
    with pytest.raises(ValueError, match=r"voice lasts 9.0 s, but the model supports 8.0 s"):
        prompt_from_voice(synthesizer, Voice(random_codes(9 * 200)[0], "[S1] La.", codec, "nobody's voice"))


# Room


def test_a_pass_reserves_the_length_of_the_script_but_at_most_five_seconds():
    assert reserved_seconds(parse("[S1] These are three words.")) == pytest.approx(1.5, abs=0.2)
    assert reserved_seconds(parse("[S1] " + "These are some words. " * 40)) == 5.0


def test_a_prompt_that_leaves_enough_time_is_unchanged(synthesizer):
    whole = VoicePrompt((part_of(synthesizer, 3.0),), ("a remark",))
    line, remarks = fit_prompt(synthesizer, whole, 3.0)
    assert line.prompt is whole.parts[0].prompt
    assert (line.transcript, remarks) == (SAID, ("a remark",))


def test_a_prompt_is_shortened_to_the_last_sentence_that_fits(synthesizer, aligned):
    part = part_of(synthesizer, 7.0)
    whole = len(part.transcript)
    for seconds, said in (
        (6.5, "[S1] One two three. Four five, six seven eight nine."),
        (4.0, "[S1] One two three. Four five."),  # the first sentence alone is shorter than 2 s
        (2.2, "[S1] One two three."),
    ):
        line = shorten_prompt(synthesizer, part, seconds)
        assert line.transcript == said
        assert torch.equal(line.prompt, part.prompt[: len(line.prompt)])
        assert seconds_of(synthesizer, line) == pytest.approx(7.0 * len(said) / whole, abs=0.6)
        assert seconds_of(synthesizer, line) <= seconds


def test_without_a_pause_nothing_is_cut(synthesizer, aligned, monkeypatch):
    part = part_of(synthesizer, 5.5)
    monkeypatch.setattr(prompts, "pauses", lambda sound, rate: [])
    assert shorten_prompt(synthesizer, part, 4.0) is part
    line, (remark,) = fit_prompt(synthesizer, VoicePrompt((part,)), 3.0)
    assert line.prompt is part.prompt
    assert remark.startswith("the voice takes 5.5 s of the 6.0 s that the model speaks well in one pass")
    assert remark.endswith("Use a voice of at most 3.0 s.")


def test_shortening_keeps_both_speakers_of_a_recording(synthesizer, aligned):
    said = "[S1] One two three four. Five six seven. [S2] Eight nine ten. Eleven twelve thirteen."
    assert (
        shorten_prompt(synthesizer, part_of(synthesizer, 7.0, said), 6.0).transcript == said[: said.index(" Eleven")]
    )
    part = part_of(synthesizer, 7.0, said)
    assert shorten_prompt(synthesizer, part, 4.0) is part  # S2 would be lost


def test_each_speaker_has_an_equal_share_plus_what_the_other_leaves(synthesizer, aligned):
    short, long = part_of(synthesizer, 1.0, "[S1] La."), part_of(synthesizer, 5.0, SAID.replace("S1", "S2"))
    line, remarks = fit_prompt(synthesizer, VoicePrompt((short, long)), 2.0)
    assert line.transcript == "[S1] La. [S2] One two three. Four five."
    assert torch.equal(line.prompt[:200], short.prompt)
    assert seconds_of(synthesizer, line) <= 4.0
    assert remarks == ()


def test_shortening_does_not_depend_on_the_other_texts(aligned):
    synthesizer = tiny_speech(pass_seconds=10.0)
    codec = CodecRecord.of(synthesizer.processor.audio_tokenizer)
    voice = Voice(part_of(synthesizer, 6.5).prompt, SAID, codec, "nobody's voice")
    short, long = "[S1] Hi.", "[S1] " + "These are some words. " * 10
    alone = [jobs_of(synthesizer, text, voice=voice)[0].voice for text in (short, long)]
    together = [job.voice for job in jobs_of(synthesizer, [short, long], voice=voice)]
    assert [line.transcript for line in together] == [line.transcript for line in alone]
    assert alone[0].transcript == SAID
    assert alone[1].transcript != SAID


def test_the_example_voices_work_together():
    synthesizer = Dia.from_pretrained("mini").synthesizer
    script = parse("[S1] " + "These are some words. [S2] And these are others. [S1] " * 6 + "Yes.")
    whole = prompt_from_voice(synthesizer, {"S1": "clara", "S2": "bruno"})
    line, remarks = fit_prompt(synthesizer, whole, reserved_seconds(script))
    said = "[S1] Good morning. The garden looks beautiful today. [S2] Good evening. We came home late last night."
    assert re.sub(r" \{v0[^}]*\}", "", line.transcript) == said
    assert line.transcript.count("{v0.") == 2  # the marks of both voices
    assert seconds_of(synthesizer, line) == pytest.approx(5.6, abs=0.6)
    assert remarks == ()


# Descriptions of voices


@pytest.fixture
def describing():
    """A synthesizer whose processor describes voices."""
    synthesizer = tiny_speech(pass_seconds=6.0)
    torch.manual_seed(0)
    synthesizer.processor.speaker_encoder = SpeakerEncoder(CHANNELS, CODES, dimensions=3, levels=4)
    return synthesizer


def test_each_part_of_a_prompt_is_described_by_its_own_codes(describing):
    parts = part_of(describing, 1.0, "[S1] One two."), part_of(describing, 1.5, "[S2] Three.")
    line, _ = fit_prompt(describing, VoicePrompt(parts), 3.0)
    first, second = (describing.processor.speaker_encoder.description(part.prompt) for part in parts)
    assert line.transcript == f"[S1] {first} One two. [S2] {second} Three."
    assert torch.equal(line.prompt, torch.cat([part.prompt for part in parts]))


def test_a_recording_of_two_speakers_or_without_a_transcript_is_not_described(describing):
    for said in ("[S1] One two. [S2] Three.", ""):
        line, _ = fit_prompt(describing, VoicePrompt((part_of(describing, 1.0, said),)), 3.0)
        assert line.transcript == said


def test_a_shortened_prompt_is_described_by_the_whole_recording(describing, aligned):
    part = part_of(describing, 5.5)
    line, _ = fit_prompt(describing, VoicePrompt((part,)), 3.0)
    described = describing.processor.speaker_encoder.description(part.prompt)
    assert line.transcript == f"[S1] {described} One two three. Four five."
    assert len(line.prompt) < len(part.prompt)
