"""One call of `generate()`: its arguments, validated, and what it returns."""
