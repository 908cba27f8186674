"""Training examples composed of clips: text ids, codes, and the position in the text being spoken in each frame."""

import random
import re
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dia.codec.speaker_encoder import SpeakerEncoder
from dia.text.lexicon import FIRST, MOST, Pronunciations
from dia.text.tags import TAG
from dia.tokenization_dia import BYTES

# Tags that Dia reads, but for which the training speech has no sound.
SILENT_TAGS = ("(clears throat)", "(gasps)", "(coughs)", "(sings)", "(mumbles)", "(groans)", "(sniffs)", "(screams)")
LEADING_TAG = re.compile(TAG.pattern + r"\s*")


class Clip(NamedTuple):
    """One utterance.

    Args:
        codes: [T, C] for each frame shift.
        text: the transcript, with speaker tags.
        speaker: the name of the voice.
        places: for each shift the position in the text's ids being spoken in each frame, [T]; empty without alignment.
        disguised: codes of the same speech in other voices at the first shift, frame by frame, [T, C] each.
        marks: that describe the voice, as characters of a text; empty without a speaker encoder.
    """

    codes: list[Tensor]
    text: str
    speaker: str
    places: Sequence[Tensor] = ()
    disguised: Sequence[Tensor] = ()
    marks: str = ""


class Script(NamedTuple):
    """A training example, composed of one or more clips.

    Args:
        ids: of the text.
        codes: [T, C].
        places: the position in `ids` being spoken in each frame, [T].
        prompt: number of leading frames that are a voice prompt, without a loss.
        seed: of the collator's noise and dropout; None for none.
        other: ids of another text in the same voice, to measure the gap.
        history: codes that the decoder reads as the previous frames, [T, C]; None for `codes`.
    """

    ids: list[int]
    codes: Tensor
    places: Tensor
    prompt: int = 0
    seed: int | None = None
    other: list[int] | None = None
    history: Tensor | None = None


def spell(text: str) -> list[int]:
    """The ids of a tokenizer's spoken text: UTF-8 bytes, one id per speaker tag and one per phone."""
    text = text.replace("[S1]", "\1").replace("[S2]", "\2")
    return [id_ for character in text for id_ in (_phone(character) or character.encode())]


def _phone(character: str) -> list[int]:
    number = ord(character) - FIRST
    return [BYTES + number] if 0 <= number < MOST else []


def marked(clip: Clip, encoder: SpeakerEncoder, known: Pronunciations) -> Clip:
    """A clip with the marks of its voice; they must be phones of `known`."""
    return clip._replace(marks=known.to_phones(encoder.description(clip.codes[0])))


def described(clip: Clip) -> Clip:
    """A clip with the marks of its voice after its leading speaker tag, as in the text for a voice prompt.

    Unchanged if it has no marks.
    """
    tag = LEADING_TAG.match(clip.text)
    if not clip.marks or tag is None:
        return clip
    marks, at = f"{clip.marks} ", tag.end()
    places = [place + len(spell(marks)) for place in clip.places]
    return clip._replace(text=clip.text[:at] + marks + clip.text[at:], places=places)


def compose(
    clips: Sequence[Clip], rng: random.Random, tag: float = 0.0, again: float = 0.0, disguised_from: int | None = None
) -> Script:
    """Join `clips` into one example. A clip's leading tag is left out if the speaker does not change.

    Args:
        clips: at least one.
        rng: chooses the frame shift of each clip and whether one of `SILENT_TAGS` follows it.
        tag: probability of such a tag.
        again: probability that a speaker's tag is repeated although the speaker does not change.
        disguised_from: the first clip whose `history` is the same speech in another voice; None for none.
    """
    ids: list[int] = []
    codes, places, speaker = [], [], ""
    for clip in clips:
        leading = LEADING_TAG.match(clip.text)
        repeated = leading is not None and leading[1] == speaker and not (again and rng.random() < again)
        said = clip.text[leading.end() :] if leading and repeated else clip.text
        ids += b" " if ids else b""
        hidden = disguised_from is not None and clip.disguised
        shift = 0 if hidden else rng.randrange(len(clip.codes))  # other voices are encoded at the first shift
        codes.append(clip.codes[shift])
        left_out = len(spell(clip.text)) - len(spell(said))
        places.append((clip.places[shift] if clip.places else torch.zeros(len(codes[-1]))) + len(ids) - left_out)
        ids += spell(said)
        speaker = (TAG.findall(clip.text) or [speaker])[-1]
        if rng.random() < tag:
            ids += f" {rng.choice(SILENT_TAGS)}".encode()
    history = None if disguised_from is None else _history(clips, codes, disguised_from, rng)
    return Script(ids, torch.cat(codes), torch.cat(places), history=history)


def _history(clips: Sequence[Clip], codes: Sequence[Tensor], first: int, rng: random.Random) -> Tensor:
    """The codes of the clips, [T, C], from the clip `first` on in another voice, where there is one."""
    others = [rng.choice(clip.disguised) if clip.disguised else own for clip, own in zip(clips, codes, strict=True)]
    return torch.cat([*codes[:first], *others[first:]])
