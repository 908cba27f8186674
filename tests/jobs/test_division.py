"""Rows are divided by expected work, and the same in every process."""

import pytest

from dia.jobs.division import Share, expected_work
from dia.jobs.sources import SourceRow, open_rows

ROWS = [{"id": f"r{number}", "text": "word " * (1 + number * 37 % 50)} for number in range(200)]


def shares(rows, count, is_finished=lambda id: False):
    return [list(Share(open_rows(rows), number, count, is_finished)) for number in range(count)]


def work(rows):
    return sum(expected_work(row) for row in rows)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_each_row_is_in_one_share(count):
    numbers = [row.number for share in shares(ROWS, count) for row in share]
    assert sorted(numbers) == list(range(1, 201))


def test_shares_differ_by_less_than_the_longest_row():
    loads = [work(share) for share in shares(ROWS, 7)]
    assert max(loads) - min(loads) <= max(work([row]) for share in shares(ROWS, 7) for row in share)


def test_a_share_is_the_same_when_it_is_read_again():
    share = Share(open_rows(ROWS), 1, 3)
    assert list(share) == list(share)


def test_rows_with_one_id_are_in_one_share_also_if_the_case_differs():
    rows = [{"id": name, "text": "Hi."} for name in ("a", "b", "A", "B", "a")]
    owners = {name: number for number, share in enumerate(shares(rows, 2)) for row in share if (name := row.number)}
    assert owners[1] == owners[3] == owners[5] != owners[2] == owners[4]


def test_finished_rows_hardly_count():
    """Of two halves, of which one is finished, each process gets half of the other."""
    first, second = shares(ROWS, 2, lambda id: int(id[1:]) < 100)
    left = [work([row for row in share if row.number > 100]) for share in (first, second)]
    assert left[0] == pytest.approx(left[1], rel=0.1)


@pytest.mark.parametrize(
    "content", [None, 7, {}, {"id": None}, {"id": "\ud800", "text": 3}, {"id": "x", "turns": [5]}]
)
def test_rows_that_cannot_be_read_are_in_a_share(content):
    assert sum(map(len, shares([content, content], 2))) == 2
    assert expected_work(SourceRow(1, "row 1", content)) > 0


def test_takes_and_turns_count_as_work():
    one = expected_work(SourceRow(1, "", {"text": "Hello there."}))
    assert expected_work(SourceRow(1, "", {"text": "Hello there.", "best_of": 3})) == 3 * one
    assert expected_work(SourceRow(1, "", {"turns": [{"speaker": "A", "text": "Hello there."}]})) == one


def test_a_number_out_of_range_is_refused():
    with pytest.raises(ValueError, match="number is 2; expected 0 to 1"):
        Share([], 2, 2)
