"""How well written English is read: each table of the tests, by us and by other programs on the same rows.

    python benchmarks/quality/reading.py speakers
    python benchmarks/quality/reading.py markup
    python benchmarks/quality/reading.py sentences
    python benchmarks/quality/reading.py numbers
    python benchmarks/quality/reading.py fresh

Tables are in tests/text. Other programs are measured if they are installed. Knows nothing of speech.
"""

import argparse

from tables import fresh, markup, numbers, sentences, speakers

TABLES = {
    "speakers": speakers.measure,
    "markup": markup.measure,
    "sentences": sentences.measure,
    "numbers": numbers.measure,
    "fresh": fresh.measure,
}


def main() -> None:
    """Measure one table and print the accuracies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=sorted(TABLES))
    parser.add_argument("--wrong", action="store_true", help="also print what is read wrongly")
    options = parser.parse_args()
    TABLES[options.table](options.wrong)


if __name__ == "__main__":
    main()
