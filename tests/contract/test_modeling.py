"""The network on its own: shapes, caches, half precision, checkpointing, loading."""

import inspect

import pytest
import torch
from tiny import BOS, CHANNELS, ROW_LIMIT, VOCABULARY, prompts, texts, tiny_config, tiny_model
from transformers import DynamicCache, EncoderDecoderCache

from dia import attention_dia, modeling_dia
from dia.attention_dia import eager_attention
from dia.decoding.cache import cache_in
from dia.modeling_dia import DiaForConditionalGeneration, DiaModel

PADDED = {**texts(9, 4), **prompts(6, 2)}  # the second prompt is padded on the left by four rows
DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def training_batch():
    inputs = {**texts(9, 4), **prompts(3, 6)}
    return {**inputs, "labels": inputs["decoder_input_ids"].roll(-1, dims=1).transpose(1, 2).flatten(0, 1)}


@torch.no_grad()
def test_logits_are_ordered_by_channel(model):
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


@pytest.mark.parametrize(
    "shape", [(2, CHANNELS), (2 * CHANNELS + 2, 4), (CHANNELS, 8), (3, 4, CHANNELS), (2, 4, CHANNELS + 1), (8,)]
)
def test_rows_of_another_shape_are_rejected(shape):
    with pytest.raises(ValueError, match=r"decoder_input_ids has shape .*expected \[2, rows, "):
        tiny_model()(**texts(9, 4), decoder_input_ids=torch.zeros(shape, dtype=torch.long))


@torch.no_grad()
def test_only_the_last_logits_are_computed_on_request(model):
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
    # Scores are not divided by √D, so they are large; in float16 the minimum minus 40 would be -inf.
    query, key = torch.full((1, 1, 2, 4), -10.0, dtype=dtype), torch.full((1, 1, 2, 4), 1.0, dtype=dtype)
    mask = torch.full((1, 1, 2, 2), torch.finfo(dtype).min, dtype=dtype)
    output, weights = eager_attention(torch.nn.Identity().eval(), query, key, key, mask, scaling=1.0)
    assert weights.dtype == output.dtype == dtype
    assert torch.equal(weights, torch.full_like(weights, 0.5))


@torch.no_grad()
def test_no_row_of_a_mask_is_empty_on_devices_that_return_nan(monkeypatch):
    expected = tiny_model()(**PADDED).logits
    built, original = [], attention_dia.unmask_empty_rows

    def watched(mask):
        built.append(original(mask))
        return built[-1]

    monkeypatch.setattr(attention_dia, "_ZERO_FOR_EMPTY_ROWS", ())  # as on an older Apple GPU
    monkeypatch.setattr(modeling_dia, "unmask_empty_rows", watched)
    got = tiny_model()(**PADDED).logits
    masks = [mask for mask in built if isinstance(mask, torch.Tensor)]
    assert len(masks) == 3, "masks of the encoder, of self-attention and of cross-attention"
    assert all(mask.any(-1).all() for mask in masks)
    seen = PADDED["decoder_attention_mask"].repeat_interleave(CHANNELS, dim=0).bool()
    torch.testing.assert_close(got[seen], expected[seen])


def test_a_text_of_only_padding_gives_no_nan(monkeypatch):
    monkeypatch.setattr(attention_dia, "_ZERO_FOR_EMPTY_ROWS", ())
    text = {**texts(9), "attention_mask": torch.zeros(1, 9, dtype=torch.long)}
    assert tiny_model()(**text, **prompts(0)).logits.isfinite().all()


def test_a_missing_text_is_an_error(model):
    with pytest.raises(ValueError, match="input_ids"):
        model(decoder_input_ids=prompts(0)["decoder_input_ids"])


@torch.no_grad()
def test_encoder_outputs_can_be_reused(model):
    encoded = model.get_encoder()(**texts(9, 4))
    again = {"attention_mask": texts(9, 4)["attention_mask"], "encoder_outputs": encoded}
    assert torch.equal(model(**again).logits, model(**texts(9, 4)).logits)
    assert torch.equal(model(**{**again, "encoder_outputs": encoded.to_tuple()}).logits, model(**again).logits)


# Training


