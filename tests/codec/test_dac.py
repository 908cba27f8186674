"""Codec windows: every clip is decoded as if alone and in one piece, whatever its length and batch."""

import pytest
import torch
from tiny_codec import CODES, HOP, random_codes, tiny_codec
from transformers import DacConfig, DacModel

from dia.codec import dac as codec
from dia.codec import fast_decoder as fast_codec


@pytest.fixture(scope="module")
def model():
    return tiny_codec()


@pytest.fixture
def own_way():
    """A codec with a custom `decode`."""
    model = tiny_codec()
    model.decode = model.decode
    return model


def one_piece(model, codes):
    with torch.no_grad():
        return model.decode(audio_codes=codes.T[None]).audio_values[0]


def test_sizes_are_read_from_the_model(model):
    assert codec.hop_length(model.config) == HOP
    assert codec.frame_rate(model.config) == pytest.approx(8000 / 6)


def test_the_published_codec_has_a_context_of_ten_frames():
    config = DacConfig(
        downsampling_ratios=[2, 4, 8, 8], encoder_hidden_size=2, decoder_hidden_size=16, codebook_size=4
    )
    assert codec.decode_context(DacModel(config)) == (10, 10)


@pytest.mark.parametrize("ratios", [(2, 3), (2, 4, 8, 8), (4, 4, 5, 5), (7,), (3, 5)])
def test_the_context_is_exact(ratios):
    """A change of one frame changes samples up to the context and no further."""
    model = tiny_codec(ratios).double()
    left, right = codec.decode_context(model)
    hop, middle = codec.hop_length(model.config), 60
    codes = random_codes(120)[0]
    changed = codes.clone()
    changed[middle] = (changed[middle] + 1) % CODES
    difference = (one_piece(model, codes) - one_piece(model, changed)).abs().nonzero()
    first, last = int(difference[0]) // hop, int(difference[-1]) // hop
    assert middle - right <= first <= middle
    assert middle <= last <= middle + left
    assert (middle - first, last - middle) == (right, left)


@pytest.mark.parametrize("ratios", [(2, 3), (2, 4, 8, 8), (4, 4, 5, 5)])
@pytest.mark.parametrize("spare", [5, None])
def test_windowed_decoding_equals_one_piece(ratios, spare):
    model = tiny_codec(ratios)
    context = sum(codec.decode_context(model))
    clips = random_codes(1, 2, context, context + 5, context + 6, 2 * context + 3, 150)
    window = None if spare is None else context + spare
    for clip, waveform in zip(clips, codec.decode(model, clips, window=window, batch_size=7), strict=True):
        assert waveform.shape == (codec.decoded_length(model, len(clip)),)
        torch.testing.assert_close(waveform, one_piece(model, clip), rtol=0, atol=1e-5)


@pytest.mark.parametrize("ratios", [(2, 3), (2, 4, 8, 8), (4, 4, 5, 5)])
@pytest.mark.parametrize("spare", [5, None])
def test_windowed_encoding_equals_one_piece(ratios, spare):
    model = tiny_codec(ratios).double()  # in float64 no rounding decides between two codes
    hop, context = codec.hop_length(model.config), sum(codec.encode_context(model))
    noise = torch.Generator().manual_seed(0)
    lengths = (hop, hop + 1, context * hop, (context + 6) * hop - 1, 130 * hop)
    waves = [torch.rand(length, generator=noise, dtype=torch.float64) - 0.5 for length in lengths]
    window = None if spare is None else context + spare
    for wave, codes in zip(waves, codec.encode(model, waves, window=window, batch_size=7), strict=True):
        whole = torch.nn.functional.pad(wave, (0, -len(wave) % hop))
        with torch.no_grad():
            expected = model.encode(whole[None, None]).audio_codes[0].T
        assert torch.equal(codes, expected)


def test_memory_does_not_grow_with_the_clip(model, monkeypatch):
    shapes = []
    push = fast_codec.Stream.push
    monkeypatch.setattr(
        fast_codec.Stream, "push", lambda *args, **kwargs: shapes.append(args[1].shape) or push(*args, **kwargs)
    )
    codec.decode(model, random_codes(900, 400, 1), window=100)
    assert {shape[1] for shape in shapes} == {1, 100}


def test_windows_of_a_codec_with_a_custom_decoder_share_batches(own_way):
    shapes = []
    decode = own_way.decode
    own_way.decode = lambda audio_codes: shapes.append(audio_codes.shape) or decode(audio_codes=audio_codes)
    codec.decode(own_way, random_codes(900, 400, 1), window=100, batch_size=4)
    assert {shape[-1] for shape in shapes} == {1, 100}
    assert max(len(shape) and shape[0] for shape in shapes) == 4


