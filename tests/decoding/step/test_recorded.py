"""Recorded steps: few recordings for all lengths, kept by bytes, with weights that are joined once for each model."""

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from tiny import BATCH, CHANNELS, EOS, INPUTS, ONE, PATTERN, PLAIN, ROW_LIMIT, prompts, texts, tiny_model

from dia.decoding.engine import Engine, engine_of
from dia.decoding.step import config, runner, step
from dia.decoding.step import layer as step_layer
from dia.decoding.step.attention import MEMORY_EFFICIENT, SPLIT, UNFUSED
from tests.decoding.step.as_recorded import COUNTED, MASKED, SPAN, record_plainly

GPU = "cuda"
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


# On a GPU


@pytest.fixture
def on_gpu(monkeypatch):
    """A model on the GPU, with short spans, and a function that chooses the attention of its steps."""
    endless = tiny_model()
    endless.logits_dense.weight.data[EOS] = 0
    monkeypatch.setattr(config, "_SPAN", SPAN)

    def choose(attention):
        for name in ("attention_for_rows", "attention_for_text"):
            monkeypatch.setattr(step, name, lambda *_: attention)
        return endless.to(GPU)

    return choose


def on(device, inputs):
    return {name: tensor.to(device) for name, tensor in inputs.items()}


@pytest.mark.gpu
@pytest.mark.parametrize("attention", [SPLIT, MEMORY_EFFICIENT, UNFUSED], ids=lambda attention: attention.name)
def test_recordings_for_all_lengths_share_a_pool_and_write_the_codes_of_the_plain_loop(on_gpu, attention):
    model = on_gpu(attention)
    for rows in (60, 12, 60):  # the second and third replay what the first has recorded
        got = generate(model, on(GPU, ONE), max_new_tokens=rows)
        assert torch.equal(got, generate(model, on(GPU, ONE), max_new_tokens=rows, **PLAIN))
    ((_, kept),) = runner._runners[model]
    assert kept.report().mode == "eager and recorded as a CUDA graph"
    assert kept.report().spans == kept.step.spans


@pytest.mark.gpu
def test_a_gpu_builds_nothing_for_a_clip_after_a_warm_up(on_gpu, monkeypatch):
    model, prepared, original = on_gpu(SPLIT), [], runner.GraphRunner._prepared
    monkeypatch.setattr(
        runner.GraphRunner, "_prepared", lambda self, span: prepared.append(span) or original(self, span)
    )
    ready = model.warm_up(slots=4)
    assert ready.step.mode == "eager and recorded as a CUDA graph"
    before = list(prepared)
    clips = [
        model.slot_request(**on(GPU, {**texts(size), **prompts(size % 3)}), max_new_tokens=30) for size in (3, 9, 20)
    ]
    tickets = [engine_of(model).submit(clip) for clip in clips]
    for ticket in tickets:
        assert len(ticket.result(60)) > 30
    assert prepared == before


@pytest.mark.gpu
def test_clips_that_join_late_and_leave_write_the_codes_that_they_write_alone_on_a_gpu(on_gpu):
    model = on_gpu(SPLIT)

    def clip(number):
        inputs = on(GPU, {**texts(3 + 4 * number), **prompts(number % 4)})
        generator = torch.Generator().manual_seed(number)
        return model.slot_request(**inputs, **GUIDED, max_new_tokens=10 + 5 * number, generator=generator)

    with Engine(model, slots=4) as engine:
        alone = [engine.submit(clip(number)).result(60) for number in range(7)]
        tickets = [engine.submit(clip(number)) for number in range(7)]
        assert all(torch.equal(ticket.result(60), grid) for ticket, grid in zip(tickets, alone, strict=True))


@pytest.mark.gpu
def test_threads_record_and_replay_at_once(on_gpu):
    model = on_gpu(SPLIT)
    calls = [{"max_new_tokens": rows, "top_k": rows} for rows in (20, 30, 40)]
    expected = [model.generate(**on(GPU, ONE), **settings, **PLAIN) for settings in calls]
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda settings: model.generate(**on(GPU, ONE), **settings), calls))
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
