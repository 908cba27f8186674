"""Voices: made from a recording and its transcript, saved to a file, joined for two speakers, found by name."""

import errno
import json
import os
from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from talking import RATE as RECORDED
from talking import talking
from tiny import CHANNELS
from tiny_codec import CODES, random_codes, tiny_codec, tiny_processor

from dia import MINI
from dia.cli import build_parser
from dia.codec.identity import CodecRecord
from dia.processing_dia import DiaProcessor
from dia.runtime.warnings import DiaWarning
from dia.voices import library as voice_folder
from dia.voices.description import describe
from dia.voices.library import find_voice, keep_voice, parse_voice_option, remove_voice, voice_files, voices_folder
from dia.voices.timbre import learned
from dia.voices.voice import Voice, joined

SAID = "[S1] The old man walked down to the harbour. He looked at all the ships, and went home again."
CONSENT = "nobody's voice"


@pytest.fixture(scope="module")
def processor():
    return tiny_processor(tiny_codec((2, 4, 5)))


@pytest.fixture(scope="module")
def record(processor):
    return CodecRecord.of(processor.audio_tokenizer)


@pytest.fixture
def voice(record):
    return Voice(random_codes(40)[0], SAID, record, CONSENT)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder for the user's voices, and no examples."""
    monkeypatch.setenv("DIA_VOICES", str(tmp_path / "voices"))
    monkeypatch.setattr(voice_folder, "EXAMPLES", tmp_path / "examples")
    return tmp_path / "voices"


def made(processor, audio=None, transcript=SAID, consent=CONSENT, **options):
    options = {"sampling_rate": RECORDED} | options
    return Voice.from_audio(
        talking(6.0) if audio is None else audio, transcript, processor=processor, consent=consent, **options
    )


def same(one: Voice, other: Voice) -> bool:
    return torch.equal(one.codes, other.codes) and all(
        getattr(one, name) == getattr(other, name) for name in ("transcript", "codec", "consent", "warnings")
    )


# Making


def test_a_voice_has_codes_and_a_transcript(processor, record):
    voice = made(processor)
    assert voice.codes.dtype == torch.int64
    assert voice.codes.shape[1] == CHANNELS
    assert voice.seconds == pytest.approx(6.2, abs=0.3)
    assert voice.sampling_rate == processor.sampling_rate
    assert voice.codec == record
    assert voice.fingerprint == record.weights
    assert voice.speakers == ("S1",)
    assert (voice.transcript, voice.consent) == (SAID, CONSENT)


def test_a_file_and_its_samples_make_the_same_voice(processor, tmp_path):
    soundfile.write(tmp_path / "voice.wav", talking(6.0), RECORDED, subtype="FLOAT")
    assert same(made(processor, tmp_path / "voice.wav"), made(processor))
    assert same(
        made(processor, {"array": talking(6.0), "sampling_rate": RECORDED}, sampling_rate=None), made(processor)
    )


def test_silence_around_a_recording_is_not_part_of_the_voice(processor):
    padded = np.pad(talking(6.0), (2 * RECORDED, RECORDED))
    assert made(processor, padded).seconds == pytest.approx(made(processor).seconds, abs=0.02)


def test_a_transcript_without_tags_has_one_speaker_and_is_normalized(processor):
    plain = "The old man walked down to the harbour at 6 p.m. and looked at all the ships, and went home."
    voice = made(processor, transcript=f"  {plain}\n")
    assert voice.transcript.startswith("[S1] The old man")
    assert " 6 " not in voice.transcript


@pytest.mark.parametrize("transcript", [None, "", "  \n", "[S1]", "[S1] [S2]"])
def test_a_missing_transcript_is_rejected_with_the_reason(processor, transcript):
    with pytest.raises(ValueError, match=r"transcript is missing.*repeats the words.*babbles.*Write down exactly"):
        made(processor, transcript=transcript)


def test_an_invalid_transcript_is_rejected(processor):
    with pytest.raises(TypeError, match="transcript is int"):
        made(processor, transcript=7)
    with pytest.raises(ValueError, match="transcript: "):
        made(processor, transcript="[S3] Hello there.")


