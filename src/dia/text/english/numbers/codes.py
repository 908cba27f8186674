"""Numbers that are names: telephone and emergency numbers, rooms, flights, models, versions, postal codes, addresses.

Their digits are read one by one or in pairs, never as an amount.
"""

import re

from dia.text.english import abbreviation_table as table
from dia.text.english.numbers.cardinals import amount, cardinal, code, digits
from dia.text.english.numbers.rules import BEGIN, Rules, after, before, compiled, counts, either, listed

_EMERGENCY = "911|999|112|988|111|211|311|411|511|611|711|811|101"
_CALLED = re.compile(
    r"\b(?:call|dial|phone|phoning|ring|rang|text|number is|line is)(?:s|d|ed|ing|led|ling)?\b[^.!?;]{0,24}$",
    re.IGNORECASE,
)
_ANSWERED = re.compile(r" (?:operator|dispatch|call|emergency|hotline|helpline|line)")
_ALONE = re.compile(r"!|, what(?:'s| is) (?:your|the)\b")
_IN_PAIRS = (
    *("Flight", "Room", "Route", "Highway", "Interstate", "Suite", "Apartment", "Apt", "Boeing", "Airbus", "Bus"),
    *("Porsche", "Peugeot", "Ferrari", "Model", "Part", "Serial", "RTX", "GTX", "RX", "Lot", "Gate", "Platform"),
)
_CODE_WORD = (
    "PIN|OTP|[Pp]asscode|[Pp]assword|ZIP|[Zz]ip [Cc]ode|ZIP [Cc]ode|[Aa]rea [Cc]ode|[Pp]ostcode|[Ee]xtension|SWIFT|SKU"
)
_NUMBERED = (  # what a number or code names, so that "the confirmation number 884213" is no amount
    "account|confirmation|verification|security|access|activation|authori[sz]ation|authentication|reference|tracking|"
    "order|invoice|booking|reservation|ticket|case|claim|policy|passport|licen[cs]e|routing|serial|membership|member|"
    "customer|client|employee|student|patient|badge|registration|phone|telephone|cell|mobile|fax|contact|card|receipt|"
    "transaction|docket|patent|item|product|catalog|tax|identification|ID|lot|batch|IMEI|promo|discount|coupon|"
    "referral|invitation|pairing|entry|door|gate|login|one-time|backup|recovery|user|meeting|shipment|parcel|file"
)
_LINK = r"(?:(?: is| was| reads)?:?|,)"
_ORDERED = "order|ticket|invoice|claim|case|booking|reservation|reference|confirmation|patent|bug|issue|transaction"
_PUBLISHED = "PMID|PMCID|IMDb|CIK|EIN|NPI|OCLC|LCCN|MRN|NHS number|ID"
_POSTAL = {**table.POSTAL, **table.POSTAL_WORDS}
_STATES = either([*_POSTAL, *_POSTAL.values(), "DC", "PR"])
_BOOKS = listed(
    "Genesis Exodus Leviticus Numbers Deuteronomy Joshua Judges Ruth Samuel Kings Chronicles Ezra Nehemiah Esther "
    "Job Psalm Psalms Proverbs Ecclesiastes Isaiah Jeremiah Lamentations Ezekiel Daniel Hosea Joel Amos Obadiah "
    "Jonah Micah Nahum Habakkuk Zephaniah Haggai Zechariah Malachi Matthew Mark Luke John Acts Romans Corinthians "
    "Galatians Ephesians Philippians Colossians Thessalonians Timothy Titus Philemon Hebrews James Peter Jude "
    "Revelation Sirach Tobit Baruch Maccabees Esdras Nephi Surah Sura Quran Koran"
)
_UNSAID_CASE = {"jpg", "png", "gif", "pdf", "html", "css", "csv", "xml", "js", "ts", "txt", "exe", "rtf", "svg", "wav"}
_SOFTWARE = listed(
    "Python python CPython PyPy Node NodeJS Java Ruby PHP Go Golang Rust Perl Swift Kotlin Scala Julia Django Rails "
    "PyTorch torch TensorFlow NumPy numpy pandas CUDA GCC Clang LLVM CMake Ubuntu Debian Fedora Alpine Android iOS "
    "iPadOS macOS Windows Linux kernel Chrome Firefox Safari PostgreSQL Postgres MySQL SQLite Redis Kubernetes Docker "
    "transformers Version version release"
)
_NUMBERED_ITEM = re.compile(
    r"\b(?:order|ticket|invoice|case|item|part|serial|room|unit|apt|suite|lot|model|booking|claim|issue|bug) $",
    re.IGNORECASE,
)
_SUFFIXES = (
    *sorted(_UNSAID_CASE),
    *("py", "md", "json", "yaml", "yml", "toml", "zip", "tar", "gz", "doc", "docx", "xls", "xlsx", "ppt", "pptx"),
    *("mp3", "mp4", "mov", "avi", "mkv", "flac", "ogg", "opus", "jpeg", "webp", "bmp", "cpp", "hpp", "rs", "go", "rb"),
    *("java", "jar", "php", "sql", "db", "log", "ini", "cfg", "conf", "sh", "bat", "jsx", "tsx", "epub", "srt", "vtt"),
)


