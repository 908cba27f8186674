"""The suffix of a file selects its format; an unknown one is an error that lists the known ones."""

import pytest

from dia.text.files.suffixes import SUFFIXES, format_of
from dia.text.markup.formats import TEXT_FORMATS


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("talk.srt", "srt"),
        ("a/b.c/TALK.SRT", "srt"),
        ("talk.en.vtt", "vtt"),
        ("play.fountain", "fountain"),
        ("book.txt", "plain"),
        ("book.md", "markdown"),
        ("page.htm", "html"),
        ("script", "plain"),
        (".hidden", "plain"),
        ("/dev/fd/63", "plain"),
        ("v1.2", "plain"),
        ("a.b/script", "plain"),
        ("my talk", "plain"),
    ],
)
def test_formats_by_suffix(name, found):
    assert format_of(name) == found


@pytest.mark.parametrize("name", ["notes.rst", "talk.ass", "data.csv", "a/b.Json"])
def test_an_unknown_suffix_is_an_error_with_the_known_ones(name):
    with pytest.raises(ValueError, match=r"is not a known format of scripts\. Known are \.txt, .* and \.fountain\."):
        format_of(name)


def test_every_format_has_a_suffix():
    assert set(SUFFIXES.values()) == set(TEXT_FORMATS)
