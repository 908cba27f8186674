"""The prompt conventions of a checkpoint: the form of the texts that it was trained on.

They are stored in generation_config.json. The defaults are those of Dia-1.6B, whose published files do not state them.
"""

import math
import re
from dataclasses import dataclass, fields
from pathlib import Path
from string import whitespace
from types import SimpleNamespace
from typing import Any, Literal, get_args

from dia.runtime.files.reading import read_json
from dia.text.tags import NON_VERBAL_TAGS, TAG

Carry = Literal["nothing", "first", "last", "both"]
CARRIES: tuple[Carry, ...] = get_args(Carry)
Frontend = Literal["en", "none"]
FRONTENDS: tuple[Frontend, ...] = get_args(Frontend)

_LAST_SOUND = re.compile(r"\([^()]*\)$")
_OPEN_ENDS = whitespace + ",;:-"  # replaced by the full stop
_CLOSERS = "\"')]”“’»›」』）"  # the full stop goes before these
_STOPS = ".!?…؟।。！？"


@dataclass(frozen=True)
class PromptFormat:
    """The prompt conventions of a model.

    Attributes:
        closing_tag: end a script with the tag of the speaker who does not speak last. The last words of Dia-1.6B then
            sound as they do within a dialogue. Must be false for a model that was not trained on such an ending.
        final_stop: end every turn with a full stop unless it ends with `.`, `!`, `?`, `…` or an equivalent in another
            language. A model whose training texts all end this way does not stop by itself after any other ending.
        text_frontend: "en" for English: numbers, dates and abbreviations become words, and characters of other scripts
            raise an error. "none" passes text through unchanged, for models of other languages.
        pass_seconds: the longest speech, in seconds and including the prompt, that one pass handles well. Dia-1.6B
            speaks longer texts too fast.
        carry: what each part of a long script continues from: the "first" part, which keeps the voices; the "last"
            part, which keeps the tone but can propagate artifacts; "both"; or "nothing" if the tags alone determine
            the voices.
        shortest_seconds: the shortest speech, in seconds, that sounds natural; 0 if there is no such limit. The
            authors of Dia-1.6B recommend at least 5 s.
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
            ValueError: generation_config.json contains an invalid value.
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
        """Read only the conventions from a checkpoint's folder.

        Without a generation_config.json, as in the native layout, the conventions are those of Dia-1.6B.

        Raises:
            ValueError: generation_config.json is damaged or contains an invalid value.
        """
        path = Path(folder) / "generation_config.json"
        if not path.is_file():
            return cls()
        content = read_json(path)
        try:
            return cls.of(SimpleNamespace(**content))
        except ValueError as error:
            reason = str(error).rstrip(".")
            raise ValueError(f"{path} cannot be read: {reason}. Download the file again.") from error

    def end_turns(self, text: str) -> str:
        """Add a full stop to every turn that needs one, if the model expects it."""
        return with_final_stops(text) if self.final_stop else text

    def model_text(self, text: str) -> str:
        """A complete text as the model reads it, with the full stops and the closing tag that it expects."""
        return with_closing_tag(self.end_turns(text)) if self.closing_tag else self.end_turns(text)


PUBLISHED = PromptFormat()  # the conventions of Dia-1.6B


def with_final_stops(text: str) -> str:
    """Add a full stop to every turn that does not end with `.`, `!`, `?`, `…` or a sound.

    >>> with_final_stops('[S1] Hello world [S2] "Who, me"')
    '[S1] Hello world. [S2] "Who, me."'
    >>> with_final_stops("[S1] Well, (laughs) [S2] And then:")
    '[S1] Well, (laughs) [S2] And then.'
    """
    parts, end = list[str](), 0
    for tag in TAG.finditer(text):
        parts += [_with_stop(text[end : tag.start()]), tag[0]]
        end = tag.end()
    return " ".join(part for part in (*parts, _with_stop(text[end:])) if part)


def end_all_turns(text: Any) -> Any:
    """`with_final_stops` for a text or a list of texts; other values are unchanged."""
    if isinstance(text, list | tuple):
        return [end_all_turns(one) for one in text]
    return with_final_stops(text) if isinstance(text, str) else text


def _with_stop(words: str) -> str:
    words = words.strip()
    if (sound := _LAST_SOUND.search(words)) and sound[0] in NON_VERBAL_TAGS:
        return words
    closed_words = words.rstrip(_OPEN_ENDS)
    body = closed_words.rstrip(_CLOSERS)
    closers, body = closed_words[len(body) :], body.rstrip(_OPEN_ENDS)
    return words if not body or body[-1] in _STOPS else f"{body}.{closers}"


def continue_transcript(transcript: str, text: str) -> str:
    """Append a text to a transcript, omitting the first tag of the text if the speaker is the same.

    >>> continue_transcript("[S1] Hello. [S2] Hi.", "[S2] How are you?")
    '[S1] Hello. [S2] Hi. How are you?'
    """
    tags, first = TAG.findall(transcript), TAG.match(text)
    same = first is not None and tags[-1:] == [first[1]]
    return f"{transcript.strip()} {text[first.end() :].lstrip() if first and same else text}".strip()


def with_closing_tag(text: str) -> str:
    """Append the tag of the speaker who does not speak last, unless the text already ends with a tag.

    >>> with_closing_tag("[S1] Hello. [S2] Hi.")
    '[S1] Hello. [S2] Hi. [S1]'
    """
    tags = list(TAG.finditer(text))
    if not tags or tags[-1].end() == len(text):
        return text
    return f"{text} [{'S1' if tags[-1][1] == 'S2' else 'S2'}]"


__all__ = [
    "CARRIES",
    "FRONTENDS",
    "PUBLISHED",
    "PromptFormat",
    "continue_transcript",
    "end_all_turns",
    "with_closing_tag",
    "with_final_stops",
]