def _telephone(match: re.Match[str]) -> str:
    groups = [digits(group) for group in re.findall(r"\d+", match[0])]
    return ("plus " if match[0].startswith("+") else "") + ", ".join(groups)


_GROUPED = re.compile(r"\b(?:sort code|CAS|SSN|NDC|account)\b[^.!?;]{0,12}$", re.IGNORECASE)


def _figures(match: re.Match[str]) -> str:
    """15-2-1 → fifteen, two, one; 555-123-4567 is a telephone number."""
    groups = match[0].split("-")
    amounts = all(re.fullmatch(r"0|[1-9]\d?|[1-9]\d0", group) for group in groups)
    named = _CALLED.search(before(match, 40)) or _GROUPED.search(before(match, 40))
    return ", ".join(map(amount, groups)) if amounts and not named else _telephone(match)


def _reference(match: re.Match[str]) -> str:
    """INV-2024-001 → INV twenty twenty-four zero zero one."""
    letters, *groups = match[0].split("-")
    return " ".join([letters, *map(code, groups)])


def _spaced(match: re.Match[str]) -> str:
    """555 123 4567; but 200 300 4000 are amounts."""
    amounts = all(group.endswith("00") for group in match[0].split())
    return match[0] if amounts or counts(after(match)) else _telephone(match)


def _called_number(match: re.Match[str]) -> str:
    return _spaced(match) if _CALLED.search(before(match, 40)) else match[0]


def _toll_free(match: re.Match[str]) -> str:
    return f"one {code(match[1])}"


def _digits(match: re.Match[str]) -> str:
    return digits(match[0])


def _emergency(match: re.Match[str]) -> str:
    called = _CALLED.search(before(match, 40)) and not counts(after(match))
    alone = _ALONE.match(after(match)) and re.search(r"(?:^|[.!?\"'] ?)$", before(match, 2))
    return digits(match[0]) if called or alone or _ANSWERED.match(after(match)) else match[0]


def _address(match: re.Match[str]) -> str:
    """192.168.0.1 → one nine two dot one six eight dot zero dot one; :8080 → colon eighty eighty."""
    parts = match[1].split(".")
    if any(int(part) > 255 for part in parts):
        return match[0]
    return " dot ".join(map(digits, parts)) + (f" colon {code(match[2])}" if match[2] else "")


def _version(match: re.Match[str]) -> str:
    said = " point ".join(amount(part) for part in match[1].split("."))
    return said if re.search(r"\b[Vv]ersion $", before(match)) else f"version {said}"


def _code(match: re.Match[str]) -> str:
    return code(match[0])


def _identifier(match: re.Match[str]) -> str:
    """The digits of an account or order; "order number 20000" may be the twenty thousandth."""
    counted = match[1].endswith("number ") and match[2].endswith("000")
    return match[0] if counted or counts(after(match)) else match[1] + digits(match[2])


def _form(match: re.Match[str]) -> str:
    return match[0] if counts(after(match)) else match[1] + code(match[2])


def _codes(match: re.Match[str]) -> str:
    return " ".join(map(code, match[0].split("-")))


def _model(match: re.Match[str]) -> str:
    """i7-9700K → i seven ninety-seven hundred K, F-16 → F sixteen, A320 → A three twenty."""
    parts = re.findall(r"[A-Za-z]+|\d+", match[0])
    if len(parts[-1]) == 1 and parts[-1].islower() and after(match, 1) == "/":
        return match[0]
    return " ".join(code(part) if part.isdigit() else part for part in parts)


