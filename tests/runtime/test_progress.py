"""A progress bar counts frames on a terminal and is removed at the end."""

import io
import sys

import torch

from dia.runtime.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_rows_are_counted_after_the_prompt(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    progress = Progress(frame_rate=16)
    progress.put(torch.zeros(1, 5, 3))
    for _ in range(32):
        progress.put(torch.zeros(1, 3))
    assert progress._bar.n == 32
    assert "2.0 s of speech" in str(progress._bar)
    progress.end()
    assert "speaking" in terminal.getvalue()
    assert capsys.readouterr().out == ""


def test_nothing_is_drawn_outside_a_terminal(capsys):
    progress = Progress(frame_rate=16)
    for _ in range(33):
        progress.put(torch.zeros(1, 3))
    progress.end()
    assert capsys.readouterr().err == ""


def test_nothing_is_drawn_without_rows(capsys):
    Progress(frame_rate=16).end()
    assert capsys.readouterr().err == ""
