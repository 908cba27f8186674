"""Files of `torch.save` are read without running code, and without unpacking zip bombs."""

import zipfile
from pathlib import Path

import pytest
import torch

from dia.checkpoints.native.pickles import check_tensors, load_pickle


@pytest.fixture
def file(tmp_path):
    torch.save({"a": torch.ones(3)}, tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


def test_tensors_are_read(file):
    assert load_pickle(file)["a"].tolist() == [1, 1, 1]


def test_a_file_from_before_the_zip_format_is_read(file):
    torch.save({"a": torch.ones(3)}, file, _use_new_zipfile_serialization=False)
    assert load_pickle(file)["a"].tolist() == [1, 1, 1]


def test_code_is_refused_without_instructions_to_run_it(file):
    class Trap:
        def __reduce__(self):
            return Path.touch, (file.with_name("sprung"),)

    torch.save(Trap(), file)
    with pytest.raises(ValueError, match=r"weights\.pth cannot be read: .*objects other than tensors") as caught:
        load_pickle(file)
    assert "weights_only" not in str(caught.value)
    assert not file.with_name("sprung").exists()


def test_an_archive_that_unpacks_to_more_than_its_size_is_refused(file):
    with zipfile.ZipFile(file) as archive:
        entries = {entry: archive.read(entry) for entry in archive.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, bytes(5_000_000) if name.endswith("data/0") else content)
    with pytest.raises(ValueError, match=r"weights\.pth cannot be read: .*unpacks to 500\d\d\d\d"):
        load_pickle(file)


@pytest.mark.parametrize("content", [b"", b"x", b"PK\x03\x04", bytes(1000), b"\x80\x02}q\x00.", b"\x80\x02."])
def test_other_bytes_are_refused(file, content):
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"weights\.pth cannot be read: .*download it again"):
        load_pickle(file)


FORMS = {
    "number": 5,
    "sparse": torch.ones(3).to_sparse(),
    "meta": torch.ones(3, device="meta"),
    "claimed": torch.ones(1).expand(10**6, 10**6),
}


@pytest.mark.parametrize("form", FORMS)
def test_an_incomplete_tensor_is_refused_by_name(form):
    with pytest.raises(ValueError, match=r"weights\.pth .*a\b"):
        check_tensors("weights.pth", {"a": FORMS[form]})
