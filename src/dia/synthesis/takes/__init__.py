"""Single takes of a line: generated, checked, aligned with the text, and selected."""
