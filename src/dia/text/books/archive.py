"""Read the members of a ZIP archive that holds a document, such as EPUB and DOCX. Knows neither format."""

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree
from zipfile import BadZipFile, ZipFile, ZipInfo
from zlib import error as ZlibError

from dia.text.files.source import LARGEST_BYTES

Element = ElementTree.Element
_MOST_BYTES = 4 * LARGEST_BYTES  # of all members that are read


class Archive:
    """A ZIP archive. Use it in a `with` block.

    Args:
        path: the file.

    Raises:
        ValueError: it is no complete ZIP archive.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._explained("it"):
            self._zip = ZipFile(path)
        self._unpacked = 0
        self._members = {info.filename: info for info in self._zip.infolist()}

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def read(self, name: str) -> bytes:
        """The content of a member.

        Raises:
            ValueError: it is missing, damaged, encrypted or larger than `LARGEST_BYTES`, or all members that were read
                are larger than four times as much.
        """
        if name not in self._members:
            raise ValueError(f"{self.path} is damaged: it lacks {name}. Export the document again.")
        return self._limited(self._members[name])

    def xml(self, name: str) -> Element:
        """The root element of a member in XML.

        Raises:
            ValueError: as `read`, or it is not well-formed, or declares entities.
        """
        content = self.read(name)
        if b"<!ENTITY" in content.replace(b"\0", b""):  # also in UTF-16
            raise ValueError(f"{self.path}: {name} declares entities, which are not read. Export the document again.")
        try:
            return ElementTree.fromstring(content)
        except (ElementTree.ParseError, LookupError, ValueError) as error:  # the last two: of its encoding
            raise ValueError(f"{self.path} is damaged: {name} is not XML ({error}). Export it again.") from error

    def _limited(self, info: ZipInfo) -> bytes:
        if info.flag_bits & 1:
            raise ValueError(f"{self.path} is protected by a password. Remove it, or save a copy without one.")
        with self._explained(info.filename), self._zip.open(info) as member:
            content = member.read(LARGEST_BYTES + 1)
        self._unpacked += len(content)
        for what, size, most in ((info.filename, len(content), LARGEST_BYTES), ("it", self._unpacked, _MOST_BYTES)):
            if size > most:
                raise ValueError(f"{self.path}: {what} is larger than {most >> 20} MB. Split the document.")
        return content

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except (BadZipFile, ZlibError, EOFError, LZMAError, NotImplementedError, RuntimeError, ValueError) as error:
            reason = str(error).rstrip(".")
            raise ValueError(
                f"{self.path} is damaged: {what} cannot be unpacked ({reason}). Copy it again."
            ) from error


def resolved(reference: str, base: str) -> tuple[str, str]:
    """The member and the fragment that a reference in the member `base` leads to; no member for an address."""
    try:
        parts = urlsplit(reference.strip())
    except ValueError:
        return "", ""
    if parts.scheme or parts.netloc:
        return "", ""
    if not parts.path:
        return base, unquote(parts.fragment)
    return posixpath.normpath(posixpath.join(posixpath.dirname(base), unquote(parts.path))), unquote(parts.fragment)


def local_name(element: Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def named(root: Element, name: str) -> Iterator[Element]:
    """All elements with a name, in any namespace."""
    return (element for element in root.iter() if local_name(element) == name)


def words_of(element: Element | None) -> str:
    """The text in an element, with single spaces; empty without an element."""
    return "" if element is None else " ".join("".join(element.itertext()).split())


__all__ = ["Archive", "local_name", "named", "resolved", "words_of"]