def checkpoint(model, **options):
    """Call a method that was renamed within the supported versions of transformers."""
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


def test_gradient_checkpointing_does_not_fill_a_callers_cache():
    model, cache = tiny_model().train(), EncoderDecoderCache(DynamicCache(), DynamicCache())
    checkpoint(model)
    states = torch.zeros(1, 9, 24)
    model.get_decoder()(torch.full((1, 2, CHANNELS), BOS), encoder_hidden_states=states, cache=cache)
    assert cache.get_seq_length() == 0


def test_training_creates_no_cache_by_default():
    assert tiny_model().train()(**training_batch()).past_key_values is None


def test_a_batch_of_one_has_the_mean_loss_of_its_labels():
    model, inputs = tiny_model(), {**texts(9), **prompts(5)}
    labels = inputs["decoder_input_ids"].roll(-1, dims=1)[0].T
    logits = model(**inputs).logits
    loss = model(**inputs, labels=labels).loss
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten()))


def test_ignored_labels_do_not_affect_the_loss():
    model, batch = tiny_model(), training_batch()
    labels = torch.full_like(batch["labels"], -100)
    labels[0, 0] = batch["labels"][0, 0]
    logits = model(**batch).logits
    expected = torch.nn.functional.cross_entropy(logits[0, :1], labels[0, :1])
    torch.testing.assert_close(model(**{**batch, "labels": labels}).loss, expected)


# Loading


@torch.no_grad()
def test_a_saved_model_is_restored(model, tmp_path):
    model.save_pretrained(tmp_path)
    again, report = DiaForConditionalGeneration.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values())
    assert torch.equal(again(**PADDED).logits, model(**PADDED).logits)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_dtype_is_loaded_and_kept(model, tmp_path, dtype):
    model.save_pretrained(tmp_path)
    loaded = DiaModel.from_pretrained(tmp_path, dtype=dtype)
    assert {weight.dtype for weight in loaded.parameters()} == {dtype}
    assert {buffer.dtype for buffer in loaded.buffers()} == {torch.float32}, "rotary frequencies"
    loaded.save_pretrained(tmp_path / "half")
    assert DiaModel.from_pretrained(tmp_path / "half", dtype="auto").dtype == dtype


def test_rotary_frequencies_stay_exact_in_half_precision():
    exact, half = tiny_model(), tiny_model().to(torch.bfloat16)
    for one, other in zip(exact.modules(), half.modules(), strict=True):
        if type(one).__name__ == "DiaRotaryEmbedding":
            turned, expected = (m(torch.ones(1), torch.tensor([[63]])) for m in (other, one))
            torch.testing.assert_close(turned, expected)


def test_rotary_scaling_is_applied():
    config = tiny_config()
    config.decoder_config.rope_parameters = {"rope_type": "linear", "factor": 4.0, "rope_theta": 10_000.0}
    plain, scaled = tiny_model().model.decoder.rotary_emb, tiny_model(config).model.decoder.rotary_emb
    four, one = scaled(torch.ones(1), torch.tensor([[4]])), plain(torch.ones(1), torch.tensor([[1]]))
    torch.testing.assert_close(four, one)


@pytest.mark.parametrize(
    ("rope", "message"),
    [
        ({"rope_type": "spiral"}, "rope_type='spiral' is unknown; choose one of default, linear, dynamic"),
        ({"rope_type": "linear", "factor": 2.0, "partial_rotary_factor": 0.5}, "partial_rotary_factor rotates 8 of"),
    ],
)
def test_invalid_rotary_settings_are_refused(rope, message):
    config = tiny_config()
    config.decoder_config.rope_parameters = {"rope_theta": 10_000.0, **rope}
    with pytest.raises(ValueError, match=message):
        tiny_model(config)


@pytest.mark.parametrize("rope_type", ["dynamic", "longrope"])
def test_angles_depend_on_the_length_of_the_current_call_only(rope_type):
    config = tiny_config()
    factors = {"short_factor": [1.0] * 8, "long_factor": [3.0] * 8, "original_max_position_embeddings": ROW_LIMIT}
    config.decoder_config.rope_parameters = {"rope_type": rope_type, "factor": 4.0, "rope_theta": 100.0, **factors}
    rotary = tiny_model(config).model.decoder.rotary_emb
    short, long = (torch.arange(length)[None] for length in (ROW_LIMIT, ROW_LIMIT + 9))
    before, longer, after = (rotary(torch.ones(1), positions)[0] for positions in (short, long, short))
    assert torch.equal(before, after)
    assert not torch.allclose(longer[:, :ROW_LIMIT], before)


