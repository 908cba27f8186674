"""Parity at the published size: both models share 1.6 billion random weights. Takes minutes and 8 GB of memory."""

import pytest
import torch
from transformers.models.dia import configuration_dia, modeling_dia

from dia import DiaConfig, DiaForConditionalGeneration, DiaTokenizer
from dia.decoding.delay import delay

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def twins():
    torch.manual_seed(0)
    ours = DiaForConditionalGeneration(DiaConfig()).eval()
    with torch.device("meta"):
        stock = modeling_dia.DiaForConditionalGeneration(configuration_dia.DiaConfig()).eval()
    stock.load_state_dict(ours.state_dict(), assign=True)
    for part in ("encoder", "decoder"):  # computed, not stored, so not in the state dict
        rotary = getattr(stock.model, part).rotary_emb
        rotary.inv_freq = rotary.original_inv_freq = getattr(ours.model, part).rotary_emb.inv_freq
    stock.model.decoder.embeddings.offsets = torch.arange(9) * 1028
    return ours, stock


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_greedy_codes_and_logits_are_those_of_the_stock_model(twins, guidance):
    text = DiaTokenizer()(["[S1] Dia is an open weights model.", "[S2] Yes."], padding=True, return_tensors="pt")
    decoder = twins[0].config.decoder_config
    frames = torch.randint(0, 1024, (2, 4, 9), generator=torch.Generator().manual_seed(1))
    frames = torch.cat([torch.full((2, 1, 9), decoder.bos_token_id), frames], dim=1)
    grid = delay(frames, twins[0].config.delay_pattern, decoder.bos_token_id, decoder.pad_token_id)
    inputs = {**text, "decoder_input_ids": grid, "decoder_attention_mask": torch.ones(grid.shape[:2]).long()}
    settings = {"do_sample": False, "guidance_scale": guidance, "max_new_tokens": 24}
    output = {"return_dict_in_generate": True, "output_logits": True}
    got, wanted = (model.generate(**inputs, **settings, **output) for model in twins)
    assert torch.equal(got.sequences, wanted.sequences)
    for row, reference in zip(got.logits, wanted.logits, strict=True):
        # Without guidance, the stock EOS rule modifies the raw logits in place before they are returned.
        there = reference.isfinite()
        torch.testing.assert_close(row[there], reference[there], atol=1e-4, rtol=0)


def test_the_model_has_the_published_number_of_weights(twins):
    assert sum(weight.numel() for weight in twins[0].parameters()) == 1_611_160_576
