"""The fast decoder gives the codec's own samples, in pieces of any size, for the codec's current weights."""

import gc
import weakref

import pytest
import torch
from safetensors.torch import load_file
from tiny_codec import random_codes, tiny_codec
from torch import nn
from transformers import DacConfig, DacModel

from dia import MINI
from dia.codec import fast_decoder as fast_codec
from dia.kernels import codec as codec_kernel
from dia.runtime.resources.processor import has_amx

RATIOS = [(2, 3), (2, 4, 8, 8), (4, 2, 10, 6), (7,), (3, 5)]


def stock(model, codes):
    with torch.no_grad():
        return model.decode(audio_codes=codes.transpose(1, 2)).audio_values


def in_pieces(decoder, codes, size):
    stream, pieces = fast_codec.Stream(decoder, len(codes)), codes.split(size, dim=1)
    return torch.cat([stream.push(piece, at == len(pieces) - 1) for at, piece in enumerate(pieces)], dim=1)


def signal_to_noise(wanted, got):
    return float(10 * torch.log10(wanted.square().sum() / (wanted - got).square().sum()))


@pytest.fixture(scope="module")
def uneven():
    """A codec like trained ones, whose Snake slopes all differ; some are zero and some negative."""
    model = tiny_codec((2, 4, 5))
    noise = torch.Generator().manual_seed(1)
    for module in model.modules():
        if hasattr(module, "alpha"):
            module.alpha.data.uniform_(-2, 3, generator=noise)
            module.alpha.data[:, ::5] = 0
    return model


@pytest.mark.parametrize("ratios", RATIOS)
@pytest.mark.parametrize("frames", [1, 2, 50])
def test_pieces_of_any_size_give_the_samples_of_the_codec(ratios, frames):
    model = tiny_codec(ratios)
    decoder = fast_codec.FastDecoder(model, torch.float32)
    codes = torch.stack(random_codes(frames, frames))
    wanted = stock(model, codes)
    for size in (1, 7, frames):
        torch.testing.assert_close(in_pieces(decoder, codes, size), wanted, rtol=0, atol=1e-5 if has_amx() else 1e-6)


@pytest.mark.skipif(not codec_kernel.is_used(), reason="PyTorch computes the convolutions")
def test_pieces_of_any_size_give_the_same_bits(uneven):
    decoder, codes = fast_codec.FastDecoder(uneven, torch.float32), random_codes(150)[0][None]
    whole = in_pieces(decoder, codes, 150)
    assert all(torch.equal(in_pieces(decoder, codes, size), whole) for size in (1, 4, 33))


def test_slopes_of_any_sign_and_zero_give_the_samples_of_the_codec(uneven):
    codes = random_codes(40)[0][None]
    got = in_pieces(fast_codec.FastDecoder(uneven, torch.float32), codes, 9)
    torch.testing.assert_close(got, stock(uneven, codes), rtol=0, atol=1e-5)


def test_every_sample_is_returned_as_soon_as_its_context_is_available():
    decoder = fast_codec.FastDecoder(tiny_codec((2, 4, 8, 8)), torch.float32)
    stream, codes = fast_codec.Stream(decoder), random_codes(30)[0][None]
    counts = [stream.push(codes[:, [at]]).shape[1] for at in range(30)]
    assert sum(counts[:11]) >= 512  # ten frames after the first
    assert counts[10:] == [512] * 20


def test_pushing_no_frames_returns_nothing_and_changes_nothing(uneven):
    decoder = fast_codec.FastDecoder(uneven, torch.float32)
    codes, nothing = random_codes(20)[0][None], torch.zeros(1, 0, 3, dtype=torch.long)
    stream = fast_codec.Stream(decoder)
    made = [stream.push(part) for part in (nothing, codes[:, :12], nothing, codes[:, 12:])]
    assert made[0].shape == made[2].shape == (1, 0)
    whole = torch.cat([*made, stream.push(nothing, last=True)], dim=1)
    torch.testing.assert_close(whole, stock(uneven, codes), rtol=0, atol=1e-5)


def test_two_streams_of_one_decoder_do_not_disturb_each_other(uneven):
    decoder = fast_codec.FastDecoder(uneven, torch.float32)
    clips = [codes[None] for codes in random_codes(16, 16)]
    streams = [fast_codec.Stream(decoder) for _ in clips]
    halves = [[stream.push(clip[:, :8]) for stream, clip in zip(streams, clips, strict=True)]]
    halves += [[stream.push(clip[:, 8:], last=True) for stream, clip in zip(streams, clips, strict=True)]]
    for first, second, clip in zip(*halves, clips, strict=True):
        torch.testing.assert_close(torch.cat([first, second], 1), stock(uneven, clip), rtol=0, atol=1e-5)


@pytest.mark.parametrize("voice", ["clara", "bruno"])
def test_bfloat16_noise_is_thirty_five_decibels_below_the_signal_on_the_embedded_codec(voice):
    model = DacModel.from_pretrained(MINI / "audio_tokenizer").eval()
    codes = load_file(MINI / "voices" / f"{voice}.safetensors")["codes"].long()[None]
    got = in_pieces(fast_codec.FastDecoder(model, torch.bfloat16), codes, 64)
    assert signal_to_noise(stock(model, codes), got) > 35


