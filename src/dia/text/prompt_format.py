"""The prompt conventions of a checkpoint: what the texts look like that it was trained to read.

Reads generation_config.json, where the conventions are kept. A checkpoint that states none is treated as Dia-1.6B,
whose published files hold none of them.
"""

import math
import re
from dataclasses import dataclass, fields
from pathlib import Path
from string import whitespace
from types import SimpleNamespace
from typing import Any, Literal, get_args

from dia.runtime.reading import read_json
from dia.text.tags import NON_VERBAL_TAGS, TAG

Carry = Literal["nothing", "first", "last", "both"]
CARRIES: tuple[Carry, ...] = get_args(Carry)
Frontend = Literal["en", "none"]
FRONTENDS: tuple[Frontend, ...] = get_args(Frontend)

_LAST_SOUND = re.compile(r"\([^()]*\)$")
_OPEN_ENDS = whitespace + ",;:-"  # what a stop takes the place of
_CLOSERS = "\"')]”“’»›」』）"  # before which a stop stands
_STOPS = ".!?…؟।。！？"


@dataclass(frozen=True)
class PromptFormat:
    """What a model was trained to read.

    Attributes:
        closing_tag: end a script with the tag of the speaker who does not speak last. Dia-1.6B's last words then sound
            as they do within a dialogue. Must be false for a model that was never trained on such an ending.
        final_stop: end every turn with a full stop where it has no `.`, `!`, `?`, `…` or their like in other
            languages. A model whose training texts all end so does not stop by itself after any other ending.
        text_frontend: "en" reads English: numbers, dates and abbreviations become words, characters of other scripts
            are refused. "none" passes text through unchanged, for models of other languages.
        pass_seconds: the seconds of speech, the prompt included, that one pass speaks well. Dia-1.6B speaks longer
            texts too fast.
        carry: what each part of a long script continues from: the "first" part, which keeps the voices, the "last",
            which keeps the tone but may pass faults on, "both", or "nothing", where the tags alone set the voices.
        shortest_seconds: the seconds of speech below which the model sounds unnatural; 0 where none do. The makers of
            Dia-1.6B advise 5 s or more.
    """

    closing_tag: bool = True
    pass_seconds: float = 20.0
    carry: Carry = "first"
    final_stop: bool = False
    text_frontend: Frontend = "en"
    shortest_seconds: float = 5.0

    @classmethod
    def of(cls, generation_config: Any) -> "PromptFormat":
        """Read the conventions of a checkpoint.

        Raises:
            ValueError: generation_config.json holds a value that is not allowed.
        """
        stated = {field.name: getattr(generation_config, field.name, None) for field in fields(cls)}
        found = cls(**{name: value for name, value in stated.items() if value is not None})
        choices = {"closing_tag": (True, False), "final_stop": (True, False), "carry": CARRIES}
        for name, allowed in (choices | {"text_frontend": FRONTENDS}).items():
            value = getattr(found, name)
            if type(value) is not type(allowed[0]) or value not in allowed:
                one_of = ", ".join(str(one) for one in allowed)
                raise ValueError(f"generation_config.{name} is {value!r}; it must be one of {one_of}.")
        for name, least in (("pass_seconds", 1), ("shortest_seconds", 0)):
            seconds = getattr(found, name)
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not least <= seconds < math.inf:
                raise ValueError(f"generation_config.{name} is {seconds!r}; it must be {least} or more.")
        return found

    @classmethod
    def in_folder(cls, folder: str | Path) -> "PromptFormat":
        """Read the conventions of a checkpoint's folder, without loading anything else of it.

        A folder without a generation_config.json, as native ones are, has the conventions of Dia-1.6B.

        Raises:
            ValueError: generation_config.json is damaged or holds a value that is not allowed.
        """
        path = Path(folder) / "generation_config.json"
        if not path.is_file():
            return cls()
        content = read_json(path)
        try:
            return cls.of(SimpleNamespace(**content))
        except ValueError as error:
            raise ValueError(f"{path} cannot be read: {error}. Copy it from where the model was published.") from error

    def ended(self, text: str) -> str:
        """A text whose turns end as those that the model was trained on."""
        return stopped(text) if self.final_stop else text

    def as_read(self, text: str) -> str:
        """A whole text, as the model reads it: with ended turns and, where the model expects it, the closing tag."""
        return closed(self.ended(text)) if self.closing_tag else self.ended(text)


PUBLISHED = PromptFormat()  # the conventions of Dia-1.6B


def stopped(text: str) -> str:
    """A text in which every turn ends with `.`, `!`, `?`, `…` or a sound.

    >>> stopped('[S1] Hello world [S2] "Who, me"')
    '[S1] Hello world. [S2] "Who, me."'
    >>> stopped("[S1] Well, (laughs) [S2] And then:")
    '[S1] Well, (laughs) [S2] And then.'
    """
    parts, end = list[str](), 0
    for tag in TAG.finditer(text):
        parts += [_with_stop(text[end : tag.start()]), tag[0]]
        end = tag.end()
    return " ".join(part for part in (*parts, _with_stop(text[end:])) if part)


def all_stopped(text: Any) -> Any:
    """As `stopped`, for a text or a list of texts; what is no text stays as it is."""
    if isinstance(text, list | tuple):
        return [all_stopped(one) for one in text]
    return stopped(text) if isinstance(text, str) else text


def _with_stop(words: str) -> str:
    words = words.strip()
    if (sound := _LAST_SOUND.search(words)) and sound[0] in NON_VERBAL_TAGS:
        return words
    closed_words = words.rstrip(_OPEN_ENDS)
    body = closed_words.rstrip(_CLOSERS)
    closers, body = closed_words[len(body) :], body.rstrip(_OPEN_ENDS)
    return words if not body or body[-1] in _STOPS else f"{body}.{closers}"


def continued(transcript: str, text: str) -> str:
    """A text behind what is said before it; the tag that it begins with is left out where the speaker stays.

    >>> continued("[S1] Hello. [S2] Hi.", "[S2] How are you?")
    '[S1] Hello. [S2] Hi. How are you?'
    """
    said, begins = TAG.findall(transcript), TAG.match(text)
    stays = begins is not None and said[-1:] == [begins[1]]
    return f"{transcript.strip()} {text[begins.end() :].lstrip() if begins and stays else text}".strip()


def closed(text: str) -> str:
    """A text with the tag of the speaker who does not speak last at its end, unless it ends with a tag already.

    >>> closed("[S1] Hello. [S2] Hi.")
    '[S1] Hello. [S2] Hi. [S1]'
    """
    tags = list(TAG.finditer(text))
    if not tags or tags[-1].end() == len(text):
        return text
    return f"{text} [{'S1' if tags[-1][1] == 'S2' else 'S2'}]"


__all__ = ["CARRIES", "FRONTENDS", "PUBLISHED", "PromptFormat", "all_stopped", "closed", "continued", "stopped"]
