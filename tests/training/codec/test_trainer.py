"""Training of a codec: losses, codebooks, stages and resuming."""

import math

import pytest
import torch

from dia.audio.dsp.mel import mel_filters
from dia.training.codec.codebooks import CodebookUse, fit_codebooks, fit_codebooks_to_audio, kmeans
from dia.training.codec.initialization import build_codec, in_half_precision
from dia.training.codec.losses import SpectralLoss
from dia.training.codec.recipe import CodecRecipe, learning_rate_at
from dia.training.codec.trainer import CodecTrainer
from tests.training.codec.tiny_training import TINY, batches, recipe, tones, trainer


def small_loss():
    return SpectralLoss(16_000, resolutions=((512, 40, 1), (128, 16, 1)))


def test_mel_filters_cover_every_frequency_once():
    filters = mel_filters(40, 1024, 16_000)
    assert filters.shape == (513, 40)
    assert (filters >= 0).all()
    torch.testing.assert_close(filters.sum(0), torch.ones(40))


def test_spectral_loss_is_zero_for_equal_and_grows_with_difference():
    loss, original = small_loss(), tones(2)
    slightly, wholly = original + 0.02 * torch.randn_like(original), torch.zeros_like(original)
    assert loss(original, original) == 0
    assert 0 < loss(slightly, original) < loss(wholly, original)


def test_the_envelope_of_a_louder_sound_differs_in_its_first_coefficient_alone():
    noise = 0.1 * torch.randn(2, 8000, generator=torch.Generator().manual_seed(0))
    assert small_loss().envelope(2 * noise, noise).item() == pytest.approx(math.log(2) * 25**0.5 / 13, rel=1e-3)


def test_the_loss_weighs_the_envelope_as_requested():
    ours, theirs = 0.1 * tones(2), tones(2)
    without, with_ = (SpectralLoss(16_000, envelope_weight=weight) for weight in (0.0, 2.0))
    torch.testing.assert_close(with_(ours, theirs), without(ours, theirs) + 2 * with_.envelope(ours, theirs))


def test_spectral_loss_does_not_see_the_sign_of_the_wave():
    original = tones(2)
    assert small_loss()(-original, original) < 1e-5


def test_kmeans_finds_separate_heaps():
    heaps = 5 * torch.eye(4).repeat(20, 1) + 0.1 * torch.randn(80, 4)
    centers = kmeans(heaps, 4)
    assert torch.cdist(5 * torch.eye(4), centers).min(1).values.max() < 0.2


def test_kmeans_refuses_fewer_points_than_centers():
    with pytest.raises(ValueError, match="points"):
        kmeans(torch.randn(3, 4), 8)


def test_initial_codebooks_fit_the_encoders_output():
    codec, audio = build_codec(TINY), tones(24)
    fit_codebooks_to_audio(codec, audio)
    latent = codec.encoder(audio[:, None])
    quantized, codes, *_ = codec.eval().quantizer(latent)
    unexplained = (quantized - latent).square().mean() / (latent - latent.mean((0, 2), keepdim=True)).square().mean()
    assert unexplained < 0.5
    assert all(codes[:, number].unique().numel() >= 12 for number in range(2))


def test_a_code_encodes_the_distance_of_a_point_and_not_only_its_direction():
    codec = build_codec(TINY)
    latent = torch.randn(1, codec.config.hidden_size, 1).repeat(1, 1, 400) * torch.linspace(0.1, 4, 400)
    fit_codebooks(codec, latent)
    quantized = codec.eval().quantizer(latent)[0]
    assert (quantized - latent).square().mean() < 1e-3 * latent.square().mean()


def test_an_encoder_with_constant_output_gives_finite_codebooks():
    codec = build_codec(TINY)
    fit_codebooks(codec, torch.ones(2, codec.config.hidden_size, 40))
    assert all(weight.isfinite().all() for weight in codec.quantizer.parameters())


