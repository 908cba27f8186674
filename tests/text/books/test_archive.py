"""Archives of documents: what is refused, and that a crafted document does not take long."""

import zipfile

import pytest

from dia.text.books import archive as archive_file
from dia.text.books.archive import Archive
from dia.text.books.epub import _body


def archive_of(folder, **members):
    path = folder / "book.epub"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        '<?xml version="1.0" encoding="foo"?><a>é</a>'.encode(),
        '<?xml version="1.0" encoding="shift_jis"?><a>é</a>'.encode(),
        b"<a><b></a>",
    ],
    ids=["unknown encoding", "encoding of many bytes", "not closed"],
)
def test_a_member_that_is_not_xml_is_refused_with_its_name(tmp_path, content):
    with Archive(archive_of(tmp_path, page=content)) as archive, pytest.raises(ValueError, match="page is not XML"):
        archive.xml("page")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_in_every_encoding(tmp_path, encoding):
    content = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>'
    path = archive_of(tmp_path, page=content.encode(encoding))
    with Archive(path) as archive, pytest.raises(ValueError, match="declares entities"):
        archive.xml("page")


def test_all_members_together_have_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_file, "_MOST_BYTES", 2 << 20)
    path = archive_of(tmp_path, **{f"page{number}": bytes(1 << 20) for number in range(3)})
    with Archive(path) as archive:
        archive.read("page0")
        archive.read("page1")
        with pytest.raises(ValueError, match="it is larger than 2 MB"):
            archive.read("page2")


def test_a_body_is_found_in_a_document_with_many_starts():
    assert _body("<html><BODY class='x'>One.</body></html>") == "One."
    assert _body("<body>" * 200_000).startswith("<body>")
    assert len(_body("<body " * 200_000)) > 0
