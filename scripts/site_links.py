"""A hook of `mkdocs.yml`: links that lead out of docs/ become plain text, because only docs/ is on the site."""

import re
from typing import Any

OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)\s]+\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """A page without its links to files of the repository that are not pages."""
    return OUTSIDE.sub(r"\1", markdown)
