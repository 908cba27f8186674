"""Processes with sharded weights (FSDP) generate clips of different lengths without a deadlock.

Slow: only two real processes that gather each other's weights show that both run the same steps.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

WORKER = Path(__file__).with_name("sharded_worker.py")


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no processes")
@pytest.mark.skipif(sys.platform != "linux", reason="gloo is tried on Linux alone")
def test_each_process_generates_what_it_generates_alone():
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(WORKER)]
    paths = os.pathsep.join([str(WORKER.parents[1] / "support"), *sys.path])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    said = re.findall(r"\d+ rows, [a-z]+?(?=\d|\n)", done.stdout)
    assert sorted(said) == ["17 rows, equal", "25 rows, equal"], done.stderr[-2000:]
