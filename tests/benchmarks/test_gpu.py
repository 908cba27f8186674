"""`benchmarks/gpu.sh` runs with a small model on a CPU, keeps what a part has found, and says what is missing."""

import argparse
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.decoding.step.as_recorded import COUNTED, record_plainly

ROOT = Path(__file__).parents[2]
MODULES = ("run", "summary", "models", "parity", "invariance", "speed", "step_launches")


@pytest.fixture(autouse=True)
def _benchmarks_importable(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks" / "gpu"), *sys.path])
    yield
    for name in MODULES:
        sys.modules.pop(name, None)


def found_by(main, folder):
    """What a part writes in this process."""
    file = folder / "found.json"
    assert main(["--tiny", "--json", str(file), "--folder", str(folder)]) == 0
    return json.loads(file.read_text(encoding="utf-8"))


def summary_of(part, found):
    from summary import summary

    result = {"state": "finished", "seconds": 1.0, "found": found, "last_lines": []}
    return summary({"tiny": True, "missing": {}, "parts": {part: result}})


def test_parity_finds_equal_codes_in_float32(tmp_path):
    from parity import main

    found = found_by(main, tmp_path)
    codes = [entry for entry in found["entries"] if entry["kind"] == "codes"]
    assert all(entry["equal"] for entry in codes if entry["dtype"] == "float32")
    assert {entry["path"] for entry in codes} == {"step", "plain loop"}
    assert "| tiny | float32 | greedy, step | equal |" in summary_of("parity", found)


def test_invariance_compares_batches_and_slots(tmp_path):
    from invariance import main

    found = found_by(main, tmp_path)
    assert [entry["where"] for entry in found["entries"] if entry["dtype"] == "float32"] == [
        "alone and in a batch of 2",
        "alone and in a batch of 4",
        "4 slots, one in use and all in use",
        "alone and in one of 4 slots",
    ]
    assert all(entry["equal"] == entry["clips"] for entry in found["entries"]), (
        "on a CPU, codes do not depend on others"
    )
    assert "| 4 of 4 |" in summary_of("invariance", found)


def test_a_difference_is_reported_with_its_row():
    import torch
    from models import first_difference

    grid = torch.zeros(5, 3)
    other = grid.clone()
    other[3, 1] = 1
    assert first_difference(grid, grid[:4]) is None
    assert first_difference(grid, other) == 3


def test_speed_compares_both_models(tmp_path):
    from speed import main

    found = found_by(main, tmp_path)
    assert [(entry["model"], entry["streams"]) for entry in found["entries"]] == [
        *(("ours", 1), ("stock", 1)),
        *(("ours", 2), ("stock", 2)),
    ]
    assert all("ours_is_faster_by" in entry for entry in found["entries"] if entry["model"] == "stock")
    assert "- 2 streams: ready after" in summary_of("speed", found)


def test_the_profile_counts_launches_by_kind(tmp_path, monkeypatch):
    from step_launches import kind_of, main

    record_plainly(monkeypatch, COUNTED)  # a step as on a GPU
    found = found_by(main, tmp_path)
    for entry in found["entries"]:
        assert entry["launches"] > 50
        assert sum(entry["shares"].values()) == pytest.approx(1)
        assert {"attention", "matrix products"} <= set(entry["shares"])
    assert (tmp_path / "trace.json.gz").stat().st_size > 1000
    assert all(len(entry["replay_ms"]) > 1 for entry in found["entries"])
    assert {entry["report"]["attention"] for entry in found["entries"]} == {"counted"}
    assert kind_of("sm90_xmma_gemm_bf16bf16") == "matrix products"
    assert kind_of("_attend_part") == "attention"
    assert "**2 slots:**" in summary_of("profile", found)


def test_an_error_of_one_measurement_is_noted_and_the_others_go_on(tmp_path):
    from models import Results

    def fails():
        raise RuntimeError("no memory")

    results = Results(tmp_path / "found.json", "cpu")
    results.attempt("64 streams", fails)
    results.add(model="ours")
    content = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert content["errors"] == ["64 streams: RuntimeError: no memory"]
    assert content["entries"] == [{"model": "ours"}]


SLOW = """
import json, sys, time
file = sys.argv[sys.argv.index("--json") + 1]
open(file, "w").write(json.dumps({"machine": {}, "entries": [{"kept": True}], "errors": []}))
print("measured one", flush=True)
time.sleep(60)
"""


@pytest.fixture
def run_with(monkeypatch, tmp_path):
    """Runs `run.main` with a script in place of a part; returns its status and results."""
    import run
    import summary

    def run_script(text, limit):
        script = tmp_path / "part.py"
        script.write_text(text, encoding="utf-8")
        monkeypatch.setitem(run.SCRIPTS, "speed", str(script))
        monkeypatch.setitem(run.LIMITS, "speed", limit)
        monkeypatch.setitem(summary.TABLES, "speed", lambda entries: [str(entries)])
        status = run.main(["--tiny", "--parts", "speed", "--out", str(tmp_path / "out")])
        return status, json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))["parts"]["speed"]

    return run_script


