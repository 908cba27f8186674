"""What the network promises on its own: shapes, caches, half precision, checkpointing, loading."""

import pytest
import torch
from tiny import BOS, CHANNELS, VOCABULARY, prompts, texts, tiny_config, tiny_model

from dia.modeling_dia import DiaForConditionalGeneration, DiaModel, eager_attention

PADDED = {**texts(9, 4), **prompts(6, 2)}  # the second prompt is padded on the left by four rows
DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def training_batch():
    inputs = {**texts(9, 4), **prompts(3, 6)}
    return {**inputs, "labels": inputs["decoder_input_ids"].roll(-1, dims=1).transpose(1, 2).flatten(0, 1)}


@torch.no_grad()
def test_logits_stand_channel_by_channel(model):
    logits = model(**PADDED).logits
    assert logits.shape == (2 * CHANNELS, PADDED["decoder_input_ids"].shape[1], VOCABULARY)


@torch.no_grad()
def test_without_a_grid_it_reads_one_row_of_bos(model):
    bos = torch.full((2, 1, CHANNELS), BOS)
    assert torch.equal(model(**texts(9, 4)).logits, model(**texts(9, 4), decoder_input_ids=bos).logits)


@torch.no_grad()
def test_a_flat_grid_is_the_same_grid(model):
    flat = {**PADDED, "decoder_input_ids": PADDED["decoder_input_ids"].transpose(1, 2).flatten(0, 1)}
    assert torch.equal(model(**flat).logits, model(**PADDED).logits)


@torch.no_grad()
def test_only_the_last_logits_are_made_on_request(model):
    torch.testing.assert_close(model(**PADDED, logits_to_keep=2).logits, model(**PADDED).logits[:, -2:])


@torch.no_grad()
def test_later_rows_change_nothing_before_them(model):
    inputs = {**texts(9), **prompts(6)}
    before = model(**inputs).logits
    inputs["decoder_input_ids"] = inputs["decoder_input_ids"].clone()
    inputs["decoder_input_ids"][:, 5:] = 7
    torch.testing.assert_close(model(**inputs).logits[:, :5], before[:, :5])


@torch.no_grad()
def test_padding_of_the_text_changes_nothing(model):
    long, short = model(**texts(9, 4)).logits, model(**{n: t[1:, :4] for n, t in texts(9, 4).items()}).logits
    torch.testing.assert_close(long[CHANNELS:], short, atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_fully_masked_rows_stay_finite(implementation, dtype):
    model = tiny_model().to(dtype)
    model.set_attn_implementation(implementation)
    assert model(**PADDED).logits.isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_fully_masked_rows_stay_finite_under_large_scores(dtype):
    # Scores are not divided by √D, so they are large; in float16 the lowest number minus 40 would be -inf.
    query, key = torch.full((1, 1, 2, 4), -10.0, dtype=dtype), torch.full((1, 1, 2, 4), 1.0, dtype=dtype)
    mask = torch.full((1, 1, 2, 2), torch.finfo(dtype).min, dtype=dtype)
    output, weights = eager_attention(torch.nn.Identity().eval(), query, key, key, mask, scaling=1.0)
    assert weights.dtype == output.dtype == dtype
    assert torch.equal(weights, torch.full_like(weights, 0.5))


def test_neither_text_nor_its_encoding_is_an_error(model):
    with pytest.raises(ValueError, match="input_ids"):
        model(decoder_input_ids=prompts(0)["decoder_input_ids"])


@torch.no_grad()
def test_an_encoding_serves_several_calls(model):
    encoded = model.get_encoder()(**texts(9, 4))
    again = {"attention_mask": texts(9, 4)["attention_mask"], "encoder_outputs": encoded}
    assert torch.equal(model(**again).logits, model(**texts(9, 4)).logits)
    assert torch.equal(model(**{**again, "encoder_outputs": encoded.to_tuple()}).logits, model(**again).logits)


# Training


def checkpoint(model, **options):
    """The call was renamed within the versions of transformers that we support."""
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable(options or None)


def gradients(model):
    model.zero_grad()
    model(**training_batch()).loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters()}


def test_every_weight_has_a_gradient():
    assert all(gradient.abs().sum() > 0 for gradient in gradients(tiny_model().train()).values())


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_gives_the_same_gradients(reentrant):
    model = tiny_model().train()
    expected = gradients(model)
    checkpoint(model, use_reentrant=reentrant)
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, expected[name], msg=lambda message, n=name: f"{n}: {message}")


def test_gradient_checkpointing_keeps_no_cache():
    model = tiny_model().train()
    checkpoint(model)
    assert model(**training_batch(), use_cache=True).past_key_values is None
    assert model.eval()(**texts(9), use_cache=True).past_key_values is not None


def test_training_makes_no_cache_unasked():
    assert tiny_model().train()(**training_batch()).past_key_values is None


def test_ignored_labels_count_nothing():
    model, batch = tiny_model(), training_batch()
    labels = torch.full_like(batch["labels"], -100)
    labels[0, 0] = batch["labels"][0, 0]
    logits = model(**batch).logits
    expected = torch.nn.functional.cross_entropy(logits[0, :1], labels[0, :1])
    torch.testing.assert_close(model(**{**batch, "labels": labels}).loss, expected)


# Loading


@torch.no_grad()
def test_a_saved_model_comes_back(model, tmp_path):
    model.save_pretrained(tmp_path)
    again, report = DiaForConditionalGeneration.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values())
    assert torch.equal(again(**PADDED).logits, model(**PADDED).logits)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_dtype_is_loaded_and_kept(model, tmp_path, dtype):
    model.save_pretrained(tmp_path)
    loaded = DiaModel.from_pretrained(tmp_path, dtype=dtype)
    assert {weight.dtype for weight in loaded.parameters()} == {dtype}
    assert {buffer.dtype for buffer in loaded.buffers()} == {torch.float32}, "rotary steps"
    loaded.save_pretrained(tmp_path / "half")
    assert DiaModel.from_pretrained(tmp_path / "half", dtype="auto").dtype == dtype


def test_rotary_steps_stay_exact_in_half_precision():
    exact, half = tiny_model(), tiny_model().to(torch.bfloat16)
    for one, other in zip(exact.modules(), half.modules(), strict=True):
        if type(one).__name__ == "DiaRotaryEmbedding":
            turned, expected = (m(torch.tensor([[63]]), torch.float32) for m in (other, one))
            torch.testing.assert_close(turned, expected)


def test_rotary_scaling_is_applied():
    config = tiny_config()
    config.decoder_config.rope_parameters = {"rope_type": "linear", "factor": 4.0, "rope_theta": 10_000.0}
    plain, scaled = tiny_model().model.decoder.rotary_emb, tiny_model(config).model.decoder.rotary_emb
    four, one = scaled(torch.tensor([[4]]), torch.float32), plain(torch.tensor([[1]]), torch.float32)
    torch.testing.assert_close(four, one)
