"""What a text to be learnt is: an utterance, its spoken words, and which side of the split it is on.

Knows words only. Knows nothing of audio, of voices or of where texts come from.
"""

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
        """The side of the split this text is on, for every speaker and every run."""
        return split_of(self.text)


def spoken_words(text: str) -> list[str]:
    """The words that are heard when `text` is spoken: lower case, no punctuation, no (tags)."""
    return re.findall(r"[a-z']+", re.sub(r"\([^)]*\)", " ", text.lower()))


_SEED_TEXTS = frozenset(" ".join(spoken_words(text)) for _, text in SEED_DIALOGUE)


def split_of(text: str) -> Split:
    """Train or held-out, decided by a hash of the spoken words; the seed's own sentences are always trained on."""
    key = " ".join(spoken_words(text))
    if key in _SEED_TEXTS:
        return "train"
    fraction = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") / 2**32
    return "heldout" if fraction < HELDOUT_SHARE else "train"
