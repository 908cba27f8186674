"""The speaker encoder: marks of a voice, in the text for a prompt, in the processor and on disk."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import BOS, CHANNELS, EOS, PAD, PATTERN, tiny_model
from tiny_codec import CODES, HOP, RATE, random_codes

from dia.codec.speaker_encoder import SPEAKER_ENCODER, SpeakerEncoder
from dia.feature_extraction_dia import DiaFeatureExtractor
from dia.processing_dia import DiaProcessor
from dia.text.lexicon import Pronunciations
from dia.tokenization_dia import DiaTokenizer
from dia.training.data.compatibility import trainable_clips
from dia.training.data.dataset import Examples
from dia.training.data.dialogues import Clip

WORDS = {"go": "g ow1"}


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    encoder = SpeakerEncoder(CHANNELS, CODES, dimensions=3, levels=4, width=8, hidden=8).eval()
    encoder.output.weight.data *= 20  # of a fresh one, all voices are much alike
    encoder.output.bias.data -= encoder.output.weight.data @ torch.full((8,), 0.1)
    return encoder


@pytest.fixture(scope="module")
def phones(encoder, tmp_path_factory):
    path = tmp_path_factory.mktemp("phones") / "pronunciations.txt.gz"
    Pronunciations(["g", "ow1", *encoder.marks], WORDS).save(path)
    return path


def processor_with(encoder, phones):
    return DiaProcessor(
        DiaFeatureExtractor(sampling_rate=RATE, hop_length=HOP),
        DiaTokenizer(max_length=None, pronunciations_file=phones),
        delay_pattern=PATTERN,
        bos_token_id=BOS,
        eos_token_id=EOS,
        pad_token_id=PAD,
        speaker_encoder=encoder,
    )


@pytest.fixture(scope="module")
def processor(encoder, phones):
    return processor_with(encoder, phones)


def read(processor, ids):
    """The text of ids, with phones and marks in braces."""
    return processor.tokenizer.decode([id_ for id_ in ids.tolist() if id_])


# Descriptions


def test_a_description_has_a_mark_for_each_dimension(encoder):
    described = {encoder.description(codes) for codes in random_codes(*range(1, 30))}
    assert len(described) > 3
    for one in described:
        marks = one.strip("{}").split()
        assert [mark.split(".")[0] for mark in marks] == ["v0", "v1", "v2"]
        assert set(marks) <= set(encoder.marks)
    assert len(encoder.marks) == len(set(encoder.marks)) == 12


def test_a_mark_is_the_nearest_level_of_its_dimension(encoder):
    codes = random_codes(20)[0]
    with torch.no_grad():
        values = encoder(codes[None], torch.ones(1, 20))[0].tolist()
    levels = [-1, -1 / 3, 1 / 3, 1]
    nearest = [min(range(4), key=lambda level: abs(levels[level] - value)) for value in values]
    expected = " ".join(f"v{number}.{level}" for number, level in enumerate(nearest))
    assert encoder.description(codes) == f"{{{expected}}}"


def test_the_values_do_not_depend_on_the_order_of_frames_or_on_padding(encoder):
    codes = random_codes(20)[0]
    padded = torch.cat([codes.flip(0), random_codes(7)[0]])[None]
    with torch.no_grad():
        alone = encoder(codes[None], torch.ones(1, 20))
        beside = encoder(padded, (torch.arange(27) < 20)[None])
    torch.testing.assert_close(alone, beside)


def test_a_description_stands_after_the_first_tag_of_one_speaker(encoder):
    codes = random_codes(20)[0]
    said = encoder.description(codes)
    assert encoder.described("[S2] Go. [S2] Go on.", codes) == f"[S2] {said} Go. [S2] Go on."
    once = encoder.described("[S1] Go.", codes)
    for text in (once, "[S1] Go. [S2] Go.", "Go.", " [S1] Go.", ""):
        assert encoder.described(text, codes) == text
    assert encoder.described("[S1] Go.", codes[:0]) == "[S1] Go."


@pytest.mark.parametrize("levels", [1, 65])
def test_too_few_or_too_many_levels_are_refused(levels):
    with pytest.raises(ValueError, match=f"levels is {levels}; it must be 2 to 64"):
        SpeakerEncoder(CHANNELS, CODES, 3, levels)


# In the processor


def test_the_processor_describes_the_voice_of_each_prompt_with_one_speaker(processor, encoder):
    codes = random_codes(20, 30, 40)
    texts = ["[S1] Go. Go.", "[S1] Go. [S2] Go.", "[S2] Go."]
    inputs = processor(texts, audio=[codes[0], codes[1], None])
    said = encoder.description(codes[0])
    assert read(processor, inputs["input_ids"][0]) == f"[S1] {said} {{g ow1}}. {{g ow1}}."
    assert read(processor, inputs["input_ids"][1]) == "[S1] {g ow1}. [S2] {g ow1}."
    assert read(processor, inputs["input_ids"][2]) == "[S2] {g ow1}."
    assert inputs["attention_mask"].sum(1).tolist() == [1 + 1 + 3 + 1 + 2 + 1 + 1 + 2 + 1, 11, 5]


def test_without_a_prompt_or_for_training_nothing_is_described(processor):
    codes = random_codes(20)
    assert read(processor, processor("[S1] Go.")["input_ids"][0]) == "[S1] {g ow1}."
    trained = processor(["[S1] Go."], audio=codes, generation=False)
    assert read(processor, trained["input_ids"][0]) == "[S1] {g ow1}."


def test_offsets_are_those_in_the_text_given(processor):
    plain = processor(["[S1] Go. Go."], return_offsets_mapping=True)["offset_mapping"][0].tolist()
    described = processor(["[S1] Go. Go."], audio=random_codes(20), return_offsets_mapping=True)
    offsets = described["offset_mapping"][0].tolist()
    assert offsets[:2] == plain[:2]
    assert offsets[-len(plain) + 2 :] == plain[2:]
    assert all(start == end == 5 for start, end in offsets[2 : 2 + 3])
    assert len(offsets) == len(plain) + 4


def test_a_tokenizer_without_the_marks_is_refused(encoder, tmp_path):
    Pronunciations(["g", "ow1"], WORDS).save(tmp_path / "pronunciations.txt.gz")
    for phones in (None, tmp_path / "pronunciations.txt.gz"):
        with pytest.raises(ValueError, match=r"no ids for 12 marks of speaker_encoder, such as v0\.0"):
            processor_with(encoder, phones)


@pytest.mark.parametrize("sizes", [(CHANNELS + 1, CODES), (CHANNELS, CODES // 2)])
def test_an_encoder_of_another_codec_is_refused(phones, sizes):
    with pytest.raises(ValueError, match=f"reads {sizes[0]} channels of {sizes[1]} codes, but the processor has"):
        processor_with(SpeakerEncoder(*sizes, dimensions=3, levels=4), phones)


# On disk


def test_a_saved_processor_describes_the_same(processor, tmp_path):
    codes = random_codes(20)
    processor.save_pretrained(tmp_path)
    loaded = DiaProcessor.from_pretrained(tmp_path)
    assert loaded.speaker_encoder is not None
    for one in random_codes(5, 17, 60):
        assert loaded.speaker_encoder.description(one) == processor.speaker_encoder.description(one)
    inputs = [one(["[S1] Go."], audio=codes)["input_ids"] for one in (processor, loaded)]
    assert torch.equal(*inputs)


def test_loading_does_not_change_the_callers_random_numbers(encoder, tmp_path):
    encoder.save(tmp_path / SPEAKER_ENCODER)
    state = torch.get_rng_state()
    SpeakerEncoder.load(tmp_path / SPEAKER_ENCODER)
    assert torch.equal(torch.get_rng_state(), state)


def test_saving_a_processor_without_one_removes_the_file(processor, phones, tmp_path):
    processor.save_pretrained(tmp_path)
    processor_with(None, phones).save_pretrained(tmp_path)
    assert not (tmp_path / SPEAKER_ENCODER).exists()
    assert DiaProcessor.from_pretrained(tmp_path).speaker_encoder is None


def test_a_missing_file_of_a_processor_is_named(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    (tmp_path / SPEAKER_ENCODER).unlink()
    with pytest.raises(FileNotFoundError, match=f"has no {SPEAKER_ENCODER}.*copy it from the checkpoint"):
        DiaProcessor.from_pretrained(tmp_path)


def changed(**tensors):
    def change(path):
        stored = load_file(path)
        save_file({**stored, **tensors}, path, {"kind": "dia speaker encoder", "levels": "4"})

    return change


def rewritten(metadata):
    return lambda path: save_file(load_file(path), path, metadata)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        lambda path: path.write_bytes(b""),
        rewritten(None),
        rewritten({"kind": "voice", "levels": "4"}),
        rewritten({"kind": "dia speaker encoder"}),
        rewritten({"kind": "dia speaker encoder", "levels": "four"}),
        rewritten({"kind": "dia speaker encoder", "levels": "0"}),
        changed(embedding=torch.full((CHANNELS, CODES, 8), float("nan"))),
        changed(embedding=torch.zeros(CHANNELS, CODES)),
        changed(**{"hidden.weight": torch.zeros(2, 2)}),
        changed(more=torch.zeros(2)),
    ],
)
def test_a_damaged_file_is_named(encoder, tmp_path, damage):
    path = tmp_path / SPEAKER_ENCODER
    encoder.save(path)
    damage(path)
    with pytest.raises(ValueError, match=SPEAKER_ENCODER):
        SpeakerEncoder.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(OSError, match=SPEAKER_ENCODER):
        SpeakerEncoder.load(tmp_path / SPEAKER_ENCODER)


def test_an_interrupted_save_keeps_the_old_file(encoder, tmp_path, monkeypatch):
    path = tmp_path / SPEAKER_ENCODER
    encoder.save(path)
    before = path.read_bytes()
    monkeypatch.setattr("dia.codec.speaker_encoder.save", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        encoder.save(path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [SPEAKER_ENCODER]


# Training


def test_training_reads_the_text_that_generation_reads_for_a_prompt(processor):
    first, second = random_codes(9, 7)
    clips = [Clip([first], "[S1] Go.", "ann"), Clip([second], "[S1] Ah.", "ann")]
    config = tiny_model().config
    learned = trainable_clips(clips, config, processor)
    script = Examples(learned, prompt_dropout=0.0, learn_prompt=False)[1]
    inputs = processor("[S1] Go. Ah.", audio=[first])
    assert script.ids == inputs.input_ids[0].tolist()
    assert processor.speaker_encoder.description(first) in read(processor, inputs.input_ids[0])
    assert script.prompt == len(first)


def test_clips_whose_voice_generation_does_not_describe_get_no_marks(processor):
    (codes,) = random_codes(9)
    texts = "[S1] Go. [S2] Go.", "Go.", "[S1] {v0.1} Go."
    clips = [Clip([codes], text, "ann") for text in texts]
    assert not any(clip.marks for clip in trainable_clips(clips, tiny_model().config, processor))
    plain = DiaProcessor(DiaFeatureExtractor(sampling_rate=RATE, hop_length=HOP), processor.tokenizer)
    assert not any(clip.marks for clip in trainable_clips([clips[1]], tiny_model().config, plain))