# Arguments


@torch.no_grad()
def test_a_cache_can_be_passed_under_either_name(model):
    inputs, rows = texts(9), prompts(5)["decoder_input_ids"]
    caches = [cache_in(model(**inputs, decoder_input_ids=rows[:, :5], use_cache=True)) for _ in range(2)]
    new, old = (
        model(**inputs, decoder_input_ids=rows[:, 5:], **{name: cache})
        for name, cache in zip(("cache", "past_key_values"), caches, strict=True)
    )
    assert torch.equal(new.logits, old.logits)
    assert cache_in(new) is caches[0]


def test_two_caches_and_other_objects_are_refused(model):
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    with pytest.raises(ValueError, match="`cache` and `past_key_values` are names of the same argument"):
        model(**texts(9), cache=cache, past_key_values=cache)
    with pytest.raises(TypeError, match="DynamicCache; expected EncoderDecoderCache"):
        model(**texts(9), cache=DynamicCache())


@pytest.mark.parametrize("name", ["inputs_embeds", "decoder_inputs_embeds", "position_ids"])
def test_unsupported_inputs_are_refused_by_name(model, name):
    for part in (model, model.model, model.get_encoder()):
        with pytest.raises(ValueError, match=f"`{name}` is not supported by Dia"):
            part(**texts(9), **{name: torch.zeros(1, 9, 24)})


@torch.no_grad()
def test_logits_can_be_requested_by_row(model):
    whole = model(**texts(9), **prompts(5)).logits
    some = model(**texts(9), **prompts(5), logits_to_keep=torch.tensor([0, 3])).logits
    torch.testing.assert_close(some, whole[:, [0, 3]])


def test_modules_take_the_arguments_of_transformers():
    names = {
        modeling_dia.DiaRMSNorm: ["hidden_states"],
        modeling_dia.DiaMLP: ["hidden_states"],
        modeling_dia.DiaSelfAttention: ["hidden_states", "position_embeddings", "attention_mask"],
        modeling_dia.DiaCrossAttention: ["hidden_states", "encoder_hidden_states", "attention_mask"],
        modeling_dia.DiaEncoderLayer: ["hidden_states", "position_embeddings", "attention_mask"],
        modeling_dia.DiaDecoderLayer: [
            "hidden_states",
            "position_embeddings",
            "attention_mask",
            "encoder_hidden_states",
            "encoder_attention_mask",
        ],
        modeling_dia.DiaRotaryEmbedding: ["x", "position_ids"],
    }
    for module, expected in names.items():
        assert list(inspect.signature(module.forward).parameters)[1 : len(expected) + 1] == expected


# Embeddings


@torch.no_grad()
def test_the_text_vocabulary_can_be_resized():
    model, before = tiny_model(), tiny_model()(**texts(9), **prompts(0)).logits
    embedding = model.resize_token_embeddings(300, mean_resizing=False)
    assert embedding is model.get_input_embeddings()
    assert model.config.encoder_config.vocab_size == len(embedding.weight) == 300
    assert model.config.decoder_config.vocab_size == VOCABULARY, "the code embeddings do not change"
    torch.testing.assert_close(model(**texts(9), **prompts(0)).logits, before)
    assert model.generate(torch.tensor([[299, 5]]), max_new_tokens=6).shape == (1, 7, CHANNELS)


def test_text_embeddings_can_be_replaced():
    for model in (tiny_model(), tiny_model().model):
        other = torch.nn.Embedding(256, 24)
        model.set_input_embeddings(other)
        assert model.get_input_embeddings() is model.get_encoder().embedding is other


def test_code_embeddings_cannot_be_resized():
    with pytest.raises(ValueError, match="the number of codes"):
        tiny_model().get_decoder().resize_token_embeddings(80)
