"""The processor: prepares scripts and prompts, decodes grids to audio, and is saved to one folder."""

import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from tiny import BOS, CHANNELS, EOS, PAD, PATTERN
from tiny_codec import CODES, HOP, RATE, random_codes, tiny_codec, tiny_processor

from dia.codec import dac as codec
from dia.decoding.delay import delay
from dia.decoding.grid import Channels
from dia.feature_extraction_dia import DiaFeatureExtractor
from dia.processing_dia import DiaProcessor
from dia.tokenization_dia import DiaTokenizer

DELAY = max(PATTERN)


@pytest.fixture(scope="module")
def model():
    return tiny_codec()


@pytest.fixture(scope="module")
def processor(model):
    return tiny_processor(model)


@pytest.fixture(scope="module")
def text_processor():
    """A processor without a codec."""
    return tiny_processor()


def noise(samples, seed=0):
    return (np.random.default_rng(seed).random(samples, dtype=np.float32) - 0.5).astype(np.float32)


def finished(codes, rows=None):
    """The grid of a model that has generated `codes` [T, C] and ended."""
    ends = [torch.full((1, len(PATTERN)), value) for value in (BOS, EOS)]
    grid = delay(torch.cat([ends[0], codes, ends[1]])[None], PATTERN, BOS, PAD)[0]
    return torch.cat([grid, torch.full(((rows or len(grid)) - len(grid), len(PATTERN)), PAD)])


def alone(model, codes):
    with torch.no_grad():
        return model.decode(audio_codes=codes.T[None]).audio_values[0]


# Model inputs


def test_text_alone_starts_from_bos(processor):
    inputs = processor(["[S1] Hi.", "[S2] Hello."])
    assert inputs["input_ids"].shape == inputs["attention_mask"].shape == (2, 8)
    expected = [[BOS, BOS, BOS], [PAD, BOS, BOS], [PAD, BOS, BOS], [PAD, PAD, BOS]]
    assert inputs["decoder_input_ids"].tolist() == [expected, expected]
    assert inputs["decoder_attention_mask"].all()


def test_prompts_of_unequal_length_end_in_the_same_row(processor, model):
    clips = [noise(60), noise(121)]
    inputs = processor(["a", "b"], clips)
    codes = codec.encode(model, [torch.from_numpy(clip) for clip in clips])
    grid = inputs["decoder_input_ids"]
    assert grid.shape == (2, 1 + 21 + DELAY, 3)
    assert torch.equal(grid[0, 12:22, 0], codes[0][:, 0])
    assert torch.equal(grid[1, 1:22, 0], codes[1][:, 0])
    assert inputs["decoder_attention_mask"].sum(-1).tolist() == [1 + 10 + DELAY, 1 + 21 + DELAY]
    assert processor.get_audio_prompt_len(inputs["decoder_attention_mask"]) == 22


def test_rows_without_a_prompt_are_none_in_the_list(processor):
    mixed = processor(["a", "b", "c"], [None, noise(60), None])
    assert mixed["decoder_attention_mask"].sum(-1).tolist() == [1 + DELAY, 11 + DELAY, 1 + DELAY]
    assert (mixed["decoder_input_ids"][0, :11, 0] == BOS).all()
    nothing = processor(["a", "b"], [None, None])
    assert torch.equal(nothing["decoder_input_ids"], processor(["a", "b"])["decoder_input_ids"])


def test_a_prompt_can_be_a_path_a_dict_or_codes_at_any_rate(processor, tmp_path):
    clip = noise(600)
    soundfile.write(tmp_path / "a.wav", clip, RATE, subtype="FLOAT")
    expected = processor("a", clip)["decoder_input_ids"]
    codes = processor.encode_audio(clip)[0]
    for audio in (tmp_path / "a.wav", {"array": clip, "sampling_rate": RATE}, [clip], torch.from_numpy(clip), codes):
        assert torch.equal(processor("a", audio)["decoder_input_ids"], expected)
    fast = processor("a", noise(1200), sampling_rate=2 * RATE)
    assert fast["decoder_input_ids"].shape == expected.shape


