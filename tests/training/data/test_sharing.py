"""Recordings are encoded by several processes, here one after another in threads of one: each clip once, as by one."""

from threading import Barrier, Thread

import numpy as np
import pytest
from tiny_codec import RATE, tiny_codec, tiny_processor

from dia.training.data.code_cache import CodeCache
from dia.training.data.encoding import encode_rows
from dia.training.data.sharing import encode_share
from dia.training.data.source import Row


@pytest.fixture(scope="module")
def rows():
    """Seven noises, of which two are the same recording."""
    noises = [np.random.default_rng(seed).uniform(-0.3, 0.3, RATE // 4).astype(np.float32) for seed in range(6)]
    return [Row(f"row {number}", f"Clip {number}.", noise) for number, noise in enumerate([*noises, noises[0]])]


class Threads:
    """Exchanges results between threads that stand for processes."""

    def __init__(self, count):
        self.count, self._barrier = count, Barrier(count, timeout=60)
        self._answers = [None] * count

    def run(self, work):
        """Call `work(number, gather)` in each; returns the results."""
        results = [None] * self.count

        def one(number):
            results[number] = work(number, lambda answer: self._gather(number, answer))

        threads = [Thread(target=one, args=(number,)) for number in range(self.count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    def _gather(self, number, answer):
        self._answers[number] = answer()
        self._barrier.wait()
        answers = list(self._answers)
        self._barrier.wait()
        return answers


def shared(rows, folder, count, **options):
    processor = tiny_processor(tiny_codec())
    return Threads(count).run(
        lambda number, gather: encode_share(rows, processor, folder, number, count, gather, **options)
    )


def clips(folder, shift=0):
    return sorted(
        (clip.name, clip.text, clip.codes.tobytes()) for clip in CodeCache(folder).rows if clip.shift == shift
    )


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_each_clip_is_encoded_once_and_as_by_one_process(rows, tmp_path, count):
    encode_rows(rows, tiny_processor(tiny_codec()), tmp_path / "whole", progress=False)
    made = shared(rows, tmp_path / "shared", count)
    assert sum(made) == 7
    assert max(made) - min(made) <= 1
    assert clips(tmp_path / "shared") == clips(tmp_path / "whole")


def test_what_is_there_is_not_encoded_again_by_another_number_of_processes(rows, tmp_path):
    shared(rows[:4], tmp_path / "codes", 2)
    assert sum(shared(rows, tmp_path / "codes", 3)) == 3
    assert sum(shared(rows, tmp_path / "codes", 1)) == 0
    assert len(CodeCache(tmp_path / "codes")) == 7


def test_every_shift_is_encoded(rows, tmp_path):
    shared(rows[:3], tmp_path / "codes", 2, shifts=2)
    assert len(CodeCache(tmp_path / "codes")) == 6
    assert len(clips(tmp_path / "codes")) >= 3


def test_no_rows_are_refused(tmp_path):
    with pytest.raises(ValueError, match="rows is empty"):
        encode_share([], tiny_processor(tiny_codec()), tmp_path, 0, 1, lambda work: [work()])
