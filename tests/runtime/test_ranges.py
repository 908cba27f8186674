"""A range accepts its numbers and rejects everything else with the argument's name."""

import math
from fractions import Fraction

import numpy as np
import pytest

from dia.runtime.ranges import Range, check_fields, check_given, check_numbers, shown

SHARE, COUNT = Range(0, 1, above=True), Range(1, 100, whole=True)


@pytest.mark.parametrize(("allowed", "value"), [(SHARE, 1), (SHARE, 0.5), (COUNT, 1), (COUNT, 100)])
def test_a_number_in_its_range_passes(allowed, value):
    allowed.check("x", value)


@pytest.mark.parametrize(
    ("allowed", "value", "plain"),
    [
        (SHARE, 1, 1),
        (SHARE, np.float32(0.5), 0.5),
        (SHARE, np.float64(0.5), 0.5),
        (SHARE, np.float16(1), 1.0),
        (SHARE, np.int8(1), 1),
        (SHARE, Fraction(1, 2), 0.5),
        (COUNT, np.uint64(7), 7),
        (COUNT, np.int32(100), 100),
    ],
)
def test_any_numeric_type_becomes_a_plain_number(allowed, value, plain):
    number = allowed.check("x", value)
    assert (number, type(number)) == (plain, type(plain))


def test_attributes_and_given_values_become_plain_numbers():
    class Owner:
        count, share, other = None, None, np.int64(1)

    owner = Owner()
    owner.count, owner.share = np.int64(3), np.float32(0.5)
    check_fields({"count": COUNT, "share": SHARE}, owner)
    assert (type(owner.count), type(owner.share), type(owner.other)) == (int, float, np.int64)
    found = check_given({"count": COUNT, "share": SHARE}, {"count": np.int64(3), "share": None})
    assert (found, type(found["count"])) == ({"count": 3}, int)


@pytest.mark.parametrize(
    "value", [0, -1, 1.1, math.nan, math.inf, -math.inf, 10**400, np.float32("nan"), Fraction(10**400, 3)]
)
def test_a_number_out_of_range_is_rejected_by_name(value):
    with pytest.raises(ValueError, match=r"share=.* must be a number above 0 and at most 1\."):
        SHARE.check("share", value)


@pytest.mark.parametrize("value", [True, "1", None, [1], 1j])
def test_a_value_that_is_not_a_number_is_rejected_by_name(value):
    with pytest.raises(TypeError, match=r"share is .*; expected a number above 0"):
        SHARE.check("share", value)


@pytest.mark.parametrize("value", [1.0, math.inf, "1", False])
def test_a_whole_number_is_an_int(value):
    with pytest.raises(TypeError, match=r"count is .*; expected a whole number from 1 to 100\."):
        COUNT.check("count", value)


def test_an_integer_too_long_to_format_is_rejected_in_one_line():
    with pytest.raises(ValueError, match=r"count=an integer of 16610 bits must be"):
        COUNT.check("count", 10**5000)


def test_the_type_of_the_error_can_be_chosen():
    with pytest.raises(ValueError, match="count is True"):
        COUNT.check("count", True, ValueError)


def test_only_check_given_skips_none():
    check_given({"count": COUNT}, {"count": None})
    check_given({"count": COUNT}, {})
    with pytest.raises(TypeError, match="count is None"):
        check_numbers({"count": COUNT}, {"count": None})


def test_values_are_formatted_short_and_printable():
    assert shown("\ud800") == r"'\ud800'"
    assert shown("x" * 500) == f"'{'x' * 58}…"
