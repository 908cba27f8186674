"""Weights leave the mapping of their file: the same numbers, in memory of their own."""

import pytest
import torch
from tiny import tiny_model

from dia import DiaForConditionalGeneration, own_memory
from dia.own_memory import to_own_memory

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
