"""Training utterances, their words, and the split into training and held-out texts."""

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "heldout"]
HELDOUT_SHARE = 0.03

SEED_DIALOGUE = (
    ("S1", "Dia is an open weights text to dialogue model."),
    ("S2", "You get full control over scripts and voices."),
    ("S1", "Wow. Amazing. (laughs)"),
    ("S2", "Try it now on Git hub or Hugging Face."),
)


@dataclass(frozen=True)
class Utterance:
    """One turn of one speaker: `text` as typed by a user, without the speaker's tag; `kind` names its generator."""

    text: str
    speaker: str
    kind: str

    @property
    def split(self) -> Split:
        """The split of this text, the same for all speakers and runs."""
        return split_of(self.text)


def spoken_words(text: str) -> list[str]:
    """The spoken words of `text`, in lower case, without punctuation and (tags)."""
    return re.findall(r"[a-z']+", re.sub(r"\([^)]*\)", " ", text.lower()))


SEED_TEXTS = frozenset(" ".join(spoken_words(text)) for _, text in SEED_DIALOGUE)


def split_of(text: str) -> Split:
    """The split of a text, from a hash of its spoken words; the sentences of `SEED_DIALOGUE` are always trained on."""
    key = " ".join(spoken_words(text))
    if key in SEED_TEXTS:
        return "train"
    fraction = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") / 2**32
    return "heldout" if fraction < HELDOUT_SHARE else "train"
