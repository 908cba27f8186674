"""Invalid values for settings and arguments."""

import math
import random
from typing import Any

NUMBERS: list[Any] = [
    *(-1, 0, 1, 2, 3, 7, 100, 1000, 10**6, 10**9, 2**31, 2**63, 2**64, 10**30, -(2**63)),
    *(0.0, -0.0, 0.5, -0.5, 1.5, 1e-300, 1e9, 1e308, -1e308, math.nan, math.inf, -math.inf),
]
OTHERS: list[Any] = [
    *(None, True, False, "", "x", "1", "nan", "cuda:99", "../../etc/passwd", "a\0b", "\ud800", "é" * 3, "y" * 10_000),
    *([], [1], [-1], [0], [10**9] * 3, [[]], [None], ["x"], [True], list(range(1000)), {}, {"a": 1}, {"": {}}),
]
# Parts of unusual scripts.
SNIPPETS = [
    *(
        "[S1]",
        "[s2] ",
        "[ S1 ]",
        "S1:",
        "[S3]",
        "[S99]",
        "[pause:700ms]",
        "[pause:1e9s]",
        "[pause:-1s]",
        "[pause]",
        "[S",
    ),
    *("(laughs)", "(giggles)", "(", ")", "[", "]", "{n aa1}", "{", "}", "\n", "\r\n", "\0", "\x01", "\x02", "\t", " "),
    *(
        "Dr.",
        "e.g.",
        "$5",
        "1,234",
        "2024",
        "3:30",
        "1/2",
        "10^400",
        "1e999",
        "9" * 40,
        "½",
        "№",
        "€",
        "%",
        "°C",
        "-",
        "—",
    ),
    *(
        "Hello",
        "there.",
        "a",
        "A",
        "x" * 60,
        "é",
        "e\u0301",
        "ß",
        "語",
        "שלום",
        "🙂",
        "\u200d",
        "\ufeff",
        "\ue000",
        "\ud800",
    ),
    *(
        ".",
        ",",
        "?!",
        "…",
        ";",
        "'",
        '"',
        "`",
        "http://x.com",
        "a@b.c",
        "file.txt",
        "../..",
        "<b>",
        "&amp;",
        "\u202e",
        "\x1b[1m",
    ),
]


def script(draw: random.Random) -> str:
    """Random snippets, with or without spaces; sometimes very many."""
    count = draw.choice([0, 1, 2, 5, 12, 12, 30, 300])
    usual = ["Hello there.", "[S1]", "[S2]", "and more,", "2024", "[pause:300ms]", "Really?"]
    words = (draw.choice(SNIPPETS if draw.random() < 4 / (count + 4) else usual) for _ in range(count))
    return draw.choice(["", " ", " "]).join(words)


def hostile(draw: random.Random) -> Any:
    """A random value; numbers are more likely than other types."""
    return draw.choice(NUMBERS if draw.random() < 0.6 else OTHERS)


__all__ = ["NUMBERS", "OTHERS", "SNIPPETS", "hostile", "script"]
