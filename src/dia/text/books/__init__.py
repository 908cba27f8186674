"""Books: EPUB, DOCX, Markdown and HTML files as chapters. Independent of jobs, voices and the syntax of scripts."""
