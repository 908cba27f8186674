"""Measure the reading of written English: each table of the tests, read by Dia and by other programs.

    python benchmarks/quality/reading.py speakers
    python benchmarks/quality/reading.py markup
    python benchmarks/quality/reading.py sentences
    python benchmarks/quality/reading.py numbers
    python benchmarks/quality/reading.py fresh

Tables are in tests/text. Other programs are measured if they are installed.
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
    parser.add_argument("table", choices=sorted(TABLES), help="what to measure")
    parser.add_argument("--wrong", action="store_true", help="also print the rows that are read incorrectly")
    options = parser.parse_args()
    TABLES[options.table](options.wrong)


if __name__ == "__main__":
    main()
