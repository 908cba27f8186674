"""What the elements of HTML and SSML mean for speech. Independent of how they are found."""

# A new paragraph begins and ends with these.
BLOCKS = frozenset(
    {
        *("address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog"),
        *("dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3"),
        *("h4", "h5", "h6", "header", "hgroup", "html", "legend", "li", "main", "menu", "ol", "p", "paragraph"),
        *("pre", "search", "section", "speak", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul", "hr"),
    }
)
CELLS = frozenset({"td", "th"})
# Of a page, beside its article.
MARGINS = frozenset({"header", "footer", "aside"})
# Their content is not words of the text.
UNSPOKEN = frozenset(
    {
        *("area", "audio", "base", "button", "canvas", "col", "colgroup", "datalist", "desc", "embed", "frame"),
        *("frameset", "head", "iframe", "img", "input", "lexicon", "link", "map", "meta", "metadata", "nav"),
        *("noframes", "noscript", "object", "optgroup", "option", "param", "picture", "progress", "rp", "rt"),
        *("script", "select", "source", "style", "svg", "template", "textarea", "title", "track", "video"),
        *("math", "meter"),
    }
)
VOID = frozenset(
    {
        *("area", "base", "br", "col", "embed", "frame", "hr", "img", "input", "link", "meta", "param"),
        *("source", "track", "wbr", "break", "mark"),
    }
)
INLINE = frozenset(
    {
        *("a", "abbr", "acronym", "b", "bdi", "bdo", "big", "br", "cite", "code", "data", "del", "dfn", "em"),
        *("font", "i", "ins", "kbd", "label", "mark", "nobr", "output", "q", "ruby", "s", "samp", "small"),
        *("span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr"),
    }
)
# Elements of SSML whose effect is left out.
WITHOUT_EFFECT = frozenset({"audio", "lang", "prosody", "voice"})
SPEECH = frozenset(
    {
        *("break", "emphasis", "lexicon", "metadata", "paragraph", "phoneme", "say-as", "sentence", "speak"),
        *("sub", "token", "w"),
    }
)
# Elements of particular speech services, such as amazon:effect; they are left out, too.
SERVICES = ("amazon", "google", "ibm", "mstts")

KNOWN = BLOCKS | CELLS | UNSPOKEN | INLINE | WITHOUT_EFFECT | SPEECH


def is_known(name: str) -> bool:
    """Whether a tag's name is that of an element of HTML or SSML."""
    return name in KNOWN or is_service(name)


def is_service(name: str) -> bool:
    """Whether an element is of a particular speech service: `amazon:effect`."""
    service, colon, _ = name.partition(":")
    return bool(colon) and service in SERVICES


__all__ = [
    "BLOCKS",
    "CELLS",
    "INLINE",
    "KNOWN",
    "MARGINS",
    "SERVICES",
    "SPEECH",
    "UNSPOKEN",
    "VOID",
    "WITHOUT_EFFECT",
    "is_known",
    "is_service",
]
