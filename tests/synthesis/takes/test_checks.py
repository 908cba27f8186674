"""Faults of a take are detected and reported with figures; takes that are merely slow, soft or short have none."""

import dataclasses

import numpy as np
import pytest
import torch

from dia.synthesis.takes.checks import CheckInput, faults, longest_run

RATE, FRAMES = 8000, 50.0
TEXT = "[S1] " + "Fifteen letters" * 4  # about four seconds


def tone(seconds, level=0.3):
    return (level * np.sin(2 * np.pi * 200 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def check_input(audio=None, **changes):
    audio = tone(4.0) if audio is None else audio
    frames = round(len(audio) / RATE * FRAMES)
    codes = torch.arange(frames)[:, None].repeat(1, 3) % 7
    good = CheckInput(TEXT, audio, RATE, codes, FRAMES, ended=True)
    return dataclasses.replace(good, **changes)


def hush(seconds):
    return np.zeros(round(seconds * RATE), np.float32)


@pytest.mark.parametrize(
    "good",
    [
        check_input(),
        check_input(tone(2.2)),
        check_input(tone(8.5)),
        check_input(tone(4, level=0.02)),
        check_input(np.concatenate([hush(0.5), tone(1.5), hush(1.2), tone(1.5), hush(0.5)])),
        check_input(tone(0.4), text="[S2] Yes."),
        check_input(tone(4), codes=torch.cat([torch.arange(160), torch.full((40,), 3)])[:, None]),
    ],
    ids=["plain", "fast", "slow", "soft", "with a pause", "short", "a long vowel"],
)
def test_a_good_take_has_no_faults(good):
    assert faults(good) == ()


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (check_input(ended=False), "did not end by itself within 4.0 s"),
        (check_input(tone(12)), "lasts 12.0 s, too long for a text of about 4.0 s"),
        (check_input(tone(0.7)), "lasts 0.7 s, too short for a text of about 4.0 s"),
        (check_input(hush(4)), "is silent"),
        (check_input(np.concatenate([tone(0.5), hush(3.5)])), "is silent for 88% of its duration"),
        (check_input(np.concatenate([tone(1), hush(2.7), tone(1)])), "has a pause of 2.7 s"),
        (check_input(np.clip(tone(4, level=2.0), -1, 1)), "is clipped in"),
        (check_input(codes=torch.full((200, 3), 5)), "is stuck on one sound for 4.0 s"),
        (check_input(missing_words="the end"), "ends before the words 'the end'"),
        (check_input(codes=torch.zeros(0, 3).long(), audio=hush(0)), "is empty"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fault_is_reported(bad, expected):
    (found,) = faults(bad)
    assert found.startswith(expected)


def test_all_faults_are_reported():
    assert len(faults(check_input(hush(12), ended=False))) == 3


def test_the_longest_run():
    assert longest_run(np.array([True, False, True, True, False])) == 2
    assert longest_run(np.zeros(0, bool)) == 0
