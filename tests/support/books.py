"""Small books as files: EPUB 2 and 3, and Word documents."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile '
    'full-path="OEBPS/package.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def page(body: str) -> str:
    return f'<?xml version="1.0" encoding="utf-8"?><html><head><title>Page</title></head><body>{body}</body></html>'


def write_zip(path: Path, members: Mapping[str, str]) -> Path:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write_epub(
    path: Path,
    documents: Mapping[str, str],
    contents: str = "",
    ncx: str = "",
    extra: Mapping[str, str] | None = None,
    unread: Sequence[str] = (),
) -> Path:
    """Write an EPUB file.

    Args:
        path: the file.
        documents: the body of each document, by its name.
        contents: the list in the navigation document of EPUB 3.
        ncx: the points of the table of contents of EPUB 2.
        extra: further members.
        unread: documents outside of the reading order.
    """
    items = [
        f'<item id="d{number}" href="{name}" media-type="application/xhtml+xml"/>'
        for number, name in enumerate(documents)
    ]
    spine = [
        f'<itemref idref="d{number}"{" linear=" + chr(34) + "no" + chr(34) if name in unread else ""}/>'
        for number, name in enumerate(documents)
    ]
    members = {"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER}
    if contents:
        items.append('<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>')
        spine.insert(0, '<itemref idref="nav"/>')
        members["OEBPS/nav.xhtml"] = page(f'<nav epub:type="toc"><h1>Contents</h1>{contents}</nav>')
    if ncx:
        items.append('<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>')
        members["OEBPS/toc.ncx"] = f'<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{ncx}</navMap></ncx>'
    members["OEBPS/package.opf"] = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
        "<dc:title>The  Walk</dc:title><dc:creator>A. Writer</dc:creator><dc:creator>B. Writer</dc:creator></metadata>"
        f'<manifest>{"".join(items)}</manifest><spine toc="ncx">{"".join(spine)}</spine></package>'
    )
    members.update({f"OEBPS/{name}": page(body) for name, body in documents.items()})
    return write_zip(path, {**members, **(extra or {})})


def point(title: str, target: str, inner: str = "") -> str:
    """A point of a table of contents of EPUB 2."""
    return f'<navPoint><navLabel><text>{title}</text></navLabel><content src="{target}"/>{inner}</navPoint>'


def paragraph(words: str, style: str = "") -> str:
    """A paragraph of a Word document."""
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{escape(words)}</w:t></w:r></w:p>"


def write_docx(path: Path, body: str, styles: str = "") -> Path:
    """Write a Word document with the given body; styles Heading1 and Heading2 are those that Word has."""
    known = "".join(
        f'<w:style w:styleId="{key}"><w:name w:val="{name}"/></w:style>'
        for key, name in (("Heading1", "heading 1"), ("Heading2", "heading 2"), ("TOC1", "toc 1"), ("Title", "Title"))
    )
    members = {
        "word/document.xml": f'<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>',
        "word/styles.xml": f'<w:styles xmlns:w="{WORD}">{known}{styles}</w:styles>',
        "docProps/core.xml": (
            '<cp:coreProperties xmlns:cp="c" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>The Walk</dc:title>'
            "<dc:creator>A. Writer</dc:creator></cp:coreProperties>"
        ),
    }
    return write_zip(path, members)
