"""A bar counts what is spoken, on standard error, and goes away."""

import torch

from dia.runtime.progress import Progress


def test_rows_are_counted_after_the_prompt(capsys):
    progress = Progress(frame_rate=16)
    progress.put(torch.zeros(1, 5, 3))
    for _ in range(32):
        progress.put(torch.zeros(1, 3))
    assert progress._bar.n == 32
    assert "2.0 s of speech" in str(progress._bar)
    progress.end()
    printed = capsys.readouterr()
    assert "speaking" in printed.err
    assert printed.out == ""


def test_nothing_spoken_draws_nothing(capsys):
    Progress(frame_rate=16).end()
    assert capsys.readouterr().err == ""
