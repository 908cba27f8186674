"""The names of the columns that a row may have. Independent of their values."""

from dia.synthesis.options import Options

_NOT_IN_OPTIONS = {"audio_prompt", "audio_prompt_text", "seed", "voice"}
OPTIONS = (*sorted(set(Options.__annotations__) - _NOT_IN_OPTIONS), "best_of", "long_form", "retries")
COLUMNS = ("id", "text", "turns", "title", "voice", "seed", *OPTIONS)

__all__ = ["COLUMNS", "OPTIONS"]
