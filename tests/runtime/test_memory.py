"""Weights leave the mapping of their file: the same numbers, in memory of their own."""

import os

import pytest
import torch
from tiny import tiny_model

from dia import DiaForConditionalGeneration
from dia.runtime import memory as own_memory
from dia.runtime.memory import keep_few_shapes, leave_in_file, release_free_memory, to_own_memory

linux = pytest.mark.skipif(not own_memory._MAPS.exists(), reason="the system does not tell what is mapped")


def in_files(model):
    ranges = own_memory._file_ranges()
    return [any(start <= weight.data_ptr() < end for start, end in ranges) for weight in model.parameters()]


@linux
def test_mapped_weights_are_copied_as_they_are(tmp_path):
    tiny_model().save_pretrained(tmp_path)
    model = DiaForConditionalGeneration.from_pretrained(tmp_path)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    to_own_memory(model)
    assert not any(in_files(model))
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())
    assert all(weight.requires_grad for weight in model.parameters())


@linux
def test_the_file_stays_as_it_is(tmp_path):
    tiny_model().save_pretrained(tmp_path)
    written = (tmp_path / "model.safetensors").read_bytes()
    to_own_memory(DiaForConditionalGeneration.from_pretrained(tmp_path))
    assert (tmp_path / "model.safetensors").read_bytes() == written


def test_what_lies_in_memory_already_stays_there(monkeypatch, tmp_path):
    model = tiny_model()
    before = [weight.data_ptr() for weight in model.parameters()]
    to_own_memory(model)
    monkeypatch.setattr(own_memory, "_MAPS", tmp_path / "none")
    to_own_memory(model)
    assert [weight.data_ptr() for weight in model.parameters()] == before


@linux
def test_weights_left_in_their_file_read_as_before_and_keep_what_was_written_to_them(tmp_path):
    tiny_model().save_pretrained(tmp_path)
    model = DiaForConditionalGeneration.from_pretrained(tmp_path)
    assert any(in_files(model))
    with torch.no_grad():
        for weight in model.parameters():
            weight[0].fill_(7.0)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    leave_in_file(model.parameters())
    assert any(in_files(model))
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())


@linux
def test_weights_left_in_their_file_take_no_memory(tmp_path):
    asked = []
    tiny_model().save_pretrained(tmp_path)
    model = DiaForConditionalGeneration.from_pretrained(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_memory, "_advise", lambda weight, advice: asked.append((weight.data_ptr(), advice)))
        leave_in_file([*model.parameters(), torch.zeros(9)])
    mapped = [weight.data_ptr() for weight, lies in zip(model.parameters(), in_files(model), strict=True) if lies]
    assert asked == [(pointer, own_memory._PAGE_OUT) for pointer in mapped]


def test_giving_back_what_was_freed_changes_nothing_that_is_held():
    held = torch.arange(1_000_000)
    del (freed := [torch.zeros(100_000) for _ in range(20)])[::2]
    release_free_memory()
    assert held[-1] == 999_999
    assert not any(tensor.any() for tensor in freed)


def test_code_is_kept_for_few_shapes_unless_the_environment_says_otherwise(monkeypatch):
    monkeypatch.delenv("LRU_CACHE_CAPACITY", raising=False)
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "500")
    keep_few_shapes()
    assert os.environ["LRU_CACHE_CAPACITY"] == "64"
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "500"
