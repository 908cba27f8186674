"""Times of day and durations: 10:30, 3pm, 18:00, 0800 hours, 2024-05-17T10:30:00Z, 1h 30m, 1:30:00."""

import re

from dia.text.english.numbers.cardinals import amount, cardinal
from dia.text.english.numbers.dates import iso_date
from dia.text.english.numbers.rules import BEGIN, Rules, before, compiled

_HALF = r"(?: ?([AaPp]\.?[Mm])\b)?"
_UNITS = ("year", "week", "day", "hour", "minute", "second")  # in this order in a duration
_UNIT_OF = {
    **dict.fromkeys(("y", "yr", "yrs"), 0),
    **dict.fromkeys(("w", "wk", "wks"), 1),
    "d": 2,
    **dict.fromkeys(("h", "hr", "hrs"), 3),
    **dict.fromkeys(("m", "min", "mins"), 4),
    **dict.fromkeys(("s", "sec", "secs"), 5),
}
_LENGTH = r"\d{1,9}(?:\.\d{1,9})? ?(?:yrs?|y|wks?|w|d|hrs?|h|mins?|m|secs?|s)"
_PART = re.compile(r"(\d+(?:\.\d+)?) ?([a-z]*)")
_DISTANCES = {"km": "kilometer", "mi": "mile"}  # of a pace: 6:20/mi
_ZONES = "GMT|UTC|Z|ET|EST|EDT|CT|CST|CDT|MT|MST|MDT|PT|PST|PDT|BST|CET|CEST|IST|JST"
_AT_A_TIME = re.compile(r"\b(?:at|by|until|till|since|before|after|from|to|and|past|around) $", re.IGNORECASE)


def _time(match: re.Match[str]) -> str:
    hour, minute, seconds = int(match[1]), int(match[2]), match[3]
    half = (match[4] or "").replace(".", "").upper()
    if seconds and not half and not _AT_A_TIME.search(before(match)):
        return _duration_of(hour, minute, int(seconds))
    if hour > 23 or minute > 59:
        return "midnight" if (hour, minute) == (24, 0) else f"{cardinal(hour)} to {cardinal(minute)}"
    return f"{_clock(hour, minute, half)}{_and_seconds(seconds)} {half}".rstrip()


def _clock(hour: int, minute: int, half: str) -> str:
    if minute:
        return f"{cardinal(hour)} {'oh ' if minute < 10 else ''}{cardinal(minute)}"
    if half:
        return cardinal(hour)
    return "midnight" if hour == 0 else f"{cardinal(hour)} o'clock" if hour <= 12 else f"{cardinal(hour)} hundred"


def _and_seconds(seconds: str | None) -> str:
    number = int(seconds or 0)
    return f" and {_counted(number, 'second')}" if number else ""


def _duration_of(hours: int, minutes: int, seconds: int) -> str:
    counts = ((hours, "hour"), (minutes, "minute"), (seconds, "second"))
    return " ".join(_counted(count, unit) for count, unit in counts if count) or "zero seconds"


def _race_time(match: re.Match[str]) -> str:
    """1:40.91 → one forty point nine one, 2:01:09.5 → two hours one minute nine point five seconds."""
    hours, minutes, seconds = match[1], int(match[2]), match[3]
    if hours:
        counts = ((int(hours), "hour"), (minutes, "minute"))
        longer = [_counted(count, unit) for count, unit in counts if count]
        return " ".join([*longer, f"{amount(seconds.removeprefix('0'))} seconds"])
    return f"{cardinal(minutes)} {'oh ' if seconds[0] == '0' else ''}{amount(seconds.removeprefix('0'))}"


def _counted(number: int, unit: str) -> str:
    return f"{cardinal(number)} {unit}{'' if number == 1 else 's'}"


def _date_and_time(match: re.Match[str]) -> str:
    hour, minute = int(match[4]), int(match[5])
    if hour > 23 or minute > 59:
        return match[0]
    return f"{iso_date(match)}, {_clock(hour, minute, '')}{_and_seconds(match[6])}{_zone(match[7])}"


def _time_and_zone(match: re.Match[str]) -> str:
    """10:15:00 +0200 → ten fifteen UTC plus two."""
    hour, minute, seconds, zone = match.groups()
    if int(hour) > 23 or int(minute) > 59:
        return match[0]
    return f"{_clock(int(hour), int(minute), '')}{_and_seconds(seconds)}{_zone(zone)}"


def _four_digits(match: re.Match[str]) -> str:
    """at 0755 → at oh seven fifty-five, 2211 GMT → twenty-two eleven GMT."""
    hour, minute = match[1], int(match[2])
    return f"{'oh ' if hour[0] == '0' else ''}{_clock(int(hour), minute, '')}" if minute else _hours(match)