@pytest.mark.parametrize("ratios", [(2, 3), (4, 4, 5, 5)])
@pytest.mark.parametrize("fast", [True, False])
def test_incremental_decoding_equals_decoding_the_clip(ratios, fast, monkeypatch):
    model = tiny_codec(ratios)
    if not fast:
        monkeypatch.setattr(fast_codec, "decoder_of", lambda *_: None)
    clip = random_codes(70)[0]
    stream = codec.ClipStream(model)
    made = [stream.push(part) for part in clip.split([1, 0, 24, 24, 20, 1])] + [stream.push(clip[:0], last=True)]
    assert len(made[0]) == len(made[1]) == 0 < len(made[3])
    torch.testing.assert_close(torch.cat(made), one_piece(model, clip), rtol=0, atol=1e-5)


@pytest.mark.parametrize("fast", [True, False])
def test_a_codec_on_another_device_is_decoded_in_windows(model, fast, monkeypatch):
    """Simulate an accelerator: the same windows, with the fast decoder or the codec's own."""
    clips = random_codes(1, 150, 40)
    wanted = [one_piece(model, clip) for clip in clips]
    decoder = fast_codec.decoder_of(model, torch.float32) if fast else None
    monkeypatch.setattr(codec, "_fast_decoder", lambda *_: decoder)
    monkeypatch.setattr(codec, "_on_cpu", lambda _: False)
    for waveform, whole in zip(codec.decode(model, clips, window=60, batch_size=2), wanted, strict=True):
        torch.testing.assert_close(waveform, whole, rtol=0, atol=1e-5)


def test_clips_are_returned_in_order_and_empty_ones_stay_empty(model):
    clips = random_codes(5, 0, 3, 5)
    alone = [codec.decode(model, [clip])[0] for clip in clips]
    together = codec.decode(model, clips)
    assert [len(waveform) for waveform in together] == [28, 0, 16, 28]
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
    assert codec.encode(model, [torch.zeros(0)])[0].shape == (0, 3)
    assert codec.decode(model, []) == []


def test_another_dtype_gives_nearly_the_same_samples(model):
    clip = random_codes(30)[0]
    exact, rounded = (codec.decode(model, [clip], dtype=dtype)[0] for dtype in (None, torch.bfloat16))
    assert rounded.dtype == torch.float32
    assert 0 < (exact - rounded).abs().max() < 0.05 * exact.abs().max()
    assert model.dtype == torch.float32
    with pytest.raises(ValueError, match=r"dtype=torch.float16 must be torch.float32, torch.bfloat16"):
        codec.decode(model, [clip], dtype=torch.float16)


def test_a_compiled_codec_is_used_unchanged():
    model, (clip,) = tiny_codec(), random_codes(40)
    before, calls = codec.decode(model, [clip])[0], []

    def compiler(graph, _):
        calls.append(graph)
        return graph.forward

    model.decoder.compile(backend=compiler)
    torch.testing.assert_close(codec.decode(model, [clip])[0], before, atol=1e-5, rtol=0)
    assert calls


def test_decoding_follows_the_dtype_of_the_codec():
    model = tiny_codec().to(torch.bfloat16)
    waveform = codec.decode(model, random_codes(4))[0]
    assert waveform.dtype == torch.float32
    assert codec.encode(model, [waveform])[0].dtype == torch.int64


@pytest.mark.parametrize("value", [-1, CODES, 1024])
def test_invalid_codes_are_rejected_with_their_position(model, value):
    clips = random_codes(4, 6)
    clips[1][5, 2] = value
    with pytest.raises(ValueError, match=rf"codes\[1\] contains {value} at frame 5, channel 2; codes must be 0 to 63"):
        codec.decode(model, clips)


@pytest.mark.parametrize(
    ("codes", "error", "message"),
    [
        (torch.zeros(4, 3), TypeError, r"codes\[0\] is torch.float32"),
        ([[1, 2, 3]], TypeError, r"codes\[0\] is list"),
        (torch.zeros(4, 2, dtype=torch.long), ValueError, r"\(4, 2\); expected \[frames, 3\]"),
        (torch.zeros(1, 4, 3, dtype=torch.long), ValueError, r"\(1, 4, 3\)"),
    ],
)
def test_invalid_clips_of_codes_are_rejected(model, codes, error, message):
    with pytest.raises(error, match=message):
        codec.decode(model, [codes])


@pytest.mark.parametrize(
    ("waveform", "error", "message"),
    [
        (torch.zeros(60, dtype=torch.long), TypeError, "torch.int64"),
        (torch.zeros(1, 60), ValueError, "expected \\[samples\\]"),
        (torch.full((60,), torch.nan), ValueError, "NaN"),
    ],
)
def test_invalid_waveforms_are_rejected(model, waveform, error, message):
    with pytest.raises(error, match=message):
        codec.encode(model, [waveform])


@pytest.mark.parametrize(("option", "value"), [("window", 48), ("batch_size", 0)])
def test_invalid_windows_are_rejected_by_name(model, option, value):
    with pytest.raises(ValueError, match=option):
        codec.decode(model, random_codes(9), **{option: value})
