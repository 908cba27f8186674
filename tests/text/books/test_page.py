"""Markdown and HTML files are divided at their headings."""

import pytest

from dia.text.books.book import read_book

MARKDOWN = """---
title: "The Walk"
author: A. Writer
---

# The Walk

By A. Writer.

One *day*
---------

First words.

### A section

> ## Quoted

```
## Code
```

## Two

Second words.
"""


def book(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(text.encode())
    return read_book(path)


def test_a_markdown_file_is_divided_at_the_highest_heading_of_which_there_are_several(tmp_path):
    found = book(tmp_path, "b.md", MARKDOWN)
    assert (found.title, found.author) == ("The Walk", "A. Writer")
    assert [chapter.title for chapter in found.chapters] == ["The Walk", "One day", "Two"]
    assert "".join(chapter.text for chapter in found.chapters) == MARKDOWN


def test_line_ends_of_windows_change_nothing(tmp_path):
    assert book(tmp_path, "b.md", MARKDOWN.replace("\n", "\r\n")) == book(tmp_path, "c.md", MARKDOWN)


def test_a_file_with_one_heading_is_one_chapter_as_it_is(tmp_path):
    (chapter,) = book(tmp_path, "b.md", "# Hello\r\n\r\nWords.").chapters
    assert (chapter.title, chapter.text, chapter.text_format) == ("Hello", "# Hello\r\n\r\nWords.", "markdown")


def test_an_html_file_is_divided_in_its_article_alone(tmp_path):
    page = (
        '<html><head><title>A &amp; B</title><meta name="author" content="A. Writer"></head><body>'
        "<header><h2>Site</h2></header><main><nav><h2>Contents</h2></nav>"
        "<h1>The Walk</h1><h2>One<br>day</h2><p>First.</p><h2>T&#119;o</h2><p>Second.</p></main>"
        "<footer><h2>Imprint</h2></footer></body></html>"
    )
    found = book(tmp_path, "b.html", page)
    assert (found.title, found.author) == ("A & B", "A. Writer")
    assert [chapter.title for chapter in found.chapters] == ["The Walk", "One day", "Two"]
    assert "Imprint" not in found.chapters[-1].text


def test_a_heading_that_is_never_closed_divides_nothing(tmp_path):
    assert len(book(tmp_path, "b.html", "<h2>One<p>First.</p><h2>Two</h2><p>Second.</p>").chapters) == 1


@pytest.mark.parametrize(("name", "text"), [("b.md", "---\n\n---\n"), ("b.html", "<img>"), ("b.md", "")])
def test_a_file_without_words_is_refused(tmp_path, name, text):
    with pytest.raises(ValueError, match="contains no words"):
        book(tmp_path, name, text)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is not a book"):
        read_book(tmp_path / "b.pdf")
    with pytest.raises(FileNotFoundError):
        read_book(tmp_path / "b.epub")