def test_codebooks_are_refitted_to_recent_encoder_outputs():
    codec = build_codec(TINY)
    fit_codebooks_to_audio(codec, tones(24))
    use, latent = CodebookUse(codec), 3 + 2 * torch.randn(4, codec.config.hidden_size, 40)
    assert not use.refit(), "nothing was said yet"

    def missed():
        return (codec.eval().quantizer(latent)[0] - latent).square().mean().item()

    before = missed()
    use.note(codec.quantizer(latent)[1], latent)
    assert use.refit()
    assert missed() < 0.5 * before
    assert use.counts.sum() == 0


def test_each_codebook_reduces_the_residual_of_the_previous_one():
    codec, audio = build_codec(TINY), tones(24)
    fit_codebooks_to_audio(codec, audio)
    latent = codec.eval().encoder(audio[:, None])
    one, both = (codec.quantizer(latent, n)[0] for n in (1, 2))
    assert (both - latent).square().mean() < (one - latent).square().mean()


def test_unused_codes_are_replaced_by_encoder_outputs():
    codec = build_codec(TINY)
    fit_codebooks_to_audio(codec, tones(24))
    codec.quantizer.quantizers[0].codebook.weight.data[5:] = -100 * torch.eye(4)[0]
    use, latent = CodebookUse(codec), codec.encoder(tones(8)[:, None]).detach()
    use.note(codec.quantizer(latent)[1], latent)
    average = {name: value.clone() for name, value in codec.state_dict().items()}
    moved = use.revive(average)
    weight = codec.quantizer.quantizers[0].codebook.weight
    assert moved >= 10
    assert (weight.abs().amax(1) == 100).sum() <= 1
    torch.testing.assert_close(average["quantizer.quantizers.0.codebook.weight"][5:], weight[5:])


def test_codes_in_use_stay_where_they_are():
    codec = build_codec(TINY)
    before = codec.quantizer.quantizers[0].codebook.weight.clone()
    use = CodebookUse(codec)
    use.counts += 1
    latent = codec.encoder(tones(4)[:, None]).detach()
    use.note(codec.quantizer(latent)[1], latent)
    assert use.revive(dict(codec.state_dict())) == 0
    torch.testing.assert_close(codec.quantizer.quantizers[0].codebook.weight, before)


def test_learning_rate_rises_then_falls():
    plan = CodecRecipe("joint", 100, learning_rate=1.0, warmup_share=0.1, final_share=0.05)
    rates = [learning_rate_at(position, plan) for position in (0, 0.1, 0.5, 1.0)]
    assert rates[0] < rates[1]
    assert rates[1] == pytest.approx(1.0)
    assert rates[1] > rates[2] > rates[3]
    assert rates[3] == pytest.approx(0.05)


def test_warmup_lowers_the_loss(tmp_path):
    training = trainer(tmp_path)
    training.loss = small_loss()
    training.run(recipe("warmup", 12, learning_rate=1e-2))
    losses = [line["loss"] for line in training.journal.lines()]
    assert min(losses[-3:]) < 0.92 * losses[0]


def test_joint_stage_starts_from_used_codebooks(tmp_path):
    training = trainer(tmp_path)
    codec = training.run_all([recipe("warmup", 2), recipe("joint", 4, refit_every=2)])
    codes = codec.encode(tones(24)[:, None]).audio_codes
    assert codes[:, 0].unique().numel() >= 8
    assert [line["stage"] for line in training.journal.lines()] == ["warmup"] * 2 + ["joint"] * 4


def test_fine_tuned_codebooks_are_not_initialized_again(tmp_path):
    training = trainer(tmp_path)
    before = training.codec.quantizer.quantizers[0].codebook.weight.clone()
    training.run(recipe("joint", 1, refit_every=0, learning_rate=1e-6))
    torch.testing.assert_close(training.codec.quantizer.quantizers[0].codebook.weight, before, atol=1e-4, rtol=0)


