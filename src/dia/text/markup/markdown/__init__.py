"""Markdown: whole documents, and the unmistakable marks of it in plain text."""
