"""A script is split into parts of one pass each, without a model."""

import subprocess
import sys

import pytest
from tiny_speech import tiny_speech

from dia.synthesis.parts.long_form import speak_long
from dia.synthesis.parts.planning import (
    Part,
    VoiceInfo,
    exceeds_pass,
    is_long,
    part_seconds,
    plan,
    plan_passes,
    split_script,
)
from dia.text.prompt_format import PromptFormat
from dia.text.script import parse

TURNS = parse(" ".join(f"[S{1 + number % 2}] Turn {letter} it is." for number, letter in enumerate("abcdefgh")))


def test_nothing_is_lost_or_reordered():
    parts = split_script(TURNS, 2.0)
    assert len(parts) > 2
    assert [turn for part in parts for turn in part.script.turns] == list(TURNS.turns)


def test_a_script_is_split_at_every_pause():
    script = parse("[S1] One. [pause:700ms] Two. [S2] Three. [pause:1s] [S1] Four.")
    assert [(part.script.spoken, part.pause) for part in split_script(script, 20)] == [
        ("[S1] One.", 0.7),
        ("[S1] Two. [S2] Three.", 1.0),
        ("[S1] Four.", 0.0),
    ]


@pytest.mark.parametrize(
    ("carry", "voice", "seconds"),
    [("nothing", 0, 20), ("first", 0, 10), ("last", 0, 10), ("both", 0, 20 / 3), ("both", 8, 6), ("first", 8, 12)],
)
def test_a_part_and_its_prompt_fill_a_pass(carry, voice, seconds):
    assert part_seconds(20, carry, voice) == pytest.approx(seconds)


def test_a_part_has_a_minimum_length_even_after_a_long_voice():
    assert part_seconds(20, "both", 30) > 0


@pytest.mark.parametrize(
    ("text", "before", "long"),
    [
        ("[S1] Hi.", 0.0, False),
        ("[S1] " + "word " * 60, 0.0, False),  # 20 s
        ("[S1] " + "word " * 61, 0.0, True),
        ("[S1] " + "word " * 45, 8.0, True),
        ("[S1] Hi. [pause:1s]", 0.0, True),
    ],
)
def test_a_script_is_long_if_it_exceeds_a_pass_or_has_pauses(text, before, long):
    assert is_long(parse(text), PromptFormat(), before) == long


def test_pauses_alone_make_a_script_long():
    script = parse("[S1] Hi. [pause:1s] [S2] Ho.")
    assert is_long(script, PromptFormat())
    assert not exceeds_pass(script, PromptFormat())


def test_one_pass_is_one_part():
    script = parse("[S1] Hi. [S2] Ho.")
    assert plan_passes(script, PromptFormat()) == [Part(script, 0.0)]
    long = parse("[S1] Hi. [pause:1s] [S2] Ho.")
    assert [part.pause for part in plan_passes(long, PromptFormat())] == [1.0, 0.0]


def test_parts_are_shorter_if_a_later_speaker_is_carried_too():
    late = parse("[S1] These are some words. " * 6 + " ".join(f"[S{1 + n % 2}] Here they are." for n in range(6)))
    alone, both = (plan(late, PromptFormat(pass_seconds=6.0), carry) for carry in ("nothing", "first"))
    assert len(both) > len(alone)
    voice = VoiceInfo(("S1", "S2"), 1.0)
    assert plan(late, PromptFormat(pass_seconds=6.0), voice=voice) == split_script(
        late, part_seconds(6.0, "first", 1.0)
    )


def test_the_plan_matches_the_spoken_parts():
    synthesizer = tiny_speech(pass_seconds=6.0, carry="nothing")
    parts = plan_passes(TURNS, PromptFormat.of(synthesizer.model.generation_config))
    spoken = list(speak_long(synthesizer, TURNS, seed=1))
    assert len(parts) == len(spoken) > 1
    assert [" ".join(turn.text for turn in piece.take.turns) for piece in spoken] == [
        " ".join(turn.shown for turn in part.script.turns) for part in parts
    ]


def test_planning_needs_no_torch():
    program = (
        "import sys, dia.synthesis.parts.planning; sys.exit(any(name in sys.modules for name in ('torch', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
