"""Scripts of any length to speech: requests, takes, checks, joins, alignment, subtitles."""
