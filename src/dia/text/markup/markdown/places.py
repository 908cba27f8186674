"""Where the tokens of markdown-it-py come from in the text. The parser itself gives lines, but no columns.

Every inline rule is wrapped: it notes, in `token.meta`, where the tokens that it adds begin and end.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

DEEPEST = 100  # the nesting of blocks that is parsed; a list nests twice
_Rule = Callable[[StateInline, bool], bool]


class Place(NamedTuple):
    """A token of a paragraph, which comes from `content[start:end]`."""

    token: Token
    start: int
    end: int


@cache
def parser() -> MarkdownIt:
    """CommonMark with tables and strikethrough, whose inline tokens have places."""
    inner = MarkdownIt("commonmark").enable("strikethrough")
    inner.inline.ruler2.disable("fragments_join")  # this rule and `text_join` would merge tokens
    ruler = inner.inline.ruler
    for name, rule in list(zip(ruler.get_active_rules(), ruler.getRules(""), strict=True)):
        ruler.at(name, _noting(name, rule))

    def inline(state: StateCore) -> None:
        for token in state.tokens:
            if token.type == "inline":
                token.children = []
                inner.inline.parse(token.content, inner, state.env, token.children)

    parser = MarkdownIt("commonmark", {"maxNesting": DEEPEST}).enable("table")
    parser.core.ruler.disable("text_join")
    parser.core.ruler.at("inline", inline)  # which nests less deeply: brackets would take a hundred times longer
    return parser


def _noting(name: str, rule: _Rule) -> _Rule:
    def noted(state: StateInline, silent: bool) -> bool:
        if silent:
            return rule(state, True)
        start, pending, count = state.pos, state.pending, len(state.tokens)
        if not rule(state, False):
            return False
        added = [token for token in state.tokens[count:] if "start" not in token.meta]
        if added and pending and added[0].type == "text":  # what the rules before had left
            _note(added.pop(0), start - len(pending))
        if name == "link":
            _note(added[0], start, start + 1)
            _note(added[-1], state.pos, state.pos)
        elif name == "autolink" and added:
            _note(added[0], start, start + 1)
            _note(added[1], start + 1, state.pos - 1)
            _note(added[2], state.pos, state.pos)
        else:
            for token in added:
                _note(token, start, None if token.type == "text" else state.pos)
                start += len(token.content)
        return True

    return noted


def _note(token: Token, start: int, end: int | None = None) -> None:
    token.meta = {"start": start, "end": start + len(token.content) if end is None else end}


def places(inline: Token) -> Iterator[Place]:
    """The tokens of a paragraph, in order. Text without a note follows the token before it."""
    end = 0
    for token in inline.children or ():
        start = token.meta.get("start", end)
        end = max(end, token.meta.get("end", start + len(token.content)))
        if token.type == "text" and "start" in token.meta:
            end = max(start + len(token.content), end if not token.content else 0)
        yield Place(token, start, end)


class Segments:
    """Where the characters of a token's content come from. Its lines lack the marks of lists and quotes.

    Args:
        text: the whole text.
        line_starts: the position of each line.
        token: a token with lines and content.
        first: the first line of the content.
        after: where the content of a table cell is searched for; None for whole lines.
    """

    def __init__(self, text: str, line_starts: list[int], token: Token, first: int, after: int | None = None) -> None:
        self._offsets: list[int] = []
        self._sources: list[int] = []
        if after is not None:
            self._add_cell(text, token.content, after)
            return
        self._add(0, line_starts[min(first, len(line_starts) - 1)])
        offset = 0
        for number, line in enumerate(token.content.split("\n"), first):
            if number + 1 < len(line_starts):
                start, lead = line_starts[number], len(line) - len(line.lstrip())
                column = _column(text[start : line_starts[number + 1]], line)
                self._add(offset, start + max(0, column - lead))
                self._add(offset + lead, start + column)  # a tab may have become several spaces
            offset += len(line) + 1

    def source(self, offset: int) -> int:
        """The position in the text of `content[offset]`."""
        index = max(0, bisect_right(self._offsets, offset) - 1)
        return self._sources[index] + offset - self._offsets[index]

    def spans(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The spans of the text that `content[start:end]` comes from, one for each line."""
        low, high = bisect_right(self._offsets, start), bisect_left(self._offsets, end)
        cuts = self._offsets[low:high]
        for left, right in zip([start, *cuts], [*cuts, end], strict=True):
            yield self.source(left), self.source(right - 1) + 1

    def _add(self, offset: int, source: int) -> None:
        if self._offsets[-1:] == [offset]:
            self._sources[-1] = source
        else:
            self._offsets.append(offset)
            self._sources.append(source)

    def _add_cell(self, text: str, content: str, after: int) -> None:
        """A cell is one line, in which `\\|` stands for `|`."""
        written = content.replace("|", "\\|")
        start = text.find(content, after) if content == written else text.find(written, after)
        self._add(0, max(start, after))
        for offset, character in enumerate(content):
            if character == "|":
                start += 1
                self._add(offset, start + offset)


def _column(written: str, content: str) -> int:
    """The column at which the words of a line begin: usually they are the end of the line."""
    words = content.strip()
    line = written.rstrip()
    if not line.endswith(words):
        line = line.rstrip("#").rstrip()  # of a heading
    return len(line) - len(words) if line.endswith(words) else max(0, written.find(words))


__all__ = ["DEEPEST", "Place", "Segments", "parser", "places"]