def test_codes_are_prompts_without_a_codec_too(text_processor):
    codes = random_codes(5)[0]
    assert torch.equal(
        text_processor.undelayed_codes(text_processor(["a", "b"], [codes, None])["decoder_input_ids"])[0], codes
    )


def test_labels_are_the_next_row_without_bos_and_pad(processor):
    inputs = processor(["a", "b"], [noise(60), noise(18)], generation=False, output_labels=True)
    grid = inputs["decoder_input_ids"]
    labels = inputs["labels"].view(2, 3, -1).transpose(1, 2)
    assert labels.shape == grid.shape
    assert torch.equal(labels[0, :-1][labels[0, :-1] >= 0], grid[0, 1:][labels[0, :-1] >= 0])
    assert set(labels[labels < 0].tolist()) == {-100}
    assert (labels == EOS).sum() == 2 * 3
    assert not ((labels == BOS) | (labels == PAD)).any()


def test_token_ids_and_delays_can_be_given_with_the_call(processor):
    own = processor("a", delay_pattern=[0, 1, 1], bos_token_id=62)["decoder_input_ids"]
    nested = processor("a", audio_kwargs={"delay_pattern": [0, 1, 1], "bos_token_id": 62})["decoder_input_ids"]
    assert own.shape == (1, 2, 3)
    assert own[0, 0].tolist() == [62, 62, 62]
    assert torch.equal(own, nested)


def test_text_options_do_not_affect_the_audio(processor):
    plain = processor("abcdef", noise(600))
    cut = processor("abcdef", noise(600), truncation=True, max_length=3)
    assert cut["input_ids"].shape == (1, 3)
    assert torch.equal(cut["decoder_input_ids"], plain["decoder_input_ids"])
    shorter = processor("a", noise(600), audio_kwargs={"truncation": True, "max_length": 60})
    assert shorter["decoder_input_ids"].shape == (1, 1 + 10 + DELAY, 3)


def test_clips_padded_on_the_left_have_the_codes_of_clips_padded_on_the_right(processor, model):
    left = tiny_processor(model)
    left.feature_extractor.padding_side = "left"
    clips = [noise(62), noise(121, seed=1), noise(6, seed=2)]
    for key, value in processor(["a", "b", "c"], clips).items():
        assert torch.equal(left(["a", "b", "c"], clips)[key], value), key
    for one, other in zip(left.encode_audio(clips), processor.encode_audio(clips), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("[S1] Hello world", "[S1] Hello world."),
        ("[S1] Who? [S2] Me:", "[S1] Who? [S2] Me."),
        (["[S1] One", "[S2] Two."], ["[S1] One.", "[S2] Two."]),
        (("[S1] One", "[S2] Two (laughs)"), ["[S1] One.", "[S2] Two (laughs)"]),
    ],
)
def test_final_stops_are_added_as_the_model_expects(text, read):
    plain, stopping = tiny_processor(), tiny_processor()
    stopping.final_stop = True
    ended, as_given = plain(read)["input_ids"], plain(text)["input_ids"]
    assert torch.equal(stopping(text)["input_ids"], ended)
    assert torch.equal(plain(text, final_stop=True)["input_ids"], ended)
    assert torch.equal(stopping(text, final_stop=False)["input_ids"], as_given)
    assert not torch.equal(as_given, ended)


def test_final_stop_must_be_a_bool(model):
    with pytest.raises(TypeError, match="final_stop is 'yes'; expected True or False"):
        DiaProcessor(DiaFeatureExtractor(), DiaTokenizer(), final_stop="yes")


def test_init_arguments_of_the_tokenizer_are_its_defaults(model):
    own = tiny_processor(model)
    own.tokenizer = DiaTokenizer(max_length=48, padding_side="left", pad_to_multiple_of=4)
    assert own(["a", "bcdef"])["input_ids"].shape == (2, 8)
    assert own(["a", "bc"])["input_ids"].tolist() == [[0, 0, 0, 97], [0, 0, 98, 99]]
    assert own(["a", "bc"], padding_side="right")["input_ids"].tolist() == [[97, 0, 0, 0], [98, 99, 0, 0]]


