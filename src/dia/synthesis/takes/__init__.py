"""One take of a line: made, checked, aligned with its text, and chosen among several."""