def test_a_part_that_runs_out_of_time_keeps_what_it_has_found(run_with, tmp_path):
    status, part = run_with(SLOW, 3)
    assert (status, part["state"]) == (1, "ran out of time")
    assert part["found"]["entries"] == [{"kept": True}]
    assert part["seconds"] < 30
    assert "[{'kept': True}]" in (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")


def test_a_part_that_fails_shows_the_end_of_its_log(run_with, tmp_path):
    status, part = run_with("print('nearly done'); raise SystemExit('no such kernel')", 30)
    assert (status, part["state"], part["found"]) == (1, "failed, status 1", None)
    assert "no such kernel" in (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")


def test_missing_packages_are_named_with_the_remedy(monkeypatch, capsys, tmp_path):
    import run

    monkeypatch.setattr(run, "NEEDED", ("torch", "no_such_package"))
    assert run.main(["--out", str(tmp_path / "out"), "--parts", "speed"]) == 2
    printed = capsys.readouterr().out
    assert "missing (needed): no_such_package." in printed
    assert "pip download --no-deps -d wheels no-such-package" in printed
    assert not (tmp_path / "out").exists()


def test_wheels_are_installed_for_one_run(monkeypatch, tmp_path):
    import run

    about = "brought_along-1.0.dist-info"
    files = {
        "brought_along.py": "",
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: brought-along\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": f"brought_along.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n",
    }
    with zipfile.ZipFile(tmp_path / "brought_along-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    monkeypatch.setenv("PYTHONPATH", "src")
    assert run.missing(["brought_along"]) == ["brought_along"]
    run.add_wheels(tmp_path)
    assert run.missing(["brought_along"]) == []
    assert os.environ["PYTHONPATH"].startswith("src:")


@pytest.mark.parametrize("names", ["", "speed,fast", ","])
def test_unknown_parts_are_refused(names):
    from run import chosen

    with pytest.raises(argparse.ArgumentTypeError, match="is not a list of tests, parity"):
        chosen(names)


def test_all_parts_take_less_than_nine_minutes():
    from run import LIMITS

    assert sum(LIMITS.values()) < 9 * 60


def test_tests_are_counted_by_outcome(tmp_path):
    from run import counted_tests

    log = tmp_path / "tests.log"
    log.write_text(
        "tests/a.py::test_one PASSED [ 5%]\ntests/b.py::test_two[a b] FAILED [ 9%]\ntests/b.py::test_three \n"
    )
    assert counted_tests(log) == {"passed": 1, "failed": 1, "error": 0, "skipped": 0}
    log.write_text("tests/a.py::test_one\n\n41/374 tests collected (333 deselected) in 7.75s\n")
    assert counted_tests(log) == {"collected": 41}


def test_the_script_says_what_is_missing_and_stops():
    environment = {**os.environ, "PYTHON": sys.executable}
    found = subprocess.run(
        [ROOT / "benchmarks" / "gpu.sh", "--check"], env=environment, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    assert "tests: at most" not in found.stdout
