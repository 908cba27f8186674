"""Memory: copies of mapped weights, limits of caches, and one heap for all threads."""

import ctypes
import os
import subprocess
import sys

import pytest
import torch
from tiny import tiny_model

from dia import DiaForConditionalGeneration
from dia.runtime.resources import memory
from dia.runtime.resources.memory import (
    copy_mapped_weights,
    limit_kernel_caches,
    page_out_weights,
    release_free_memory,
)

linux = pytest.mark.skipif(not memory._MAPS.exists(), reason="the system does not tell what is mapped")


def in_files(model):
    ranges = memory._file_ranges()
    return [any(start <= weight.data_ptr() < end for start, end in ranges) for weight in model.parameters()]


@linux
def test_mapped_weights_are_copied_unchanged(tmp_path):
    tiny_model().save_pretrained(tmp_path)
    model = DiaForConditionalGeneration.from_pretrained(tmp_path)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    copy_mapped_weights(model)
    assert not any(in_files(model))
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())
    assert all(weight.requires_grad for weight in model.parameters())


@linux
def test_the_file_is_unchanged(tmp_path):
    tiny_model().save_pretrained(tmp_path)
    written = (tmp_path / "model.safetensors").read_bytes()
    copy_mapped_weights(DiaForConditionalGeneration.from_pretrained(tmp_path))
    assert (tmp_path / "model.safetensors").read_bytes() == written


def test_weights_in_memory_are_not_copied(monkeypatch, tmp_path):
    model = tiny_model()
    before = [weight.data_ptr() for weight in model.parameters()]
    copy_mapped_weights(model)
    monkeypatch.setattr(memory, "_MAPS", tmp_path / "none")
    copy_mapped_weights(model)
    assert [weight.data_ptr() for weight in model.parameters()] == before


@linux
def test_paged_out_weights_keep_their_values_and_changes(tmp_path):
    tiny_model().save_pretrained(tmp_path)
    model = DiaForConditionalGeneration.from_pretrained(tmp_path)
    assert any(in_files(model))
    with torch.no_grad():
        for weight in model.parameters():
            weight[0].fill_(7.0)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    page_out_weights(model.parameters())
    assert any(in_files(model))
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())


@linux
def test_paged_out_weights_take_no_memory(tmp_path):
    asked = []
    tiny_model().save_pretrained(tmp_path)
    model = DiaForConditionalGeneration.from_pretrained(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "_advise", lambda weight, advice: asked.append((weight.data_ptr(), advice)))
        page_out_weights([*model.parameters(), torch.zeros(9)])
    mapped = [weight.data_ptr() for weight, lies in zip(model.parameters(), in_files(model), strict=True) if lies]
    assert asked == [(pointer, memory._PAGE_OUT) for pointer in mapped]


def test_releasing_free_memory_keeps_tensors_intact():
    held = torch.arange(1_000_000)
    del (freed := [torch.zeros(100_000) for _ in range(20)])[::2]
    release_free_memory()
    assert held[-1] == 999_999
    assert not any(tensor.any() for tensor in freed)


def test_kernel_caches_are_limited_unless_the_environment_sets_them(monkeypatch):
    monkeypatch.delenv("LRU_CACHE_CAPACITY", raising=False)
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "500")
    limit_kernel_caches()
    assert os.environ["LRU_CACHE_CAPACITY"] == "64"
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "500"


HEAPS = """
import ctypes, re, sys, tempfile, threading
from dia.runtime.resources import memory

memory.usable_cores = lambda: int(sys.argv[1])
memory.share_heaps()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.fopen.restype = ctypes.c_void_p
libc.malloc_info.argtypes = ctypes.c_int, ctypes.c_void_p
libc.fclose.argtypes = (ctypes.c_void_p,)
ready, done = threading.Barrier(9), threading.Barrier(9)


def allocate():
    libc.malloc(1000)
    ready.wait()
    done.wait()


for _ in range(8):
    threading.Thread(target=allocate).start()
ready.wait()
with tempfile.NamedTemporaryFile("r") as file:
    stream = libc.fopen(file.name.encode(), b"w")
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(len(re.findall("<heap nr", file.read())))
done.wait()
"""


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc")
@pytest.mark.parametrize(
    ("cores", "chosen", "least", "most"),
    [(2, {}, 1, 2), (24, {}, 6, 7), (2, {"MALLOC_ARENA_MAX": "8"}, 8, 8)],
)
def test_threads_share_heaps_unless_the_environment_decides(cores, chosen, least, most):
    environment = {name: value for name, value in os.environ.items() if name not in memory._HEAPS} | chosen
    found = subprocess.run(
        [sys.executable, "-c", HEAPS, str(cores)], capture_output=True, check=True, env=environment, text=True
    )
    assert least <= int(found.stdout) <= most