def test_the_delay_is_available_as_static_methods():
    indices = DiaProcessor.build_indices(bsz=1, seq_len=3, num_channels=2, delay_pattern=[0, 2], revert=False)
    grid = torch.tensor([[[1, 2], [3, 4], [5, 6]]])
    delayed = DiaProcessor.apply_audio_delay(grid, pad_token_id=PAD, bos_token_id=BOS, precomputed_idx=indices)
    assert delayed.tolist() == [[[1, BOS], [3, BOS], [5, 2]]]


@pytest.mark.parametrize(
    ("text", "audio", "options", "error", "message"),
    [
        (None, None, {}, ValueError, "text is None"),
        (["a", 5], None, {}, TypeError, r"text\[1\] is int"),
        ("x" * 49, None, {}, ValueError, "text has 49 bytes .* the encoder's limit is 48"),
        (["a", "b"], [np.zeros(60)], {}, ValueError, "audio has 1 clips for 2 texts"),
        (["a", "b"], [np.zeros(60), np.zeros(2)], {}, ValueError, r"audio\[1\] has 2 samples"),
        (["a", "b"], [None, np.full(60, np.nan)], {}, ValueError, r"audio\[1\] contains NaN"),
        ("a", object(), {}, TypeError, "audio is object"),
        ("a", np.zeros(60), {"output_labels": True}, ValueError, "generation=False"),
        ("a", None, {"generation": False}, ValueError, "audio is missing"),
        (["a", "b"], [np.zeros(60), None], {"generation": False}, ValueError, "needs a clip for every text"),
        ("a", None, {"return_tensors": "np"}, ValueError, "return_tensors is 'np'"),
    ],
)
def test_invalid_inputs_are_refused_by_name(processor, text, audio, options, error, message):
    with pytest.raises(error, match=message):
        processor(text, audio, **options)


# Decoding


def test_batch_decode_decodes_every_row_as_if_alone(processor, model):
    clips = random_codes(7, 30, 1)
    grid = torch.stack([finished(codes, rows=40) for codes in clips])
    for waveform, codes in zip(processor.batch_decode(grid), clips, strict=True):
        assert waveform.dtype == torch.float32
        assert waveform.device.type == "cpu"
        torch.testing.assert_close(waveform, alone(model, codes), rtol=0, atol=1e-5)


def test_batch_decode_drops_no_frame_without_an_eos(processor, model):
    codes = random_codes(12)[0]
    grid = finished(codes)[: 1 + 12 + DELAY][None]
    torch.testing.assert_close(processor.batch_decode(grid)[0], alone(model, codes), rtol=0, atol=1e-5)


def test_batch_decode_takes_a_prompt_length_for_each_row(processor, model):
    clips = random_codes(9, 12)
    grid = torch.stack([finished(codes, rows=20) for codes in clips])
    for lengths in ([4, 6], torch.tensor([4, 6])):
        waveforms = processor.batch_decode(grid, audio_prompt_len=lengths)
        torch.testing.assert_close(waveforms[0], alone(model, clips[0][3:]), rtol=0, atol=1e-5)
        torch.testing.assert_close(waveforms[1], alone(model, clips[1][5:]), rtol=0, atol=1e-5)


def test_the_codec_runs_in_batches(processor, model, monkeypatch):
    calls = []
    decode = model.decode
    monkeypatch.setattr(
        model, "decode", lambda audio_codes: calls.append(len(audio_codes)) or decode(audio_codes=audio_codes)
    )
    codes = processor.undelayed_codes(torch.stack([finished(codes) for codes in random_codes(9, 9, 9)]))
    codec.decode(model, codes, batch_size=16)
    assert calls == [3]


def test_only_the_delay_rows_are_trimmed(processor, model):
    grid = finished(random_codes(20)[0])[None]
    assert len(processor.batch_decode(grid)[0]) == codec.decoded_length(model, 20)


