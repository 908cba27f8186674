"""Too little memory is an error before anything is loaded, and the message names alternatives."""

import pytest
from tiny_checkpoint import write_tiny_checkpoint

from dia.model import Dia
from dia.runtime.resources import free_memory as free_memory_module
from dia.runtime.resources.free_memory import check_free_memory, free_memory


@pytest.fixture
def free(monkeypatch):
    """Return a function that sets the free memory."""
    return lambda size: monkeypatch.setattr(free_memory_module, "free_memory", lambda: size)


def test_weights_that_fit_are_accepted(free):
    free(1000)
    check_free_memory(1000, {})
    free(None)
    check_free_memory(1e30, {})


def test_weights_that_do_not_fit_are_rejected_with_smaller_alternatives(free):
    free(2_000_000_000)
    message = r"take 3\.20 GB of memory, but only 2\.00 GB are free\. Free some memory, or use less \(1\.00 GB\)"
    with pytest.raises(MemoryError, match=message):
        check_free_memory(3.2e9, {"less": 1e9})
    with pytest.raises(MemoryError, match="or use a smaller model"):
        check_free_memory(3.2e9, {})


def test_free_memory_includes_swap_and_respects_the_cgroup_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(free_memory_module, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(free_memory_module, "_GROUP", tmp_path)
    assert free_memory() is None
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:  5 kB\nSwapFree: 2 kB\n")
    assert free_memory() == 7 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory() == 7 * 1024
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("4000\n")
    (tmp_path / "memory.stat").write_text("anon 100\nactive_file 20\ninactive_file 30\n")
    assert free_memory() == 1050


def test_a_model_is_rejected_before_it_is_read_and_the_message_names_formats_that_fit(tmp_path, free):
    folder = write_tiny_checkpoint(tmp_path)
    stored = (folder / "model.safetensors").stat().st_size
    free(int(0.9 * stored))
    with pytest.raises(MemoryError, match=r'use quantization="int8" \(.* GB\) or quantization="int4" \('):
        Dia.from_pretrained(folder, device="cpu", load_dac=False)
    int8 = Dia.from_pretrained(folder, device="cpu", load_dac=False, quantization="int8")
    int8.model.save_pretrained(tmp_path / "int8")
    free(int(0.2 * stored))
    with pytest.raises(MemoryError, match='or use quantization="int4"'):
        Dia.from_pretrained(folder, device="cpu", load_dac=False, quantization="int8")
    with pytest.raises(MemoryError, match="or use a smaller model"):
        Dia.from_pretrained(tmp_path / "int8", device="cpu", load_dac=False)
