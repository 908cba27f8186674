"""Our processor gives the same tensors and audio as the stock one, except where the stock one has a fault."""

import json

import numpy as np
import pytest
import torch
from tiny_codec import tiny_codec
from transformers import DacModel
from transformers.models.dia import feature_extraction_dia, processing_dia, tokenization_dia

from dia.decoding.delay import delay
from dia.feature_extraction_dia import DiaFeatureExtractor
from dia.processing_dia import DiaProcessor
from dia.tokenization_dia import DiaTokenizer

# The stock processor passes its tokenizer a max_length that causes a warning.
pytestmark = pytest.mark.filterwarnings("ignore:`max_length` is ignored when `padding`")

# The published ids and delays, which the stock processor requires, and a small codec at 44.1 kHz.
CHANNELS, BOS, EOS, PAD = 9, 1026, 1024, 1025
DELAYS = [0, 8, 9, 10, 11, 12, 13, 14, 15]
TEXTS = ["[S1] Hi.", "[S2] Héllo, you.", "[S1] A"]
LENGTHS = (100, 241, 8)


@pytest.fixture(scope="module")
def codec():
    model = tiny_codec((2, 4), channels=CHANNELS)
    model.config.sampling_rate = 44100
    return model


@pytest.fixture(scope="module")
def pair(codec):
    rates = {"sampling_rate": 44100, "hop_length": 8}
    stock_extractor = feature_extraction_dia.DiaFeatureExtractor(**rates)
    return (
        DiaProcessor(DiaFeatureExtractor(**rates), DiaTokenizer(), codec),
        processing_dia.DiaProcessor(stock_extractor, tokenization_dia.DiaTokenizer(), codec),
    )


@pytest.fixture(scope="module")
def clips():
    return [(np.random.default_rng(n).random(n) - 0.5).astype(np.float32) for n in LENGTHS]


def assert_same(pair, *arguments, **options):
    ours, theirs = (processor(*arguments, **options) for processor in pair)
    assert set(ours) == set(theirs)
    for key in theirs:
        # The stock grid is int32; ours is int64, as all other ids.
        assert torch.equal(ours[key], theirs[key].long()), key


@pytest.mark.parametrize("text", ["[S1] Hi.", TEXTS])
@pytest.mark.parametrize("options", [{}, {"delay_pattern": [0, 1, 2], "bos_token_id": 7}, {"padding_side": "left"}])
def test_text_only_is_prepared_alike(pair, text, options):
    assert_same(pair, text, **options)
    assert_same(pair, text=text, return_tensors="pt", **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sampling_rate": 44100},
        {"generation": False},
        {"audio_kwargs": {"generation": False}},
        {"generation": False, "output_labels": True},
        {"audio_kwargs": {"truncation": True, "max_length": 64}},
        {"eos_token_id": 1027, "generation": False},
    ],
    ids=str,
)
def test_audio_of_unequal_length_is_prepared_alike(pair, clips, options):
    assert_same(pair, TEXTS, clips, **options)
    assert_same(pair, TEXTS[0], clips[1], **options)
    assert_same(pair, text=TEXTS[:1], audio=clips[:1], **options)


def test_the_prompt_length_is_the_same(pair, clips):
    ours, theirs = pair
    mask = theirs(TEXTS, clips)["decoder_attention_mask"]
    assert ours.get_audio_prompt_len(mask) == theirs.get_audio_prompt_len(mask)


def finished(*lengths):
    """Grids of a model that has ended on its own, [B, R, C]."""
    noise = torch.Generator().manual_seed(0)
    frames = torch.full((len(lengths), max(lengths) + 2, CHANNELS), PAD)
    frames[:, 0] = BOS
    for row, length in enumerate(lengths):
        frames[row, 1 : 1 + length] = torch.randint(0, 32, (length, CHANNELS), generator=noise)
        frames[row, 1 + length] = EOS
    return delay(frames, DELAYS, BOS, PAD)


def test_ended_speech_decodes_to_the_same_audio(pair):
    grid = finished(30, 90, 61)
    ours, theirs = (processor.batch_decode(grid) for processor in pair)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
    torch.testing.assert_close(pair[0].decode(grid[1:2]), pair[1].decode(grid[1:2]), rtol=0, atol=1e-5)


def test_speech_after_a_prompt_decodes_to_the_same_audio(pair):
    grid = finished(30, 90)
    ours, theirs = (processor.batch_decode(grid, audio_prompt_len=11) for processor in pair)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_fault_batch_decode_drops_a_frame_when_there_is_no_eos(pair, clips):
    ours, theirs = pair
    grid = ours(TEXTS[0], clips[1])["decoder_input_ids"]
    whole, short = ours.decode(grid), theirs.decode(grid)
    assert len(whole) - len(short) == 8
    assert len(whole) == 248


