"""EPUB files are read in reading order, and divided where their table of contents says."""

import pytest
from books import page, point, write_epub, write_zip

from dia.text.books.book import read_book
from dia.text.script import parse

TWO = {"one.xhtml": "<h1>One</h1><p>First words.</p>", "two.xhtml": "<h1>Two</h1><p>Second words.</p>"}
NAVIGATION = '<ol><li><a href="one.xhtml">Morning &amp; noon</a></li><li><a href="two.xhtml">Evening</a></li></ol>'


def titles(path):
    return [chapter.title for chapter in read_book(path).chapters]


def words(chapter):
    return " ".join(turn.text for turn in parse(chapter.text, text_format=chapter.text_format).turns)


def test_title_author_and_chapters_of_epub_3(tmp_path):
    book = read_book(write_epub(tmp_path / "b.epub", TWO, NAVIGATION))
    assert (book.title, book.author) == ("The Walk", "A. Writer, B. Writer")
    assert [chapter.title for chapter in book.chapters] == ["Morning & noon", "Evening"]
    assert [words(chapter) for chapter in book.chapters] == ["One. First words.", "Two. Second words."]


def test_the_table_of_contents_of_epub_2(tmp_path):
    ncx = point("Morning", "one.xhtml") + point("Evening", "two.xhtml#top")
    assert titles(write_epub(tmp_path / "b.epub", TWO, ncx=ncx)) == ["Morning", "Evening"]


def test_without_a_table_of_contents_each_document_is_a_chapter(tmp_path):
    cover = {"cover.xhtml": '<img src="cover.jpg"/>'}
    assert titles(write_epub(tmp_path / "b.epub", cover | TWO)) == ["One", "Two"]


def test_a_chapter_may_go_on_in_the_next_document(tmp_path):
    more = {"one.xhtml": TWO["one.xhtml"], "more.xhtml": "<p>More words.</p>", "two.xhtml": TWO["two.xhtml"]}
    book = read_book(write_epub(tmp_path / "b.epub", more, NAVIGATION))
    assert [words(chapter) for chapter in book.chapters] == ["One. First words. More words.", "Two. Second words."]


def test_several_chapters_may_be_in_one_document(tmp_path):
    body = '<h2 id="a">One</h2><p>First.</p><section id="b"><h2>Two</h2><p>Second.</p></section>'
    ncx = point("Morning", "all.xhtml#a") + point("Evening", "all.xhtml#b")
    book = read_book(write_epub(tmp_path / "b.epub", {"all.xhtml": body}, ncx=ncx))
    assert [(chapter.title, words(chapter)) for chapter in book.chapters] == [
        ("Morning", "One. First."),
        ("Evening", "Two. Second."),
    ]


def test_words_before_the_first_chapter_are_a_chapter(tmp_path):
    book = read_book(write_epub(tmp_path / "b.epub", {"title.xhtml": "<p>By A. Writer</p>"} | TWO, NAVIGATION))
    assert [chapter.title for chapter in book.chapters] == ["", "Morning & noon", "Evening"]


def test_parts_have_chapters_and_sections_do_not_count(tmp_path):
    ncx = point("Part", "part.xhtml", point("A", "one.xhtml", point("A.1", "one.xhtml#s"))) + point("B", "two.xhtml")
    documents = {"part.xhtml": "<h1>Part</h1>"} | TWO
    assert titles(write_epub(tmp_path / "b.epub", documents, ncx=ncx)) == ["Part", "A", "B"]


def test_notes_page_numbers_and_documents_outside_the_reading_order_are_left_out(tmp_path):
    body = (
        '<p>Words<a epub:type="noteref" href="n.xhtml#n">1</a> go <span epub:type="pagebreak">12</span>on.</p>'
        '<aside epub:type="footnote"><aside>in</aside>A note.</aside><p>The end.</p>'
    )
    path = write_epub(tmp_path / "b.epub", {"a.xhtml": body, "n.xhtml": "<p>Note.</p>"}, unread=["n.xhtml"])
    (chapter,) = read_book(path).chapters
    assert words(chapter) == "Words go on. The end."


def encrypted(name):
    reference = f'<enc:CipherReference xmlns:enc="e" URI="{name}"/>'
    return {"META-INF/encryption.xml": f"<encryption>{reference}</encryption>"}


def test_protected_text_is_refused_and_protected_fonts_are_not(tmp_path):
    write_epub(tmp_path / "font.epub", TWO, extra=encrypted("OEBPS/font.otf"))
    assert titles(tmp_path / "font.epub") == ["One", "Two"]
    write_epub(tmp_path / "text.epub", TWO, extra=encrypted("OEBPS/one.xhtml"))
    with pytest.raises(ValueError, match="protected"):
        read_book(tmp_path / "text.epub")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.95])
def test_a_cut_file_is_refused(tmp_path, share):
    path = write_epub(tmp_path / "b.epub", TWO)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ValueError, match="is damaged"):
        read_book(path)


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ({"a.txt": "words"}, "lacks META-INF/container.xml"),
        ({"META-INF/container.xml": "<container/>"}, "lacks"),
        ({"META-INF/container.xml": "<container"}, "is not XML"),
        ({"META-INF/container.xml": "<!DOCTYPE a [<!ENTITY b 'c'>]><container/>"}, "declares entities"),
    ],
)
def test_a_damaged_package_is_refused(tmp_path, members, fault):
    with pytest.raises(ValueError, match=fault):
        read_book(write_zip(tmp_path / "b.epub", members))


def test_a_book_of_pictures_is_refused(tmp_path):
    with pytest.raises(ValueError, match="contains no words"):
        read_book(write_epub(tmp_path / "b.epub", {"a.xhtml": '<img src="a.png"/>'}))


def test_a_document_that_is_too_large_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("dia.text.books.archive.LARGEST_BYTES", 1000)
    path = write_epub(tmp_path / "b.epub", {"a.xhtml": "<p>" + "word " * 1000 + "</p>"})
    with pytest.raises(ValueError, match="is larger than"):
        read_book(path)


def test_a_document_may_be_in_another_encoding(tmp_path):
    path = write_epub(tmp_path / "b.epub", TWO)
    latin = page("<p>Café</p>").replace("utf-8", "iso-8859-1").encode("latin-1")
    write_epub(path, TWO, extra={"OEBPS/one.xhtml": latin})
    assert "Café" in read_book(path).chapters[0].text
