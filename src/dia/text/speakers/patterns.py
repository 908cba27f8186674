"""How labels of speakers are written. All repetitions are bounded, so that matching is linear."""

import re

_NAME = r"(?P<name>[^\W\d_][\w.'’&-]{0,30}(?:[ _](?:& )?[#\w][\w.'’&-]{0,30}){0,4})"
_DATE = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
_ZONE = r"(?:GMT|UTC|BST|CES?T|[ECMP][SD]?T)"
# Half and zone are possessive: in `9:00 AM: Breakfast`, AM is no name.
_TIME = rf"\d{{1,2}}:\d{{2}}(?::\d{{2}})?(?:[.,]\d{{1,3}})?(?: ?[AaPp]\.?[Mm]\b\.?)?+(?: {_ZONE}\b)?+"
_DAY = rf"(?:{_DATE}|[Tt]oday|[Yy]esterday)"
_STAMP = rf"[\[(]?(?:{_DAY},?(?: at)?[ T])?{_TIME}(?: ?(?:-->|-|–) ?{_TIME})?[\])]?"
_BULLET = r"(?:>{1,6}|(?:\#{1,6}|[*+-]|[^\w\s\x00-\x7f]{1,4}|\d{1,4}[.)])(?=[ \t]))"
# What may precede a name on its line: indentation, quote marks, bullets, numbers, the time.
_BEFORE = (
    rf"^[ \t]{{0,200}}(?P<bullet>(?:{_BULLET}[ \t]{{0,9}}){{0,4}})"
    rf"(?:(?P<stamp>{_STAMP})[ \t]{{0,9}}(?:[-–—][ \t]{{1,9}})?)?"
)
_BOLD = r"(?P<bold>[*_]{0,3})"
_UNBOLD = r"[*_]{0,3}"
_ABOUT = r"(?:[ \t]{0,3}[(\[（][^()\[\]（）\n]{0,80}[)\]）]){0,2}"
STAMPED = re.compile(rf"[(\[]{_TIME}[)\]]")
DIRECTED = re.compile(r"[(\[（][a-z][a-z ,'’-]{3,}[)\]）]")
_AT_COLON = rf"{_BOLD}{_NAME}(?P<about>{_ABOUT}){_UNBOLD}(?P<after>{_ABOUT})(?:[ \t]?[:：]|>){_UNBOLD}"

COLON = re.compile(rf"{_BEFORE}{_AT_COLON}(?:[ \t]+|$|(?=[^\W\d_]|[\"'“‘(¿¡—–…]))(?![\\/])", re.MULTILINE)
INLINE = re.compile(
    rf"(?<=[.!?…。！？\"”’)*])[ \t]{{1,3}}{_AT_COLON}[ \t]+(?![\\/])",
)
NUMBER_INLINE = re.compile(
    r"(?<=\S)[ \t]{1,3}(?P<bold>)(?P<name>(?:s|speaker)[ _]?\d{1,2})[ \t]?[:：][ \t]+", re.IGNORECASE
)
DASH = re.compile(
    rf"{_BEFORE}{_BOLD}{_NAME}(?P<about>{_ABOUT}){_UNBOLD}[ \t]{{1,3}}(?:—|–|--?)[ \t]+(?!{_STAMP}[ \t]*$)(?=\S)",
    re.MULTILINE,
)
BRACKET = re.compile(rf"{_BEFORE}(?:\[{_NAME}\]|\({_NAME.replace('name', 'round')}\)):?[ \t]*(?=\S|$)", re.MULTILINE)
LINE = re.compile(
    rf"{_BEFORE}{_BOLD}{_NAME}(?P<about>{_ABOUT}){_UNBOLD}[ \t]{{0,9}}"
    rf"(?:\^|(?:[-–—|•][ \t]{{1,3}})?(?P<later>{_STAMP}))?[ \t]*\n"
    rf"(?P<between>[ \t\n]{{0,200}}?)(?P<aside>(?:[ \t]{{0,200}}\([^()\n]{{0,80}}\)[ \t]*\n)?)(?=[ \t]*\S)",
    re.MULTILINE,
)
STOP = re.compile(rf"{_BEFORE}{_BOLD}(?P<name>[A-Z](?:[A-Z'’. -]{{0,30}}[A-Z])?)\.{_UNBOLD}[ \t]+(?=\S)", re.MULTILINE)
MARK = re.compile(
    r"[({（]\s?(?P<name>(?:s|speaker|person)[ _]?\d{1,3})\s?[)}）]:?[ \t]*"
    r"|<(?P<close>/)?(?:v[ \t]+)?(?P<element>[^\W\d_][\w.'-]{0,30}(?:[ _]\w[\w.'-]{0,30}){0,2})>[ \t]*",
    re.IGNORECASE,
)

# HTML's elements of text, which occur without any other HTML.
_HTML_ELEMENTS = (
    "a abbr b big blockquote br center cite code dd del div dl dt em font h1 h2 h3 h4 h5 h6 hr i ins kbd li mark ol p "
    "pre q s samp small span strike strong sub sup table tbody td th thead time tr tt u ul var wbr"
)
HTML = frozenset(_HTML_ELEMENTS.split())

__all__ = [
    "BRACKET",
    "COLON",
    "DASH",
    "DIRECTED",
    "HTML",
    "INLINE",
    "LINE",
    "MARK",
    "NUMBER_INLINE",
    "STAMPED",
    "STOP",
]
