"""Recorded steps: few recordings for all lengths, kept by bytes, with weights that are joined once for each model."""

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from tiny import BATCH, CHANNELS, EOS, INPUTS, ONE, PATTERN, PLAIN, ROW_LIMIT, prompts, texts, tiny_model

from dia.decoding.step import layer as step_layer
from dia.decoding.step import runner
from tests.decoding.step.as_recorded import COUNTED, MASKED, SPAN, record_plainly

GUIDED = {"guidance_scale": 3.0, "do_sample": True, "top_k": 30, "temperature": 0.9}


@pytest.fixture
def model():
    endless = tiny_model()
    endless.logits_dense.weight.data[EOS] = 0
    return endless


@pytest.fixture(params=[MASKED, COUNTED], ids=lambda attention: attention.name)
def built(request, monkeypatch):
    """What calls build, with attention that reads masks or the number of rows."""
    return record_plainly(monkeypatch, request.param)


@pytest.fixture
def masked(monkeypatch):
    return record_plainly(monkeypatch, MASKED)


def generate(model, inputs, **settings):
    torch.manual_seed(3)
    return model.generate(**inputs, **{"max_new_tokens": 40, **settings})


@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("settings", [{}, GUIDED], ids=["greedy", "guided"])
def test_codes_equal_those_of_the_plain_loop(model, built, inputs, settings):
    assert torch.equal(generate(model, inputs, **settings), generate(model, inputs, **settings, **PLAIN))
    assert built.spans


def test_one_recording_serves_all_lengths_where_attention_reads_the_number_of_rows(model, monkeypatch):
    built = record_plainly(monkeypatch, COUNTED)
    generate(model, ONE, max_new_tokens=60)
    assert len(built.spans) == 1


def test_spans_under_masks_are_doubled(model, masked):
    generate(model, ONE, max_new_tokens=ROW_LIMIT - 1)
    assert masked.spans == [SPAN, 2 * SPAN, 4 * SPAN]


def test_nothing_is_recorded_after_a_step_is_prepared(model, built):
    with torch.no_grad(), runner.runner_for(model, wanted(model)) as found:
        found.prepare()
        assert found.report().spans == found.step.spans
    before = list(built.spans)
    for rows in (60, 5, 33):
        generate(model, ONE, max_new_tokens=rows)
    assert built.spans == before
    assert len(built.steps) == 1


def test_a_kept_step_serves_shorter_calls_with_the_same_codes(model, built):
    generate(model, {**texts(30), **prompts(4)}, max_new_tokens=50)
    short = {**texts(3), **prompts(0)}
    assert torch.equal(generate(model, short, max_new_tokens=6), generate(model, short, max_new_tokens=6, **PLAIN))
    assert len(built.steps) == 1


def wanted(model, **settings):
    """The configuration of a step for a clip of full length."""
    return model.slot_request(**ONE, max_new_tokens=ROW_LIMIT - 1 + max(PATTERN), **settings).config


def test_the_report_names_attention_sizes_and_recordings(model, masked):
    with torch.no_grad(), runner.runner_for(model, wanted(model)) as found:
        found.prepare()
        report = found.report()
    assert (report.attention, report.text_attention) == ("masked", "masked")
    assert report.mode == "eager and recorded as a CUDA graph"
    assert (report.slots, report.rows, report.text) == (1, 80, 64)
    keys = sum(tensor.nbytes for layer in found.step.layers for tensor in layer.buffers)
    grids = 2 * CHANNELS * report.rows * 8
    assert report.nbytes >= keys + grids


def test_kept_steps_are_evicted_by_bytes(model, masked, monkeypatch):
    calls = [{"top_k": number} for number in (5, 6, 7)]
    generate(model, ONE, do_sample=True, **calls[0])
    ((_, first),) = runner._runners[model]
    monkeypatch.setattr(runner, "_memory", lambda device: 2 * first.step.nbytes / runner._CACHED_SHARE)
    for settings in calls[1:]:
        generate(model, ONE, do_sample=True, **settings)
    assert [kept.step.config.sampler.top_k for _, kept in runner._runners[model]] == [6, 7]


def test_the_latest_step_is_kept_whatever_its_size(model, masked, monkeypatch):
    monkeypatch.setattr(runner, "_memory", lambda device: 1)
    for _ in range(2):
        generate(model, BATCH)
    assert len(masked.steps) == 1


def test_without_a_known_memory_size_steps_are_kept(model, masked, monkeypatch):
    monkeypatch.setattr(runner, "_memory", lambda device: None)
    for number in range(5, 11):
        generate(model, ONE, do_sample=True, top_k=number, max_new_tokens=5)
    assert len(runner._runners[model]) == 6


def test_small_steps_are_all_kept(model, masked):
    for number in range(5, 11):
        generate(model, ONE, do_sample=True, top_k=number, max_new_tokens=5)
    assert len(runner._runners[model]) == 6


def test_steps_of_a_model_share_its_joined_weights(model, masked):
    for number in (5, 6):
        generate(model, ONE, do_sample=True, top_k=number, max_new_tokens=5)
    first, second = (kept.step for _, kept in runner._runners[model])
    for one, other in zip(first.layers, second.layers, strict=True):
        assert one.own_in.matrix is other.own_in.matrix
    other = copy.deepcopy(model)
    generate(other, ONE, max_new_tokens=5)
    assert runner._runners[other][0][1].step.layers[0].own_in.matrix is not first.layers[0].own_in.matrix


def test_weights_are_joined_again_after_they_are_moved(model):
    layer = model.model.decoder.layers[0].self_attention
    weights = [layer.q_proj.weight, layer.k_proj.weight]
    first = step_layer._shared(layer, weights)
    assert step_layer._shared(layer, weights) is first
    model.double()
    assert step_layer._shared(layer, weights).weight.dtype == torch.float64


def test_weights_that_are_joined_in_inference_mode_serve_later_calls(model):
    with torch.inference_mode():
        within = generate(model, ONE)
    assert torch.equal(generate(model, ONE), within)


def test_threads_that_share_a_model_write_the_same_codes(model, built):
    calls = [{"max_new_tokens": rows, "top_k": rows} for rows in (20, 30, 40)]
    greedy = [generate(model, ONE, **settings) for settings in calls]
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda settings: model.generate(**ONE, **settings), calls))
    assert all(torch.equal(one, other) for one, other in zip(found, greedy, strict=True))