@pytest.mark.parametrize("consent", [None, "", "yes", True, "  ", "---"])
def test_a_voice_needs_a_statement_of_consent(processor, consent):
    with pytest.raises(ValueError, match=r"State whose voice it is.*my own voice.*do not copy"):
        made(processor, consent=consent)


def test_a_processor_without_a_codec_is_rejected():
    with pytest.raises(ValueError, match="without a codec"):
        made(tiny_processor())


def test_problems_cause_warnings_and_are_stored(processor):
    with pytest.warns(DiaWarning, match=r"about the recording: it contains 3\.0 s"):
        voice = made(processor, talking(3.0), "[S1] The old man walked down to the harbour.")
    assert len(voice.warnings) == 1


def test_another_number_of_voices_than_in_the_transcript_causes_a_warning(processor):
    both = np.concatenate([talking(3.0, 100), talking(3.0, 200)])
    with pytest.warns(DiaWarning, match="contains two voices, but the transcript names one"):
        made(processor, both)
    half = len(SAID) // 2
    assert made(processor, both, f"{SAID[:half]} [S2] {SAID[half:]}").warnings == ()
    with pytest.warns(DiaWarning, match="names two speakers, but the pitch suggests only one"):
        made(processor, transcript=f"{SAID[:half]} [S2] {SAID[half:]}")


@pytest.mark.parametrize("transcript", ["[S1] Hello.", f"{SAID} {3 * SAID[5:]}"])
def test_a_transcript_of_another_length_causes_a_warning(processor, transcript):
    with pytest.warns(DiaWarning, match="Check that the transcript contains exactly the words"):
        made(processor, transcript=transcript)


def test_an_unusable_recording_is_rejected(processor, tmp_path):
    with pytest.raises(ValueError, match="audio is silent"):
        made(processor, np.zeros(6 * RECORDED))
    with pytest.raises(FileNotFoundError, match=r"the file .* does not exist"):
        made(processor, tmp_path / "missing.wav")


