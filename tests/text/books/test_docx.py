"""Word documents are read paragraph by paragraph, and divided at their headings."""

import pytest
from books import paragraph, write_docx, write_zip

from dia.text.books.book import read_book

BODY = (
    paragraph("The Walk", "Title")
    + paragraph("One ......... 1", "TOC1")
    + paragraph("One", "Heading1")
    + paragraph("First words.")
    + paragraph("A section", "Heading2")
    + paragraph("Two", "Heading1")
    + paragraph("Second <words> & more.")
)


def chapters(path):
    return [(chapter.title, chapter.text) for chapter in read_book(path).chapters]


def test_chapters_begin_at_the_highest_headings_of_which_there_are_several(tmp_path):
    book = read_book(write_docx(tmp_path / "b.docx", BODY))
    assert (book.title, book.author) == ("The Walk", "A. Writer")
    assert [(chapter.title, chapter.text.split()) for chapter in book.chapters] == [
        ("The Walk", ["The", "Walk"]),
        ("One", ["One", "First", "words.", "A", "section"]),
        ("Two", ["Two", "Second", "<words>", "&", "more."]),
    ]


def test_a_style_that_is_based_on_a_heading_counts_as_one(tmp_path):
    own = '<w:style w:styleId="Mine"><w:name w:val="Mine"/><w:basedOn w:val="Heading1"/></w:style>'
    body = "".join(paragraph(words, "Mine") + paragraph("Words.") for words in ("One", "Two"))
    assert [title for title, _ in chapters(write_docx(tmp_path / "b.docx", body, own))] == ["One", "Two"]


def test_styles_that_are_based_on_each_other_end(tmp_path):
    own = "".join(
        f'<w:style w:styleId="{a}"><w:name w:val="{a}"/><w:basedOn w:val="{b}"/></w:style>' for a, b in ("AB", "BA")
    )
    assert chapters(write_docx(tmp_path / "b.docx", paragraph("Words.", "A"), own)) == [("", "Words.")]


def test_deleted_and_hidden_words_are_left_out_and_inserted_ones_read(tmp_path):
    body = (
        "<w:p><w:r><w:t>Good </w:t></w:r><w:del><w:r><w:delText>bad</w:delText></w:r></w:del>"
        "<w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom><w:ins><w:r><w:t>new</w:t></w:r></w:ins>"
        "<w:r><w:rPr><w:vanish/></w:rPr><w:t>unseen</w:t></w:r>"
        '<w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:tab/><w:t>day</w:t></w:r></w:p>'
    )
    assert chapters(write_docx(tmp_path / "b.docx", body)) == [("", "Good new day")]


def test_cells_of_tables_and_text_boxes_are_paragraphs(tmp_path):
    box = f"<w:p><w:r><w:t>Around</w:t><w:pict>{paragraph('Inside')}</w:pict></w:r></w:p>"
    table = f"<w:tbl><w:tr><w:tc>{paragraph('Cell')}</w:tc></w:tr></w:tbl>"
    assert chapters(write_docx(tmp_path / "b.docx", box + table)) == [("", "Around\n\nInside\n\nCell")]


def test_elements_that_are_nested_too_deeply_are_refused(tmp_path):
    with pytest.raises(ValueError, match="nested too deeply"):
        read_book(write_docx(tmp_path / "b.docx", "<w:p>" * 5000 + "</w:p>" * 5000))


def test_an_old_document_and_another_archive_are_refused(tmp_path):
    (tmp_path / "old.docx").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    with pytest.raises(ValueError, match="is damaged"):
        read_book(tmp_path / "old.docx")
    with pytest.raises(ValueError, match="lacks word/document"):
        read_book(write_zip(tmp_path / "other.docx", {"a": "b"}))
