"""The training log: lines that survive a kill, means, TensorBoard curves; and spectrograms."""

import sys
from types import ModuleType

import numpy as np
import pytest

from dia.training.journal import Journal, Means
from dia.training.spectrogram import draw_spectrogram, spectrogram


@pytest.fixture
def curves(monkeypatch):
    """What TensorBoard receives."""
    scalars: list[tuple[str, float, int]] = []

    class SummaryWriter:
        def __init__(self, folder):
            self.folder = folder

        def add_scalar(self, tag, value, step):
            scalars.append((tag, value, step))

        def flush(self):
            pass

    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    return scalars


@pytest.fixture
def no_curves(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)


def test_lines_are_counted_and_rounded(tmp_path, no_curves):
    journal = Journal(tmp_path)
    assert journal.write({"step": 1, "loss": 0.123456789, "used": [1.0000001, 2]}) == (
        '{"step": 1, "loss": 0.12346, "used": [1.0, 2]}'
    )
    assert (journal.count, Journal(tmp_path).count) == (1, 1)
    assert journal.lines() == [{"step": 1, "loss": 0.12346, "used": [1.0, 2]}]


def test_a_line_cut_off_by_a_kill_does_not_count(tmp_path, no_curves):
    Journal(tmp_path).write({"step": 1})
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": ')
    journal = Journal(tmp_path)
    assert journal.count == 1
    journal.replace(journal.lines())
    journal.write({"step": 2})
    assert journal.lines() == [{"step": 1}, {"step": 2}]


def test_numbers_become_curves_where_tensorboard_is_installed(tmp_path, curves):
    Journal(tmp_path).write({"stage": "joint", "step": 7, "loss": 0.5, "used": [1, 2]})
    assert curves == [("joint/loss", 0.5, 7)]


def test_means_are_of_the_values_there_were():
    means = Means()
    means.add({"loss": 1.0})
    means.add({"loss": 2.0, "revived": 3.0})
    assert means.take() == {"loss": 1.5, "revived": 3.0}
    assert means.take() == {}


def test_a_spectrogram_is_loudest_at_the_tone():
    tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000).astype(np.float32)
    decibels = spectrogram(tone, 8000)
    assert decibels.max() == 0
    assert decibels.argmax(0)[10] * 8000 / 256 == pytest.approx(1000, abs=32)
    assert spectrogram(np.zeros(8000, np.float32), 8000).max() <= 0


def test_a_spectrogram_is_a_png(tmp_path):
    assert draw_spectrogram(np.zeros(500, np.float32), 8000, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_remedy_is_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert not draw_spectrogram(np.zeros(500, np.float32), 8000, tmp_path / "a.png")
    assert "pip install matplotlib" in capsys.readouterr().out