@pytest.mark.parametrize("rows", [1, max(PATTERN) + 1])
def test_a_grid_without_room_for_a_frame_makes_no_sound(processor, rows):
    cut_off = torch.zeros(1, rows, CHANNELS, dtype=torch.long)
    with pytest.raises(ValueError, match=rf"has {rows} rows, but one frame of audio needs {max(PATTERN) + 2}"):
        processor.batch_decode(cut_off)


def test_a_row_without_speech_is_empty(processor):
    grid = torch.stack([finished(codes, rows=10) for codes in random_codes(0, 4)])
    assert [len(waveform) > 0 for waveform in processor.batch_decode(grid)] == [False, True]


def test_decode_accepts_one_grid_and_the_output_object_of_generate(processor):
    grid = finished(random_codes(6)[0])
    expected = processor.batch_decode(grid[None])[0]
    for output in (grid, grid[None], SimpleNamespace(sequences=grid[None])):
        assert torch.equal(processor.decode(output), expected)
    with pytest.raises(ValueError, match="has 2 grids"):
        processor.decode(torch.stack([grid, grid]))


def test_codes_can_be_extracted_without_a_codec(text_processor):
    codes = random_codes(6)[0]
    assert torch.equal(text_processor.undelayed_codes(finished(codes)[None])[0], codes)


def test_invalid_codes_are_refused_never_turned_to_zero(processor):
    grid = finished(random_codes(6)[0])[None].clone()
    grid[0, 1 + 2 + PATTERN[1], 1] = CODES
    with pytest.raises(ValueError, match=rf"codes\[0\] contains {CODES} at frame 2, channel 1"):
        processor.batch_decode(grid)


def test_encoding_and_decoding_a_prompt_equals_the_codec(processor, model):
    clip = noise(600)
    waveform = processor.decode(processor("a", clip)["decoder_input_ids"])
    codes = codec.encode(model, [torch.from_numpy(clip)])[0]
    torch.testing.assert_close(waveform, alone(model, codes), rtol=0, atol=1e-5)


def test_a_grid_of_another_model_is_refused(processor):
    with pytest.raises(ValueError, match="4 channels, but the delay pattern is"):
        processor.batch_decode(torch.zeros(1, 20, 4, dtype=torch.long))


def test_without_a_codec_audio_is_refused_with_the_remedy(text_processor):
    for call in (
        lambda: text_processor("a", noise(60)),
        lambda: text_processor.batch_decode(finished(random_codes(4)[0])[None]),
    ):
        with pytest.raises(ValueError, match="needs a codec, but the processor has none"):
            call()


# Matching parts


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"delay_pattern": [0, 1]}, "3 codebooks, but delay_pattern has 2"),
        ({"feature_extractor": DiaFeatureExtractor(sampling_rate=16000, hop_length=HOP)}, "8000 Hz, but feature_ext"),
        ({"feature_extractor": DiaFeatureExtractor(sampling_rate=RATE, hop_length=512)}, "6 samples per frame"),
        ({"eos_token_id": 31}, "eos_token_id=31 must be at least 64"),
    ],
)
def test_parts_that_do_not_match_are_refused(model, parts, message):
    fitting = {
        "feature_extractor": DiaFeatureExtractor(sampling_rate=RATE, hop_length=HOP),
        "tokenizer": DiaTokenizer(),
        "audio_tokenizer": model,
        "delay_pattern": PATTERN,
        "eos_token_id": EOS,
    }
    with pytest.raises(ValueError, match=message):
        DiaProcessor(**{**fitting, **parts})


@pytest.mark.parametrize("part", ["feature_extractor", "tokenizer", "audio_tokenizer"])
def test_parts_of_the_wrong_class_are_refused_by_name(part):
    parts = {"feature_extractor": DiaFeatureExtractor(), "tokenizer": DiaTokenizer(), "audio_tokenizer": None}
    with pytest.raises(TypeError, match=part):
        DiaProcessor(**{**parts, part: "a string"})