def test_invalid_attributes_are_rejected(voice, record):
    for codes, message in (
        (voice.codes[:0], "expected"),
        (voice.codes[:, :1], "expected"),
        (voice.codes + CODES, "they must be 0 to"),
        (voice.codes - CODES, "they must be 0 to"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(voice, codes=codes)
    with pytest.raises(TypeError, match="int64"):
        replace(voice, codes=voice.codes.float())
    for transcript in ("", "[S1]", "No tag."):
        with pytest.raises(ValueError, match="transcript"):
            replace(voice, transcript=transcript)
    with pytest.raises(ValueError, match="consent"):
        replace(voice, consent="")


# Using


def test_the_transcript_precedes_the_text_and_no_tag_is_repeated(voice):
    assert voice.before("[S1] And more.") == f"{SAID} And more."
    assert voice.before(" [S2] And more. [S1] Yes.") == f"{SAID} [S2] And more. [S1] Yes."
    assert voice.speaking_as("S2").before("[S1] And more.") == f"{SAID.replace('S1', 'S2')} [S1] And more."


def test_two_voices_are_joined_into_one_prompt(voice, record):
    other = Voice(random_codes(30)[0], "[S1] Nobody is here.", record, "another one's voice", ("it is short.",))
    both = joined({"S2": other, "S1": voice})
    assert both.transcript == f"{SAID} [S2] Nobody is here."
    assert torch.equal(both.codes, torch.cat([voice.codes, other.codes]))
    assert both.speakers == ("S1", "S2")
    assert both.consent == f"{CONSENT}; another one's voice"
    assert both.warnings == other.warnings
    assert joined({"S2": voice}).transcript == SAID.replace("[S1]", "[S2]")


def test_voices_that_cannot_be_joined_are_rejected(voice):
    both = joined({"S1": voice, "S2": voice})
    with pytest.raises(ValueError, match="the voice for S2 has two speakers"):
        joined({"S1": voice, "S2": both})
    for speakers in ({}, {"S3": voice}, {"S1": voice, "s2": voice}):
        with pytest.raises(ValueError, match="pass them for S1, S2 or both"):
            joined(speakers)
    with pytest.raises(ValueError, match="different codecs"):
        joined({"S1": voice, "S2": replace(voice, codec=replace(voice.codec, weights="00000000"))})


def advised(error: ValueError) -> Namespace:
    """The command that an error advises, parsed as `dia` parses it."""
    words = str(error).partition(": dia ")[2].split()
    assert words[:2] == ["voice", "make"]
    parsed = build_parser().parse_args(words)
    assert parsed.transcript
    assert parsed.consent
    return parsed


@pytest.mark.parametrize(("given", "name"), [("ann", "ann"), ("ann lee", "NAME"), ("'", "NAME"), ("-ann", "NAME")])
def test_the_command_that_makes_an_unknown_voice_is_complete(given, name):
    with pytest.raises(ValueError, match="there is no voice") as error:
        find_voice(given)
    assert advised(error.value).name == name


def test_the_command_that_makes_a_voice_for_another_codec_is_complete(voice):
    with pytest.raises(ValueError, match="a different codec") as error:
        voice.check_fits(tiny_processor(tiny_codec((2, 4, 5), seed=1)))
    assert advised(error.value).model == "MODEL"


def test_a_voice_fits_only_its_own_codec(voice, processor):
    voice.check_fits(processor)
    with pytest.raises(ValueError, match=r"a different codec than the model's: its weights differ.*dia voice make"):
        voice.check_fits(tiny_processor(tiny_codec((2, 4, 5), seed=1)))
    with pytest.raises(ValueError, match="it has 40 samples per frame, the model's 6"):
        voice.check_fits(tiny_processor(tiny_codec()))


# Keeping


def test_a_saved_voice_loads_unchanged_and_is_small(voice, tmp_path):
    kept = replace(voice, warnings=("it is short.",))
    kept.save(tmp_path / "voice.safetensors")
    assert same(Voice.load(tmp_path / "voice.safetensors"), kept)
    assert (tmp_path / "voice.safetensors").stat().st_size < 4 * voice.codes.numel() + 2000
    assert [path.name for path in tmp_path.iterdir()] == ["voice.safetensors"]


def test_a_voice_is_written_completely_or_not_at_all(voice, tmp_path, monkeypatch):
    path = tmp_path / "voice.safetensors"
    voice.save(path)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(
        OSError, match=r"voice\.safetensors cannot be written: No space left.*An existing file is unchanged"
    ):
        replace(voice, transcript="[S1] Another one.").save(path)
    assert same(Voice.load(path), voice)
    assert [path.name for path in tmp_path.iterdir()] == ["voice.safetensors"]


def test_paths_that_cannot_be_written_are_errors(voice, tmp_path):
    with pytest.raises(OSError, match="the folder does not exist"):
        voice.save(tmp_path / "nowhere" / "voice.safetensors")
    with pytest.raises(ValueError, match="does not end in"):
        voice.save(tmp_path / "voice.wav")


def damaged(path, told=None, codes=None):
    """Write a voice file with other metadata or codes."""
    record = CodecRecord("00000000", 8000, 40, CHANNELS, CODES)
    right = {"kind": "dia voice 1", "transcript": SAID, "consent": CONSENT, "codec": json.dumps(vars(record))}
    metadata = {key: value for key, value in (right | (told or {})).items() if value is not None}
    save_file({"codes": random_codes(9)[0].int() if codes is None else codes}, path, metadata)


@pytest.mark.parametrize(
    "told",
    [
        {"kind": "other"},
        {"kind": None},
        {"transcript": None},
        {"transcript": "No tag."},
        {"consent": None},
        {"consent": ""},
        {"codec": "{"},
        {"codec": "{}"},
        {"codec": "[1]"},
        {"codec": json.dumps(vars(CodecRecord("0", 0, 40, CHANNELS, CODES)))},
        {"codec": json.dumps(vars(CodecRecord("0", 8000, 40, CHANNELS + 1, CODES)))},
        {"codec": json.dumps(vars(CodecRecord("0", 8000, 40, CHANNELS, 2)))},
        {"warnings": "{"},
    ],
    ids=str,
)
def test_a_file_with_invalid_metadata_is_rejected(tmp_path, told):
    damaged(tmp_path / "voice.safetensors", told)
    with pytest.raises(ValueError, match=r"voice\.safetensors is not a voice, or is damaged .* Make it again"):
        Voice.load(tmp_path / "voice.safetensors")


@pytest.mark.parametrize("codes", [torch.zeros(0, CHANNELS), torch.zeros(4), torch.zeros(4, CHANNELS), torch.ones(1)])
@pytest.mark.parametrize("dtype", [torch.int32, torch.float32])
def test_codes_of_another_dtype_or_shape_are_rejected(tmp_path, codes, dtype):
    codes = codes.to(dtype)
    if dtype == torch.int32 and codes.shape == (4, CHANNELS):
        codes -= 1
    damaged(tmp_path / "voice.safetensors", codes=codes)
    with pytest.raises(ValueError, match="is not a voice, or is damaged"):
        Voice.load(tmp_path / "voice.safetensors")


@pytest.fixture
def timbre(record):
    spoken = talking(2.0)
    return learned([(spoken, np.convolve(spoken, [0.5, 0.3], "same").astype(np.float32))], record.sampling_rate)


def test_a_timbre_is_saved_with_the_voice_and_listed_like_others(voice, timbre, tmp_path):
    matched = replace(voice, timbre=timbre)
    matched.save(tmp_path / "voice.safetensors")
    loaded = Voice.load(tmp_path / "voice.safetensors")
    assert same(loaded, voice)
    assert loaded.timbre.sampling_rate == voice.sampling_rate
    for name, values in timbre.tensors.items():
        assert torch.equal(loaded.timbre.tensors[name], values)
    assert describe(tmp_path / "voice.safetensors").seconds == pytest.approx(voice.seconds)
    assert matched.speaking_as("S2").timbre is timbre


@pytest.mark.parametrize("damage", ["missing", "shape", "nan", "unknown"])
def test_a_damaged_timbre_is_rejected(voice, timbre, tmp_path, damage):
    path = tmp_path / "voice.safetensors"
    replace(voice, timbre=timbre).save(path)
    with safe_open(path, "pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if damage == "missing":
        del tensors["timbre.scale"]
    elif damage == "shape":
        tensors["timbre.change"] = tensors["timbre.change"][1:].contiguous()
    elif damage == "nan":
        tensors["timbre.spoken"][0, 0] = torch.nan
    else:
        tensors["timbre.other"] = torch.zeros(1)
    save_file(tensors, path, metadata)
    with pytest.raises(ValueError, match="is not a voice, or is damaged"):
        Voice.load(path)


def test_a_file_that_is_truncated_or_not_a_voice_is_rejected(voice, tmp_path):
    path = tmp_path / "voice.safetensors"
    voice.save(path)
    whole = path.read_bytes()
    for content in (b"", b"no voice", whole[:20], whole[:-5], b"\xff" * 100):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is not a voice, or is damaged"):
            Voice.load(path)
    path.write_bytes(bytes(17 * 2**20))
    with pytest.raises(ValueError, match="17 MB"):
        Voice.load(path)
    with pytest.raises(FileNotFoundError, match=r"the voice file .* does not exist"):
        Voice.load(tmp_path / "missing.safetensors")
    with pytest.raises(FileNotFoundError, match="is a folder, not a voice file"):
        Voice.load(tmp_path)


# Names


def test_voices_are_kept_found_and_removed_by_name(voice, folder):
    assert voice_files() == {}
    path = keep_voice(voice, "ann")
    assert path == folder / "ann.safetensors"
    assert voice_files() == {"ann": path}
    assert same(find_voice("ann"), voice)
    assert remove_voice("ann") == path
    assert voice_files() == {}


def test_a_voice_can_be_given_in_several_forms(voice, folder):
    path = keep_voice(voice, "ann")
    for given in (voice, "ann", path, str(path)):
        assert same(find_voice(given), voice)
    assert same(find_voice({"S1": "ann", "S2": path}), joined({"S1": voice, "S2": voice}))
    for nothing in (7, None, ["ann"]):
        with pytest.raises(TypeError, match="expected a Voice, a name, a path"):
            find_voice(nothing)
    with pytest.raises(FileNotFoundError, match=r"the voice file .* does not exist"):
        find_voice("folder/of/ann")


def test_voice_options_of_the_command_line_are_parsed():
    assert parse_voice_option([]) is None
    assert parse_voice_option(["ann"]) == "ann"
    assert parse_voice_option(["s1=ann"]) == {"S1": "ann"}
    assert parse_voice_option(["S2=voices/a=b.safetensors", "S1=ann"]) == {"S2": "voices/a=b.safetensors", "S1": "ann"}
    for wrong in (["ann", "bob"], ["S1=ann", "bob"], ["S1=ann", "s1=bob"]):
        with pytest.raises(ValueError, match="one voice for all, or S1=VOICE and S2=VOICE"):
            parse_voice_option(wrong)


def test_an_unknown_voice_is_rejected_with_the_known_ones(voice, folder):
    with pytest.raises(ValueError, match=r"there is no voice 'bob'\. Choose one of these \(none"):
        find_voice("bob")
    keep_voice(voice, "ann")
    for ask in (find_voice, remove_voice):
        with pytest.raises(ValueError, match=r"there is no voice 'bob'\. Choose one of these \(ann"):
            ask("bob")


def test_a_voice_is_replaced_only_with_overwrite(voice, folder):
    keep_voice(voice, "ann")
    with pytest.raises(ValueError, match="a voice 'ann' already exists"):
        keep_voice(voice, "ann")
    keep_voice(voice.speaking_as("S2"), "ann", overwrite=True)
    assert find_voice("ann").speakers == ("S2",)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../ann", "a/b", "a\\b", "/ann", ".ann", "ann.wav", "a b", "a" * 65, "a\0", 7]
)
def test_names_must_not_be_paths(voice, folder, name):
    for act in (lambda: keep_voice(voice, name), lambda: remove_voice(name)):
        with pytest.raises(ValueError, match="is not a valid voice name"):
            act()
    assert not folder.exists()


def test_examples_can_be_overridden_but_not_removed(voice, folder, monkeypatch):
    examples = folder.parent / "examples"
    examples.mkdir()
    voice.save(examples / "ann.safetensors")
    assert same(find_voice("ann"), voice)
    with pytest.raises(ValueError, match="'ann' is an example"):
        remove_voice("ann")
    keep_voice(voice.speaking_as("S2"), "ann")
    assert find_voice("ann").speakers == ("S2",)
    remove_voice("ann")
    assert same(find_voice("ann"), voice)


def test_the_folder_can_be_set_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("DIA_VOICES", "~/spoken")
    assert voices_folder().parts[-1] == "spoken"
    assert "~" not in str(voices_folder())
    monkeypatch.delenv("DIA_VOICES")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert voices_folder() == tmp_path / "dia" / "voices"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert voices_folder().parts[-4:] == (".local", "share", "dia", "voices")


def test_without_a_home_the_remedy_is_named(monkeypatch):
    monkeypatch.delenv("DIA_VOICES", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(OSError, match="set DIA_VOICES"):
        voices_folder()


# The examples


@pytest.mark.skipif(not (MINI / "voices").is_dir(), reason="the examples are not made yet")
def test_the_examples_fit_the_embedded_codec():
    """After a change of the codec, run: python -m dia.training.mini.example_voices"""
    processor = DiaProcessor.from_pretrained(MINI)
    examples = sorted((MINI / "voices").glob("*.safetensors"))
    assert len(examples) == 2
    for path in examples:
        voice = Voice.load(path)
        voice.check_fits(processor)
        assert 3 <= voice.seconds <= 7
        assert voice.warnings == ()
        assert path.stat().st_size < 20_000