@pytest.mark.parametrize("dtype", fast_codec.DTYPES)
def test_without_mkldnn_the_samples_are_the_same(uneven, monkeypatch, dtype):
    codes = random_codes(20)[0][None]
    monkeypatch.setattr(fast_codec, "is_used", lambda: False)
    packed = in_pieces(fast_codec.FastDecoder(uneven, dtype), codes, 6)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    plain = in_pieces(fast_codec.FastDecoder(uneven, dtype), codes, 6)
    torch.testing.assert_close(plain, packed, rtol=0, atol=1e-5 if dtype == torch.float32 else 1e-2)


def test_half_precision_is_packed_only_if_the_cpu_supports_it(monkeypatch):
    for supported in (True, False):
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda answer=supported: answer)
        assert fast_codec._packs(torch.bfloat16) == (supported and torch.backends.mkldnn.is_available())
        assert fast_codec._packs(torch.float32) == torch.backends.mkldnn.is_available()


def test_the_decoder_is_built_once_and_freed_with_its_model():
    model = tiny_codec()
    decoder = weakref.ref(fast_codec.decoder_of(model, torch.float32))
    assert fast_codec.decoder_of(model, torch.float32) is decoder()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    del model
    gc.collect()
    assert decoder() is None


def scaled_in_place(model):
    with torch.no_grad():
        model.decoder.block[0].conv_t1.weight.mul_(1.5)


def scaled_as_data(model):
    model.decoder.block[0].conv_t1.weight.data.mul_(1.5)


def trained(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.decode(audio_codes=random_codes(5)[0].T[None]).audio_values.square().sum().backward()
    optimizer.step()


def loaded(model):
    model.load_state_dict(tiny_codec(seed=5).state_dict())


def replaced(model):
    model.decoder.conv2 = nn.Conv1d(4, 1, 7, padding=3)


@pytest.mark.parametrize("change", [scaled_in_place, scaled_as_data, trained, loaded, replaced])
def test_changed_weights_change_the_samples(change):
    model, codes = tiny_codec(), random_codes(12)[0][None]
    fast_codec.decoder_of(model, torch.float32)
    change(model)
    got = in_pieces(fast_codec.decoder_of(model, torch.float32), codes, 12)
    torch.testing.assert_close(got, stock(model, codes), rtol=0, atol=1e-6)


def test_weight_norm_is_folded():
    model, codes = tiny_codec(), random_codes(12)[0][None]
    model.apply_weight_norm()
    scaled = model.decoder.block[0].conv_t1.parametrizations.weight
    scaled.original0.data.mul_(1.5)
    got = in_pieces(fast_codec.decoder_of(model, torch.float32), codes, 12)
    torch.testing.assert_close(got, stock(model, codes), rtol=0, atol=1e-6)


class Louder(DacModel):
    def decode(self, *args, **kwargs):
        raise NotImplementedError


def test_codecs_with_custom_decoding_are_not_supported():
    model = tiny_codec()
    assert fast_codec.decoder_of(model, torch.float32) is not None
    handle = model.decoder.conv1.register_forward_hook(lambda *_: None)
    assert fast_codec.decoder_of(model, torch.float32) is None
    handle.remove()
    model.decode = lambda **_: None
    assert fast_codec.decoder_of(model, torch.float32) is None
    assert fast_codec.decoder_of(Louder(model.config), torch.float32) is None
    mixed = tiny_codec()
    mixed.decoder.conv2.double()
    assert fast_codec.decoder_of(mixed, torch.float32) is None


@pytest.mark.real
def test_samples_are_those_of_the_codec_at_the_published_size():
    torch.manual_seed(0)
    model = DacModel(DacConfig(downsampling_ratios=[2, 4, 8, 8], sampling_rate=44100)).eval()
    for layer in model.decoder.modules():  # fresh codecs are nearly silent
        if isinstance(layer, nn.Conv1d | nn.ConvTranspose1d):
            taps = layer.kernel_size[0] // layer.stride[0]
            nn.init.normal_(layer.weight, std=0.5 / (layer.in_channels * taps) ** 0.5)
    for quantizer in model.quantizer.quantizers:
        nn.init.normal_(quantizer.out_proj.weight, std=0.3)
        nn.init.normal_(quantizer.codebook.weight, std=0.3)
    codes = torch.randint(0, 1024, (1, 40, 9), generator=torch.Generator().manual_seed(1))
    wanted = stock(model, codes)
    assert wanted.std() > 0.01
    exact = in_pieces(fast_codec.FastDecoder(model, torch.float32), codes, 13)
    torch.testing.assert_close(exact, wanted, rtol=0, atol=1e-5)
    assert signal_to_noise(wanted, in_pieces(fast_codec.FastDecoder(model, torch.bfloat16), codes, 13)) > 40
