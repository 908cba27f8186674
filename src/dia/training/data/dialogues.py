"""Dialogue scripts out of single clips: text ids, codes, and which id is spoken in which frame.

Knows clips and the byte encoding. Knows nothing of the grid, of the model or of audio.
"""

import random
import re
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dia.text.lexicon import FIRST, MOST
from dia.tokenization_dia import BYTES

SPEAKERS = ("S1", "S2")
# Tags that Dia reads and the teacher cannot perform: they are read in silence.
SILENT_TAGS = ("(clears throat)", "(gasps)", "(coughs)", "(sings)", "(mumbles)", "(groans)", "(sniffs)", "(screams)")
LEADING_TAG = re.compile(r"\[(S[12])\]\s*")
_TAG = re.compile(r"\[(S[12])\]")


class Clip(NamedTuple):
    """One utterance: a [T, C] of codes for each frame shift, its text with speaker tags, whose voice it is, and, where
    alignment is asked for, the place in the text's ids being spoken in each frame for each shift, [T]."""

    codes: list[Tensor]
    text: str
    speaker: str
    places: Sequence[Tensor] = ()


class Script(NamedTuple):
    """A composed example: byte ids, codes [T, C] and the id being spoken in each frame, [T].

    `prompt` leading frames are given and not to be learnt. `seed` decides how the example is disturbed; None leaves it
    as it is. `other` are the ids of other words in the same voice.
    """

    ids: list[int]
    codes: Tensor
    places: Tensor
    prompt: int = 0
    seed: int | None = None
    other: list[int] | None = None


def spell(text: str) -> list[int]:
    """The ids of what a tokenizer calls spoken: bytes, one id for a speaker's tag and one for each phone."""
    text = text.replace("[S1]", "\1").replace("[S2]", "\2")
    return [id_ for character in text for id_ in (_phone(character) or character.encode())]


def _phone(character: str) -> list[int]:
    number = ord(character) - FIRST
    return [BYTES + number] if 0 <= number < MOST else []


def compose(clips: Sequence[Clip], rng: random.Random, tag: float = 0.0, again: float = 0.0) -> Script:
    """Speak `clips` one after the other; where the speaker stays, the tag with which a clip begins is left out.

    Args:
        clips: at least one.
        rng: chooses each clip's frame shift and where one of `SILENT_TAGS` follows a clip.
        tag: probability of such a tag.
        again: probability that a speaker's tag is said again.
    """
    ids: list[int] = []
    codes, places, speaker = [], [], ""
    for clip in clips:
        leading = LEADING_TAG.match(clip.text)
        repeated = leading is not None and leading[1] == speaker and not (again and rng.random() < again)
        said = clip.text[leading.end() :] if leading and repeated else clip.text
        ids += b" " if ids else b""
        shift = rng.randrange(len(clip.codes))
        codes.append(clip.codes[shift])
        left_out = len(spell(clip.text)) - len(spell(said))
        places.append((clip.places[shift] if clip.places else torch.zeros(len(codes[-1]))) + len(ids) - left_out)
        ids += spell(said)
        speaker = (_TAG.findall(clip.text) or [speaker])[-1]
        if rng.random() < tag:
            ids += f" {rng.choice(SILENT_TAGS)}".encode()
    return Script(ids, torch.cat(codes), torch.cat(places))
