"""Two processes that train one model: gradients and times are averaged, weights stay equal, one process writes."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from dia.training import distributed, muon
from dia.training.mini.pretraining import trainer as pretraining
from dia.training.muon import Muon
from tests.support.waiting import wait_until
from tests.training.mini.pretraining.tiny_training import tiny_trainer


def exchange(folder: Path) -> None:
    rank = distributed.rank()
    weights = [torch.zeros(2, 3), torch.zeros(1), torch.zeros(4)]
    weights[0].grad, weights[1].grad = torch.full((2, 3), 1.0 + rank), torch.tensor([4.0 * rank])
    distributed.average_gradients(weights)
    means = [weights[0].grad.tolist(), weights[1].grad.tolist(), weights[2].grad, distributed.mean(float(rank))]
    (folder / f"{rank}.json").write_text(json.dumps([distributed.processes(), means]))


def optimize(folder: Path) -> None:
    """Three steps of Muon, and which matrices this process orthogonalized."""
    own: list[int] = []
    direct = muon.orthogonalized
    muon.orthogonalized = lambda matrix: own.append(len(matrix)) or direct(matrix)
    generator = torch.Generator().manual_seed(0)
    weights = [torch.nn.Parameter(torch.randn(size, 8, generator=generator)) for size in (8, 32, 16, 24)]
    optimizer = Muon(weights, lr=0.1)
    for _ in range(3):
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=generator)
        optimizer.step()
    muon.orthogonalized = direct
    torch.save([own, weights], folder / f"{distributed.processes()}-{distributed.rank()}.pt")


def idle(folder: Path) -> None:
    with (folder / str(distributed.rank())).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released when the process ends
        file.write("ready")
        file.flush()
        time.sleep(300)


def has_ended(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def fail(folder: Path) -> None:
    if distributed.rank():
        raise OSError("the disk is full")
    time.sleep(300)


def train(folder: Path) -> None:
    torch.set_num_threads(1)
    ticks = iter(range(10**6))
    pretraining.UNTIMED_STEPS, pretraining.time.perf_counter = 0, lambda: (4.0 + 2 * distributed.rank()) * next(ticks)
    trainer = tiny_trainer(folder / "run", learning_rate=1e-2, warmup=1)
    trainer.run()
    torch.save([trainer.state.global_step, trainer.model.state_dict()], folder / f"{distributed.rank()}.pt")


def test_alone_nothing_is_exchanged():
    weight = torch.zeros(1)
    weight.grad = torch.ones(1)
    distributed.average_gradients([weight])
    assert (distributed.rank(), distributed.processes(), distributed.mean(3.0), float(weight.grad)) == (0, 1, 3.0, 1.0)


def test_one_process_is_this_one(tmp_path):
    seen = []
    distributed.run(lambda number: seen.append((number, os.getpid())), 1, 5)
    assert seen == [(5, os.getpid())]


def test_gradients_and_numbers_are_averaged(tmp_path):
    distributed.run(exchange, 2, tmp_path)
    expected = [2, [[[1.5] * 3] * 2, [2.0], None, 0.5]]
    assert [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)] == [expected] * 2


def test_a_process_that_fails_ends_them_all(tmp_path):
    with pytest.raises(torch.multiprocessing.ProcessRaisedException, match="the disk is full"):
        distributed.run(fail, 2, tmp_path)


def test_if_the_first_process_is_killed_the_others_end_also_in_the_background(tmp_path):
    code = (
        "import sys; from tests.training.test_distributed import Path, distributed, idle\n"
        "distributed.run(idle, 2, Path(sys.argv[1]))"
    )
    ignoring = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)}  # as a shell does for `&`
    first = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], **ignoring)
    files = [tmp_path / "0", tmp_path / "1"]
    try:
        wait_until(lambda: all(path.exists() and path.read_text() for path in files))
    finally:
        first.kill()
        first.wait()
    wait_until(lambda: all(map(has_ended, files)))


def test_two_processes_divide_the_matrices_and_step_as_one_does(tmp_path):
    optimize(tmp_path)
    distributed.run(optimize, 2, tmp_path)
    found = [torch.load(tmp_path / f"{name}.pt", weights_only=False) for name in ("1-0", "2-0", "2-1")]
    assert [own for own, _ in found] == [[8, 32, 16, 24] * 3, [8, 24] * 3, [32, 16] * 3]
    for _, weights in found[1:]:
        assert all(torch.equal(weight, alone) for weight, alone in zip(weights, found[0][1], strict=True))


def test_two_processes_keep_one_model_and_write_one_log(tmp_path):
    distributed.run(train, 2, tmp_path)
    (steps, first), (others, second) = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert steps == others == 12  # of five seconds, the mean of four and six
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 1
