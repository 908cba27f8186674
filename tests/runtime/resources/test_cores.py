"""Usable and free cores, on simulated machines."""

import os
from types import SimpleNamespace

import pytest

from dia.runtime.resources import cores
from dia.runtime.resources.cores import CoreTimes, free_cores, usable_cores


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine without limits or hardware threads; returns a function that sets the number of cores in the mask."""
    for name, place in (("_GROUPS", "cgroup"), ("_OWN_GROUPS", "own"), ("_STAT", "stat"), ("_TOPOLOGY", "cpus")):
        monkeypatch.setattr(cores, name, tmp_path / place)
    bound = lambda count: monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(count)), raising=False)  # noqa: E731
    bound(8)

    def write(name, content):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)

    return SimpleNamespace(bound=bound, write=write)


def test_cores_in_the_affinity_mask_are_usable(machine):
    assert usable_cores() == 8
    machine.bound(3)
    assert usable_cores() == 3


def test_hardware_threads_of_a_core_count_once(machine):
    for number in range(8):
        machine.write(f"cpus/cpu{number}/topology/thread_siblings_list", f"{number % 4},{number % 4 + 4}\n")
    assert usable_cores() == 4


@pytest.mark.parametrize(
    ("own", "files", "usable"),
    [
        ("0::/", {"cpu.max": "max 100000"}, 8),
        ("0::/", {"cpu.max": "300000 100000"}, 3),
        ("0::/", {"cpu.max": "150000 100000"}, 1),
        ("0::/", {"cpu.max": "50000 100000"}, 1),
        ("0::/user/me", {"user/cpu.max": "400000 100000", "user/me/cpu.max": "max 100000"}, 4),
        (
            "3:cpu,cpuacct:/pod",
            {"cpu,cpuacct/cpu.cfs_quota_us": "200000", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
            2,
        ),
        ("3:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ("2:memory:/", {"memory/cpu.max": "100000 100000"}, 8),
    ],
)
def test_the_quota_of_a_cgroup_limits_the_cores(machine, own, files, usable):
    machine.write("own", own)
    for name, content in files.items():
        machine.write(f"cgroup/{name}", f"{content}\n")
    assert usable_cores() == usable


def stat(*idle, total=1000):
    lines = [f"cpu{number} {total - each} 0 0 {each} 0 0 0 0 7 0" for number, each in enumerate(idle)]
    return "\n".join(["cpu 1 2 3 4 5 6 7 8 9 0", *lines, "intr 0"])


@pytest.fixture
def between(machine, monkeypatch):
    """Returns a function that gives the free cores between two counts, with clocks that it sets."""

    def measured(before, after, own=0.0):
        machine.write("stat", before)
        monkeypatch.setattr(cores, "time", clocks(100.0, 7.0))
        since = CoreTimes.now()
        machine.write("stat", after)
        monkeypatch.setattr(cores, "time", clocks(101.0, 7.0 + own))
        return free_cores(since)

    return measured


def clocks(seconds, own):
    return SimpleNamespace(monotonic=lambda: seconds, process_time=lambda: own, sleep=lambda _: None)


def test_idle_cores_and_those_used_by_this_process_are_free(machine, between):
    machine.bound(2)
    before, after = stat(500, 500), stat(600, 500, total=1100)
    assert between(before, after) == pytest.approx(1.0)
    assert between(before, after, own=0.5) == pytest.approx(1.5)
    assert between(before, after, own=9.0) == 2.0  # no more than there are


def test_cores_of_others_do_not_count(machine, between):
    machine.bound(1)
    assert between(stat(0, 0), stat(50, 100, total=1100)) == pytest.approx(0.5)


def test_a_busy_hardware_thread_counts_as_part_of_its_core(machine, between):
    for number in range(2):
        machine.write(f"cpus/cpu{number}/topology/thread_siblings_list", "0-1\n")
    machine.bound(2)
    assert between(stat(0, 0), stat(100, 0, total=1100)) == pytest.approx(0.5)


def test_without_counters_the_number_of_free_cores_is_unknown(machine, between):
    assert free_cores() is None
    machine.bound(2)
    assert between(stat(1, 1), stat(1, 1)) is None