def test_fault_one_prompt_length_for_the_whole_batch(pair):
    ours, theirs = pair
    grid = finished(30, 90)
    with pytest.raises(RuntimeError):
        theirs.batch_decode(grid, audio_prompt_len=[5, 11])
    each = ours.batch_decode(grid, audio_prompt_len=[5, 11])
    for row, length in enumerate((5, 11)):
        alone = theirs.batch_decode(grid[row : row + 1, :], audio_prompt_len=length)[0]
        torch.testing.assert_close(each[row], alone, rtol=0, atol=1e-5)


def test_fault_the_saved_processor_only_names_its_codec(pair, tmp_path):
    ours, theirs = pair
    theirs.save_pretrained(tmp_path / "theirs")
    ours.save_pretrained(tmp_path / "ours")
    assert not list((tmp_path / "theirs").rglob("*.safetensors"))
    assert list((tmp_path / "ours" / "audio_tokenizer").glob("*.safetensors"))


def test_files_of_the_stock_processor_are_loaded(pair, codec, clips, tmp_path):
    ours, theirs = pair
    codec.save_pretrained(tmp_path / "codec")
    theirs.save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "processor_config.json").read_text())
    settings["audio_tokenizer"]["audio_tokenizer_name_or_path"] = str(tmp_path / "codec")
    (tmp_path / "processor_config.json").write_text(json.dumps(settings))
    loaded = DiaProcessor.from_pretrained(tmp_path)
    for key, value in ours(TEXTS, clips).items():
        assert torch.equal(loaded(TEXTS, clips)[key], value)


@pytest.mark.parametrize("shape", [(1, 6, 3), (2, 4, 3), (3, 20, 3)])
@pytest.mark.parametrize("pattern", [[0, 1, 4], [1, 3, 2], [0, 5, 7]])
@pytest.mark.parametrize("revert", [False, True])
def test_the_static_functions_are_the_same(shape, pattern, revert):
    grid = torch.arange(shape[0] * shape[1] * shape[2]).view(shape)
    for audio in (grid, grid.int(), grid.float()):
        moved = []
        for each in (DiaProcessor, processing_dia.DiaProcessor):
            indices = each.build_indices(*shape, delay_pattern=pattern, revert=revert)
            moved.append((*indices, each.apply_audio_delay(audio, -1, -2, indices)))
        for one, other in zip(*moved, strict=True):
            assert one.dtype == other.dtype
            assert torch.equal(one, other)


def test_fault_clips_padded_on_the_left_are_encoded_as_their_padding(pair, codec, clips):
    rates = {"sampling_rate": 44100, "hop_length": 8, "padding_side": "left"}
    ours = DiaProcessor(DiaFeatureExtractor(**rates), DiaTokenizer(), codec)
    stock_extractor = feature_extraction_dia.DiaFeatureExtractor(**rates)
    theirs = processing_dia.DiaProcessor(stock_extractor, tokenization_dia.DiaTokenizer(), codec)
    wanted = pair[0](TEXTS, clips)["decoder_input_ids"]
    assert torch.equal(ours(TEXTS, clips)["decoder_input_ids"], wanted)
    assert not torch.equal(theirs(TEXTS, clips)["decoder_input_ids"].long(), wanted)


def test_init_arguments_of_the_tokenizer_are_the_defaults_of_both(codec):
    made = {"padding_side": "left", "pad_to_multiple_of": 16}
    rates = {"sampling_rate": 44100, "hop_length": 8}
    ours = DiaProcessor(DiaFeatureExtractor(**rates), DiaTokenizer(**made), codec)
    stock_extractor = feature_extraction_dia.DiaFeatureExtractor(**rates)
    theirs = processing_dia.DiaProcessor(stock_extractor, tokenization_dia.DiaTokenizer(**made), codec)
    assert_same((ours, theirs), TEXTS)


def test_a_codec_of_other_codebooks_that_stock_saved_decodes_with_the_delays_of_the_call(tmp_path):
    model = tiny_codec((2, 4), channels=4)
    model.config.sampling_rate = 44100
    model.save_pretrained(tmp_path / "codec")
    codec = DacModel.from_pretrained(tmp_path / "codec")
    stock_extractor = feature_extraction_dia.DiaFeatureExtractor(sampling_rate=44100, hop_length=8)
    theirs = processing_dia.DiaProcessor(stock_extractor, tokenization_dia.DiaTokenizer(), codec)
    theirs.save_pretrained(tmp_path / "saved")
    ours = DiaProcessor.from_pretrained(tmp_path / "saved")
    clip = (np.random.default_rng(0).random(300) - 0.5).astype(np.float32)
    asked = {"delay_pattern": [0, 1, 2, 3], "generation": False}
    grid = theirs("a", clip, **asked)["decoder_input_ids"]
    assert torch.equal(ours("a", clip, **asked)["decoder_input_ids"], grid.long())
    one, other = (each.decode(grid, delay_pattern=[0, 1, 2, 3]) for each in (ours, theirs))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