def _minor_version(match: re.Match[str]) -> str:
    """Python 3.11 → Python three point eleven, Ubuntu 22.04 → Ubuntu twenty-two point oh four."""
    minor = match[3]
    said = f"{'oh ' if minor[0] == '0' else ''}{cardinal(int(minor))}"
    return f"{match[1]}{amount(match[2])} point {said}"


def _spelt(match: re.Match[str]) -> str:
    """1Z999AA1012 → one Z nine nine nine A A one zero one two."""
    return " ".join(cardinal(int(sign)) if sign.isdigit() else sign for sign in match[0])


def _suffix(match: re.Match[str]) -> str:
    name = match[1].lower()
    return f" dot {name.upper() if name in _UNSAID_CASE else name}"


def _item_number(match: re.Match[str]) -> str:
    return "number " if _NUMBERED_ITEM.search(before(match)) else match[0]


def _words_of_tag(match: re.Match[str]) -> str:
    """#BlackLivesMatter → hashtag Black Lives Matter."""
    tag = re.sub(r"^\d+", lambda figures: f"{code(figures[0])} ", match[1])
    tag = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", tag)
    return f"{'number' if _NUMBERED_ITEM.search(before(match)) else 'hashtag'} {tag}"


# Signs in names; they apply to texts without figures too.
NAMES: Rules = compiled(
    (r"\b([A-GJ])#(?!\w)", r"\1 sharp", "#"),
    (r"(?<![^\s(])#(?=[A-Z]{1,4}-\d)", "number ", "#"),
    (r"#(?=[A-Z]{1,4}\d)", _item_number, "#"),
    (r"#([A-Za-z]\w{0,99})", _words_of_tag, "#"),
    (r"#(?![\da-f]{6}\b)(\d{1,4}[A-Za-z]{3}\w{0,99})", _words_of_tag, "#"),
    (r"\.(?<=\w.)NET\b", " dot NET", "."),
    (r" \.(?<=\w..)(?=[A-Z][a-z]+\b)(?!\.Net\b)", ". ", "."),
    (r"\.(?<![^\s(\"'/].)(?=[A-Z]{2,}\b|Net\b|[a-z][\w-]{1,30}(?![\w.]\w))", "dot ", "."),
    (
        rf"\.(?<=\w.)({either([*_SUFFIXES, *(name.upper() for name in _SUFFIXES if len(name) > 2)])})\b(?![\w-]|\.\w)",
        _suffix,
        ".",
    ),
    (r"\.(?<=\w{3}.)([ch])\b(?=[ ,;:?!.]|$)(?!\.\w)", r" dot \1", "."),
    (r"\.(?<=[a-z].)(?=\d)", " dot ", "."),
    (r"\.(?<=\d.)(?=x\b)", " point ", "."),
)
RULES: Rules = compiled(
    (r"\bISBN(?:-1[03])?:? (?=[\d -]{9,17}[\dX]\b)", "ISBN "),
    (r"(?<=\bISBN )\d[\d -]{8,16}[\dX]\b", _telephone),
    (
        r"(?<![\w+])\+\d{1,3}(?: ?\(0\))?(?=(?:[ .()-]{0,2}\d){6})(?:[ .-]?\(?\d{1,8}\)?){1,5}(?![\d.,]*\d)",
        _telephone,
        "+",
    ),
    (r"(?<![\w.,])(?<!\d )(?:1 )?[2-9]\d\d \d{3} \d{4}\b(?![.,:/-]?\d| \d)", _spaced),
    (r"(?<![\w.,])(?<!\d )(?<!\b[Ii]n )1[389]00 \d{3} \d{3}\b(?![.,:/-]?\d| \d)", _spaced),
    (r"(?<![\w.,])\(0\d{1,4}\) ?\d{3,4}[ -]?\d{3,4}\b(?![.,:/-]?\d)", _telephone, "("),
    (r"(?<![\w.,])(?:\d{3} \d{4}|\d\d(?: \d\d){2,4})\b(?![.,:/-]?\d| \d|%)", _called_number),
    (r"(?<![\w-])1-(800|8([2-8])\2|900)(?= (?:number|line|service|hotline)s?\b)", _toll_free, "-"),
    (rf"{BEGIN}(?:\+?\d{{1,2}}[ .-])?(?:\(\d{{3}}\) ?|\d{{3}}[.-])\d{{3}}[ .-]\d{{4}}(?!\d)", _telephone, "(.-"),
    (rf"{BEGIN}(?<!-)\d{{3}}-\d{{4}}(?![\d-])", _telephone, "-"),
    (rf"{BEGIN}\b\d{{4}}(?:[ -]\d{{4}}){{3}}\b(?![-.,]?\d)", _telephone),
    (rf"{BEGIN}(?<!:)\b(?=\d(?:[ -]?\d){{6}})0\d{{1,4}}(?:[ -]\d{{2,8}}){{1,4}}\b(?![-.,]?\d)", _telephone),
    (r"(?<![\w$-])(?=[A-Z\d-]*(?:\d{3}|-0))[A-Z]{2,10}(?:-\d{1,8}){2,4}\b(?![-.,]?\w)", _reference, "-"),
    (r"(?<=\b[Nn]umber )(?<!\b[Aa] number )(?<!ny number )(?<!he number )\d\d-\d{3,5}\b(?![-.,]?\d)", _codes, "-"),
    (rf"{BEGIN}\d+(?:-\d+){{2,}}", _figures, "-"),
    (rf"{BEGIN}\b(\d{{1,3}}(?:\.\d{{1,3}}){{3}})(?::(\d{{2,5}}))?\b(?![-.,]?\d)", _address, "."),
    (r"\blocalhost:(\d{2,5})\b", lambda match: f"localhost colon {code(match[1])}", ":"),
    (r"\bv(\d{1,9}(?:\.\d{1,9}){0,5})\b(?!\.\d)", _version),
    (rf"\b((?:{either(_SOFTWARE)}) ?-?(?:[<>=~!]=?|==)? ?)(\d{{1,2}})\.(\d\d)\b(?![.,]?\d|%)", _minor_version, "."),
    (r"((?<=\w),[<>]=?)(\d{1,2})\.(\d\d)\b(?![.,]?\d)", _minor_version, "<>"),
    (r"\b([A-Z]{1,2}\d{2,4})-(?=\d+ ?[GT]B\b)", r"\1 ", "-"),
    (r"(?<=[A-Za-z])(\d{1,2}\.\d{1,2})-(?=\d+[A-Za-z]+\b)", r"\1 ", "-"),
    (r"\b(?=[A-Z\d]*[A-Z][A-Z\d]*\b)(?=[A-Z]*\d[A-Z]*\d)(?![A-Z\d]*[A-Z]{5})[A-Z\d]{10,40}\b(?!-)", _spelt),
    (r"(\b[Tt]ext [A-Z]+ to )(\d{5,6})\b", lambda match: match[1] + digits(match[2])),
    (
        rf"(?<=, )({_STATES}) (\d{{5}}(?:-\d{{4}})?)\b",
        lambda match: f"{match[1]} {digits(match[2])}",
        ",",
    ),
    (rf"\b((?:{_CODE_WORD})(?: is| was|:)? )(\d{{3,9}})\b", lambda match: match[1] + digits(match[2])),
    *(
        (rf"({names}{_LINK} )(\d{{{length}}})\b(?![.,:/-]?\d|%)", _identifier)
        for names, length in (
            (rf"\b(?i:(?:{_NUMBERED}) (?:number|no\.|code|ID|#))", "4,"),
            (r"\b[Cc]ode", "5,"),
            (r"\b(?:(?:[Yy]our|[Mm]y|[Tt]his|[Tt]hat) |(?i:enter|type|use|input)(?: the| this| your)? )code", "4,"),
            (rf"\b(?:{_PUBLISHED})", "5,"),
            (r"\b[Tt]ext(?: \"?[A-Za-z]+\"?)? to", "5,6"),
            (r"\b[Tt]ext", "5,6"),
            (r"\b(?i:account|card|number) (?:that )?end(?:ing|s)(?: in| with)?", "3,4"),
        )
    ),
    (
        r"(?<!\b[Ww]e )(?<!\bI )(?<!ey )(?<!ou )(?<!\b[Tt]o )(?<!\b[Ii]n )"
        rf"(\b(?i:{_ORDERED}|reference is):? (?:number )?)"
        r"(?!\d+000\b)(\d{5,})\b(?![.,:/-]?\d|%| (?:of|more|kg|lbs?)\b)",
        _identifier,
    ),
    (r"(\b(?:Form|(?:tax|IRS) form) )(\d{3,4})\b(?![.,:/-]?\d|%)", _form),
    (rf"\b(?:{_EMERGENCY})\b(?![,.:/-]?\d)", _emergency),
    (r"\b401\(?[kK]\b\)?", "four oh one k"),
    (rf"{BEGIN}\b7[0-8]7-(?:[1-9]00|[1-9]0?)(?=[A-Z]{{0,2}}\b)(?![\d-])", _codes, "-"),
    (r"(?<!\w)A3\d\d-[1-9]\d{0,3}\b", _model, "-"),
    (r"\b911(?= (?:Turbo|Carrera|Targa|GT\d?)\b)", _code),
    (rf"{BEGIN}\b(1-)?(8\d\d)-(?=[A-Z]{{2}})", lambda match: f"{_telephone(match)} ", "-"),
    (r"(?<=\bISSN )\d{4}-\d{3}[\dX]\b", _telephone, "-"),
    (r"(?<=\b[Ee]xt\. )\d{1,6}\b", _digits, "."),
    (
        r"(?<![\w.])\.(\d{2,3})"
        r"(?=[ -](?:cal|caliber|calibre|Special|Magnum|ACP|BMG|rifle|pistol|revolver|handgun)\b)(-?)",
        lambda match: code(match[1]) + (" " if match[2] else ""),
        ".",
    ),
    (r"\bT-(?=\d+ (?:second|minute|hour|day|week)s?\b)", "T minus ", "-"),
    (r"\bx86-64\b", "x eighty-six sixty-four", "-"),
    (r"\b802\.11(?=[a-z]{0,2}\b)", "eight oh two dot eleven ", "."),
    (rf"{BEGIN}\b\d{{3,4}}(?=p\b)", lambda match: f"{code(match[0])} "),
    (r"\b(ISO|IEC|DIN|EN) (\d{3,5}):(?=\d{4}\b)", lambda match: f"{match[1]} {cardinal(int(match[2]))}, ", ":"),
    (
        rf"\b({either(_BOOKS)}|Song of (?:Songs|Solomon)) (\d{{1,3}}):(\d{{1,3}})(?:-(\d{{1,3}}))?\b",
        lambda match: (
            f"{match[1]} {amount(match[2])} {amount(match[3])}" + (f" to {amount(match[4])}" if match[4] else "")
        ),
        ":",
    ),
    (r"(?<=\b[Mm]odel )\d{1,4}-\d{1,4}\b", _codes, "-"),
    (r"(?<=\b[Pp]art )\d{1,4}-\d{1,4}\b", _codes, "-"),
    (r"(?<=\b[Ss]erial )\d{1,4}-\d{1,4}\b", _codes, "-"),
    (
        rf"\b((?:{either([*_IN_PAIRS, *(name.lower() for name in _IN_PAIRS)])}) )(\d{{3,4}})\b(?![,.]\d|[-:/])",
        lambda match: match[1] + code(match[2]),
    ),
    (
        r"(\b[Ff]lights? (?:[A-Z]{2}|[A-Z]\d(?= |\d{3})|\d[A-Z])) ?(\d{1,4})\b(?![,.]\d|[-:/])",
        lambda match: f"{match[1]} {code(match[2])}",
    ),
    (r"\b9/11\b", "nine eleven", "/"),
    (r"\b([A-Z])(\d{1,4})-(?=\1\d)", r"\1\2 to ", "-"),
    (r"(?<![\w$-])[A-Za-z]{1,4}\d{1,2}-\d{3,5}[A-Za-z]{0,3}\b", _model, "-"),
    (r"(?<![\w$.-])[A-Z]{1,5}-?(?:[3-9]\d{3}|2[1-9]\d\d|10\d\d|\d{3})(?:[A-Z]{0,3}|neo|ceo)\b(?![.,]\d|-\d)", _model),
    (r"(?<![\w$.-])(?![A-Z]{1,2}\d+000\b)[A-Z]{1,2}\d{5,9}[A-Z]?\b(?![.,-]\d)", _spelt),
    (r"(?<![A-Za-z])(?:CO|NO|SO|PO|OH)(?=[2-4](?:[A-Z]|\b))", lambda match: " ".join(match[0])),
)

__all__ = ["NAMES", "RULES"]
