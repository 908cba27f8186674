"""How a checkpoint likes to be spoken to: what a text looks like that it reads, and facts that its weights hide.

Knows texts with tags, and generation_config.json, where the facts are. Checkpoints that say nothing are taken for
Dia-1.6B, whose published files hold none of this.
"""

import re
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

Carry = Literal["nothing", "first", "last", "both"]
CARRIES: tuple[Carry, ...] = get_args(Carry)

_TAG = re.compile(r"\[(S[12])\]\s*")


@dataclass(frozen=True)
class Manners:
    """What a model was trained to read.

    Attributes:
        closing_tag: a script ends better with the tag of the speaker who does not speak last, with nothing behind it;
            it makes the last words sound like words amid a dialogue. A model that never met a tag without words after
            it must not be given one.
        pass_seconds: how much speech, that of a prompt included, a single pass speaks well. A longer text is spoken
            too fast by Dia-1.6B, and comes apart.
        carry: what each part of a long script goes on from: the "first" part, which keeps the voices, the "last",
            which keeps the tone but may hand faults down, "both", or "nothing", where the tags alone name the voices.
    """

    closing_tag: bool = True
    pass_seconds: float = 20.0
    carry: Carry = "first"

    @classmethod
    def of(cls, generation_config: Any) -> "Manners":
        """Those of a checkpoint.

        Raises:
            ValueError: generation_config.json says something that cannot be.
        """
        known = {field.name: getattr(generation_config, field.name, None) for field in fields(cls)}
        manners = cls(**{name: value for name, value in known.items() if value is not None})
        if not isinstance(manners.closing_tag, bool):
            raise ValueError(f"generation_config.closing_tag is {manners.closing_tag!r}; it must be true or false.")
        if not (isinstance(manners.pass_seconds, int | float) and manners.pass_seconds >= 1):
            raise ValueError(f"generation_config.pass_seconds is {manners.pass_seconds!r}; it must be 1 or more.")
        if manners.carry not in CARRIES:
            raise ValueError(f"generation_config.carry is {manners.carry!r}; it must be one of {', '.join(CARRIES)}.")
        return manners

    def as_read(self, text: str) -> str:
        """A text as the model reads it best."""
        return closed(text) if self.closing_tag else text


def continued(transcript: str, text: str) -> str:
    """A text behind what is said before it; the tag that it begins with is left out where the speaker stays.

    >>> continued("[S1] Hello. [S2] Hi.", "[S2] How are you?")
    '[S1] Hello. [S2] Hi. How are you?'
    """
    said, begins = _TAG.findall(transcript), _TAG.match(text)
    stays = begins is not None and said[-1:] == [begins[1]]
    return f"{transcript.strip()} {text[begins.end() :] if begins and stays else text}".strip()


def closed(text: str) -> str:
    """A text with the tag of the speaker who does not speak last at its end, unless it ends with a tag already.

    >>> closed("[S1] Hello. [S2] Hi.")
    '[S1] Hello. [S2] Hi. [S1]'
    """
    tags = list(_TAG.finditer(text))
    if not tags or tags[-1].end() == len(text):
        return text
    return f"{text} [{'S1' if tags[-1][1] == 'S2' else 'S2'}]"


__all__ = ["CARRIES", "Manners", "closed", "continued"]
