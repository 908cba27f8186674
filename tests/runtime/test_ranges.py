"""A range accepts its numbers and rejects everything else with the argument's name."""

import math

import pytest

from dia.runtime.ranges import Range, check_given, check_numbers, shown

SHARE, COUNT = Range(0, 1, above=True), Range(1, 100, whole=True)


@pytest.mark.parametrize(("allowed", "value"), [(SHARE, 1), (SHARE, 0.5), (COUNT, 1), (COUNT, 100)])
def test_a_number_in_its_range_passes(allowed, value):
    allowed.check("x", value)


@pytest.mark.parametrize("value", [0, -1, 1.1, math.nan, math.inf, -math.inf, 10**400])
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