@pytest.mark.parametrize("name", ["bos_token_id", "eos_token_id", "pad_token_id"])
def test_token_ids_are_arguments_and_are_saved(name, tmp_path):
    DiaProcessor(DiaFeatureExtractor(), DiaTokenizer(), **{name: 1027}).save_pretrained(tmp_path)
    processor = DiaProcessor.from_pretrained(tmp_path)
    assert getattr(processor, name) == 1027
    assert getattr(DiaProcessor.from_pretrained(tmp_path, **{name: 1030}), name) == 1030
    if name != "eos_token_id":
        assert 1027 in processor("a")["decoder_input_ids"]


def test_a_codec_does_not_determine_the_delays(model):
    extractor = DiaFeatureExtractor(sampling_rate=RATE, hop_length=HOP)
    processor = DiaProcessor(extractor, DiaTokenizer(), model)
    assert processor("a", noise(60), delay_pattern=PATTERN)["decoder_input_ids"].shape == (1, 11 + DELAY, 3)
    with pytest.raises(ValueError, match="3 codebooks, but delay_pattern has 9 delays"):
        processor("a", noise(60))
    with pytest.raises(ValueError, match="3 codebooks, but delay_pattern has 9 delays"):
        processor.check_codec()


def test_the_published_ids_and_delays_are_the_default():
    processor = DiaProcessor(DiaFeatureExtractor(), DiaTokenizer())
    assert processor.delay_pattern == [0, 8, 9, 10, 11, 12, 13, 14, 15]
    assert (processor.eos_token_id, processor.pad_token_id, processor.bos_token_id) == (1024, 1025, 1026)


# Audio files


def test_save_audio_writes_one_or_many(processor, tmp_path):
    waveforms = processor.batch_decode(torch.stack([finished(codes, rows=40) for codes in random_codes(9, 30)]))
    paths = [tmp_path / "a.wav", str(tmp_path / "b.flac")]
    processor.save_audio(waveforms, paths)
    processor.save_audio(waveforms[0], tmp_path / "c.ogg", sampling_rate=16000)
    processor.save_audio(waveforms[0].numpy(), tmp_path / "d.wav", audio_kwargs={"sampling_rate": 12000})
    for path, waveform in zip(paths, waveforms, strict=True):
        samples, rate = soundfile.read(path, dtype="float32")
        assert rate == RATE
        np.testing.assert_allclose(samples, waveform.clamp(-1, 1), atol=1e-4)
    assert [soundfile.info(tmp_path / name).samplerate for name in ("c.ogg", "d.wav")] == [16000, 12000]


@pytest.mark.parametrize(
    ("audio", "path", "error", "message"),
    [
        (torch.zeros(9), ["a.wav", "b.wav"], ValueError, "2 paths for 1 waveforms"),
        ([torch.zeros(9)], 5, TypeError, "saving_path is int"),
        ([torch.zeros(9), torch.zeros(9)], ["a.wav", "b.nope"], ValueError, "not an audio format"),
        (torch.full((9,), torch.nan), "a.wav", ValueError, "NaN"),
        ([], "a.wav", ValueError, "audio is an empty list"),
    ],
)
def test_invalid_audio_is_refused_before_anything_is_written(
    processor, tmp_path, monkeypatch, audio, path, error, message
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        processor.save_audio(audio, path)
    assert list(Path().iterdir()) == []


def test_the_channels_are_those_of_the_processor():
    changed = tiny_processor(tiny_codec())
    changed.delay_pattern = [0, 1, 1]
    assert changed.channels == Channels([0, 1, 1], BOS, EOS, PAD)


def test_threads_may_share_a_processor(processor):
    clips = [noise(60 * n, seed=n) for n in (1, 2, 3, 4)]
    expected = [processor("x" * n, clip, delay_pattern=[0, n, n]) for n, clip in enumerate(clips, 1)]
    wrong = []

    def work(n):
        for _ in range(10):
            got = processor("x" * n, clips[n - 1], delay_pattern=[0, n, n])
            if any(not torch.equal(got[key], expected[n - 1][key]) for key in got):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
