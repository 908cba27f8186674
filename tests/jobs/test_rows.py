"""Every column of a row is checked, and the row's seed depends on nothing but the job's seed and the id."""

import json

import numpy as np
import pytest

from dia.audio.watermark.payload import Payload
from dia.jobs.rows import Row, read_row
from dia.jobs.sources import SourceRow
from dia.text.prompt_format import PromptFormat


def read(content, defaults=None, as_text=False):
    row, _ = read_row(SourceRow(1, "row 1", content, as_text=as_text), defaults or {}, PromptFormat())
    return row


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (["a"], "expected a dict"),
        ({"text": "Hi."}, "id is missing"),
        ({"id": "", "text": "Hi."}, "id is missing"),
        ({"id": True, "text": "Hi."}, "expected text"),
        ({"id": "a/b", "text": "Hi."}, "cannot have"),
        ({"id": "..", "text": "Hi."}, "not allowed as the name"),
        ({"id": "nul", "text": "Hi."}, "not allowed as the name"),
        ({"id": "é" * 101, "text": "Hi."}, "has 202 bytes"),
        ({"id": "a", "txt": "Hi."}, "did you mean 'text'"),
        ({"id": "a"}, "either text or turns"),
        ({"id": "a", "text": "Hi.", "turns": []}, "either text or turns"),
        ({"id": "a", "turns": []}, "expected a list of dicts"),
        ({"id": "a", "turns": [{"speaker": "S1"}]}, "expected a dict with"),
        ({"id": "a", "turns": [{"speaker": name, "text": "Hi."} for name in "ABC"]}, "third speaker"),
        ({"id": "a", "text": 7}, "expected a script"),
        ({"id": "a", "text": "Hi.", "title": 7}, "title is 7; expected text"),
        ({"id": "a", "text": "  "}, "row 1"),
        ({"id": "a", "text": "\udcff"}, "not UTF-8"),
        ({"id": "a", "text": "Hi.", "seed": 1.5}, "seed"),
        ({"id": "a", "text": "Hi.", "temperature": float("nan")}, "temperature"),
        ({"id": "a", "text": "Hi.", "retries": -1}, "retries"),
        ({"id": "a", "text": "Hi.", "long_form": "yes"}, "long_form"),
        ({"id": "a", "text": "Hi.", "voice": "nobody-of-that-name"}, "there is no voice"),
        ({"id": "a", "text": "Hi.", "voice": "missing.safetensors"}, "does not exist"),
        ({"id": "a", "text": "no time", "text_format": "srt"}, "row 1, in the script: line 1"),
    ],
)
def test_a_bad_row_is_refused_with_its_place(content, fault):
    with pytest.raises(ValueError, match="row 1") as caught:
        read(content)
    assert fault in str(caught.value)


def test_keys_that_a_table_adds_are_no_values():
    named = "JOHN: Hi.\nANN: Yes."
    given = {"voice": {"S1": "clara", "S2": None}, "speakers": {"JOHN": "S2", "ANN": "S1", "BOB": None}}
    row = read({"id": "a", "text": named, **given}, {"voice": {"S1": "bruno", "S2": None}})
    assert (row.voice, row.options) == ({"S1": "clara"}, {"speakers": {"JOHN": "S2", "ANN": "S1"}})
    assert read({"id": "a", "text": "Hi."}, {"voice": {"S1": "bruno", "S2": None}}).voice == {"S1": "bruno"}
    row = read({"id": "a", "text": named, "voice": {"S1": None}, "speakers": {"JOHN": None}}, {"voice": "bruno"})
    assert (row.voice, row.options) == ("bruno", {})
    assert read({"id": "a", "text": named, "speakers": {}}).options == {"speakers": {}}


def test_numbers_of_other_types_are_as_plain_ones():
    given = {
        "seed": np.int64(3),
        "speaking_rate": np.float32(1.5),
        "cfg_scale": np.float32(2.5),
        "retries": np.int8(1),
    }
    plain = {"seed": 3, "speaking_rate": 1.5, "cfg_scale": 2.5, "retries": 1}
    row, other = (read({"id": "a", "text": "Hi.", **numbers}) for numbers in (given, plain))
    assert json.dumps([row.seed, row.options]) == json.dumps([other.seed, other.options])
    assert row.settings_sha256(0) == other.settings_sha256(0)


def test_turns_become_a_script_with_names_in_order():
    turns = [{"speaker": "ANN", "text": "Hi."}, {"speaker": "S1", "text": "Ho."}, {"speaker": "ANN", "text": "Oh."}]
    assert read({"id": "a", "turns": turns[:1] + turns[2:]}).text == "[S1] Hi.\n[S1] Oh."
    assert read({"id": "a", "turns": turns[1:]}).text == "[S1] Ho.\n[S2] Oh."


def test_cells_of_csv_become_numbers_and_flags():
    cells = {"id": "7", "text": "8", "seed": "9", "temperature": "0.5", "normalize": "FALSE"}
    row = read(cells, as_text=True)
    assert (row.id, row.text, row.seed) == ("7", "8", 9)
    assert row.options == {"temperature": 0.5, "normalize": False}


def test_columns_replace_the_settings_of_the_job():
    defaults = {"temperature": 1.0, "top_p": 0.9, "voice": None}
    assert read({"id": "a", "text": "Hi.", "temperature": 0.5}, defaults).options == {"temperature": 0.5, "top_p": 0.9}


def test_the_seed_is_the_rows_own_or_derived_from_the_job_and_the_id():
    assert Row("a", "Hi.", seed=5).seed_in(1) == 5
    seeds = {Row(id, "Hi.").seed_in(seed) for id in ("a", "b") for seed in (0, 1)}
    assert len(seeds) == 4
    assert Row("a", "Hi.").seed_in(0) == Row("a", "Ho.").seed_in(0)


def test_derived_seeds_fit_into_a_watermark():
    seeds = [Row(f"row {number}", "Hi.").seed_in(0) for number in range(100)]
    assert [Payload.of("a model", seed).seed for seed in seeds] == seeds


def test_a_chapter_without_a_tag_belongs_to_the_first_speaker():
    content = {"id": "a", "text": "<h1>One</h1><p>It rained.</p>", "text_format": "html"}
    _, script = read_row(SourceRow(1, "row 1", content), {}, PromptFormat())
    assert {turn.speaker for turn in script.turns} == {"S1"}
    assert str(script).startswith("[S1]")