def _zone(written: str | None) -> str:
    """Z → UTC, +02:00 → UTC plus two."""
    if not written or written == "Z":
        return " UTC" if written else ""
    hours, minutes = int(written[1:3]), int(written[-2:])
    said = f" UTC {'plus' if written[0] == '+' else 'minus'} {cardinal(hours)}"
    return f"{said} {cardinal(minutes)}" if minutes else said


def _hours(match: re.Match[str]) -> str:
    """0800 hours → oh eight hundred hours."""
    hour, minute = match[1], int(match[2])
    if hour[0] != "0" and not _AT_A_TIME.search(before(match)):
        return match[0]  # a length of time
    said = f"{'oh ' if hour[0] == '0' else ''}{cardinal(int(hour))}"
    return f"{said} {'hundred' if not minute else f'oh {cardinal(minute)}' if minute < 10 else cardinal(minute)}"


def _duration(match: re.Match[str]) -> str:
    """1h 30m → one hour thirty minutes; the same if the last unit is not written."""
    said, start = "", 0
    parts = list(_PART.finditer(match[0]))
    for end in range(1, len(parts) + 1):
        if end == len(parts) or _place(parts[end - 1]) >= _place(parts[end]):  # the next is another duration
            run, stop = parts[start:end], parts[end].start() if end < len(parts) else len(match[0])
            written = match[0][run[0].start() : stop]
            rest = written[len(written.rstrip(" ,")) :]
            said += written if len(run) == 1 else _in_units(run) + rest
            start = end
    return said


def _place(part: re.Match[str]) -> int:
    return _UNIT_OF.get(part[2], len(_UNITS))


def _in_units(parts: list[re.Match[str]]) -> str:
    words = []
    for part in parts:
        unit = "month" if part[2] == "m" and _place(parts[0]) == 0 else [*_UNITS, ""][_place(part)]
        words.append(f"{amount(part[1])} {unit}{'' if part[1] == '1' or not unit else 's'}".rstrip())
    return " ".join(words)


RULES: Rules = compiled(
    (
        rf"{BEGIN}(\d{{4}})-(\d\d)-(\d\d)(?:T|t|,? )(\d\d):(\d\d)(?::(\d\d)(?:[.,]\d{{1,9}})?)?"
        r"(?! ?[AaPp]\.?[Mm]\b)(?:(Z|[+-]\d\d:?\d\d)(?!\d)|(?!:?\d))",
        _date_and_time,
        "-",
    ),
)
CLOCK: Rules = compiled(
    (r"(?<=\d:\d\d) ?/ ?(km|mi)\b", lambda match: f" per {_DISTANCES[match[1]]}", "/"),
    (rf"{BEGIN}\b(?=[012]\d{{3}} (?:hours|hrs)\b)(0\d|1\d|2[0-4])([0-5]\d)\b", _hours),
    (rf"{BEGIN}\b([01]\d|2[0-3])([0-5]\d)(?= ?(?:{_ZONES})\b)", _four_digits),
    (r"(?<=\b(?:at|by|At|By) )(0\d)([0-5]\d)\b(?![.,:/-]?\d)", _four_digits),
    (r"(?<=\b(?:at|by) )(\d\d?)h([0-5]\d)\b", lambda match: _clock(int(match[1]), int(match[2]), "")),
    (rf"{BEGIN}(?<!:)(\d\d?):(\d\d):(\d\d) ?([+-]\d\d:?\d\d)(?!:?\d)", _time_and_zone, ":"),
    (rf"{BEGIN}(?<!:)(\d\d?)[.:](\d\d)() ?([AaPp]\.?[Mm])\b", _time, ".:"),
    (rf"{BEGIN}(?<!:)(?:(\d\d?):)?(\d\d?):([0-5]\d\.\d{{1,3}})\b(?![.:]\d)", _race_time, ":"),
    (rf"{BEGIN}(?<!:)(\d\d?):(\d\d)(?::(\d\d))?{_HALF}(?!:?\d)", _time, ":"),
    (rf"{BEGIN}(\d\d?) ?([ap]m|[AP]M)\b", lambda match: f"{cardinal(int(match[1]))} {match[2].upper()}"),
    (rf"{BEGIN}\b{_LENGTH}(?:,? ?{_LENGTH}){{1,5}}\b", _duration),
    (rf"{BEGIN}\b\d{{1,3}} ?h ?\d\d(?!\w|[.:]\d)", _duration),
)

__all__ = ["CLOCK", "RULES"]
