"""Headers of safetensors files are read without tensors, and damaged files are rejected by name."""

import struct

import pytest
import torch
from safetensors.torch import save_file

from dia.runtime.files.tensor_files import Stored, describe_tensors, mismatches, not_finite, read_header

TENSORS = {"a": torch.zeros(2, 3), "b": torch.zeros(4, dtype=torch.bfloat16)}
HEADER = {"a": Stored("F32", (2, 3)), "b": Stored("BF16", (4,))}


@pytest.fixture
def file(tmp_path):
    save_file(TENSORS, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_names_types_and_shapes_are_read(file):
    assert read_header(file) == describe_tensors(TENSORS) == HEADER


@pytest.mark.parametrize("kept", [0, 5, 8, 100, -1])
def test_a_truncated_file_is_rejected(file, kept):
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"model\.safetensors cannot be read: it is truncated.*download it again"):
        read_header(file)


@pytest.mark.parametrize("length", [2**63, 2**40, 5_000_000])
def test_a_header_that_claims_gigabytes_is_rejected_unread(file, length):
    with file.open("r+b") as opened:
        opened.write(struct.pack("<Q", length))
        opened.truncate(6_000_000)
    with pytest.raises(ValueError, match=r"model\.safetensors cannot be read"):
        read_header(file)


def test_a_git_lfs_pointer_is_named(file):
    file.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")
    with pytest.raises(ValueError, match="git lfs pull"):
        read_header(file)


def test_mismatches_are_described_per_tensor():
    expected = [("a", (3, 2)), ("b", (4,)), ("c", (1,))]
    assert list(mismatches(HEADER, expected, ("F32",))) == [
        "a has shape [2, 3], expected [3, 2]",
        "b is stored as BF16, expected one of F32",
        "c [1] is missing",
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_single_non_finite_number_is_found(dtype, value):
    tensors = {
        "good": torch.ones(9, dtype=dtype),
        "bad": torch.ones(9, dtype=dtype),
        "codes": torch.ones(9).to(torch.int8),
    }
    tensors["bad"][4] = value
    assert not_finite(tensors.items()) == ["bad"]


def test_large_finite_numbers_count_as_finite_although_their_sum_overflows():
    assert (
        not_finite([("large", torch.full((9,), 3e38)), ("half", torch.full((9,), 65504.0, dtype=torch.float16))]) == []
    )


class Packed(torch.Tensor):
    """Stands in for torchao's tensors: a subclass that consists of others and has no operations."""

    @staticmethod
    def __new__(cls, codes, scale):
        return torch.Tensor._make_wrapper_subclass(cls, codes.shape, dtype=scale.dtype)

    def __init__(self, codes, scale):
        self.codes, self.scale = codes, scale

    def __tensor_flatten__(self):
        return ["codes", "scale"], None

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        raise NotImplementedError(str(function))


@pytest.mark.parametrize("value", [1.0, float("nan")])
def test_the_parts_of_a_packed_tensor_are_looked_at(value):
    packed = Packed(torch.ones(4, 4, dtype=torch.int8), torch.full((4,), value))
    assert not_finite([("packed", packed)]) == ([] if value == 1.0 else ["packed"])