@pytest.mark.parametrize("half", [True, False])
def test_decoder_stage_leaves_codes_as_they_are(tmp_path, half):
    training = trainer(tmp_path)
    training.run(recipe("joint", 2))
    before, audio = training.averaged(), tones(3)
    if half:
        before.load_state_dict(in_half_precision(training.average))
    training.run(recipe("decoder", 4, learning_rate=5e-3, half=half))
    after = training.averaged()
    assert torch.equal(before.encode(audio[:, None]).audio_codes, after.encode(audio[:, None]).audio_codes)
    for name, weight in before.state_dict().items():
        assert torch.equal(weight, after.state_dict()[name]) != name.startswith("decoder."), name


def test_steadiness_makes_the_encoder_follow_small_shifts_less(tmp_path):
    def moved(steadiness):
        training = trainer(tmp_path / str(steadiness))
        training.run(recipe("warmup", 60, learning_rate=3e-3, steadiness=steadiness, steady_seconds=0.001))
        audio = tones(8, seed=9)
        with torch.no_grad():
            there, here = (training.codec.encoder(part[:, None]) for part in (audio[:, 8:-8], audio[:, 16:]))
        return float((there - here)[..., 1:-1].square().mean() / there.var())

    assert moved(1.0) < 0.7 * moved(0.0)


def test_a_stage_ends_when_its_time_is_over(tmp_path):
    training = trainer(tmp_path)
    training.run(recipe("warmup", 10_000, seconds=0.2))
    assert 0 < training.progress.step < 1000


def test_a_finished_stage_is_not_run_again(tmp_path):
    trainer(tmp_path).run_all([recipe("warmup", 2)])
    again = trainer(tmp_path)
    again.run_all([recipe("warmup", 2)])
    assert again.journal.count == 2


def test_training_in_16_bits_keeps_fp32_weights(tmp_path):
    training = trainer(tmp_path)
    training.run(recipe("joint", 2, bf16=True))
    assert {weight.dtype for weight in training.average.values()} == {torch.float32}
    assert training.journal.lines()[-1]["loss"] > 0


@pytest.mark.gpu
def test_every_stage_runs_on_cuda(tmp_path):
    training = CodecTrainer(build_codec(TINY).cuda(), batches, tmp_path)
    options = {"bf16": True, "discriminator": "hinge", "discriminator_from": 0.0, "revive_every": 2, "save_every": 2}
    training.run_all([recipe("warmup", 3), recipe("joint", 3, **options), recipe("decoder", 3, **options)])
    again = CodecTrainer(build_codec(TINY).cuda(), batches, tmp_path)
    assert again.resume()


def pairs(first=0):
    """Excerpts, and codes that are not the encoder's."""
    generator = torch.Generator().manual_seed(first)
    while True:
        yield tones(2, seed=99), torch.randint(0, 16, (2, 40, 2), generator=generator)


def test_the_decoder_gets_predicted_codes_in_place_of_the_encoders(tmp_path):
    seen, trained = [], trainer(tmp_path, predicted=pairs)
    trained.codec.decoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    trained.run(recipe("joint", 1))
    trained.run(recipe("decoder", 1))
    assert len(seen) == 2
    audio, codes = next(pairs())
    given = trained.codec.quantizer.from_codes(codes.transpose(1, 2))[0]
    torch.testing.assert_close(seen[1][2:], given)
    encoded = trained.codec.quantizer(trained.codec.encoder(torch.cat([tones(4, seed=13)[:2], audio])[:, None]))[0]
    assert not torch.allclose(seen[1][2:], encoded[2:])


def test_predicted_batches_continue_where_a_state_was_saved(tmp_path):
    drawn = []

    def counted(first):
        drawn.append(first)
        return pairs(first)

    trainer(tmp_path, predicted=counted).run(recipe("decoder", 3))
    assert trainer(tmp_path, predicted=counted).resume()
    assert drawn == [0, 0, 3]
