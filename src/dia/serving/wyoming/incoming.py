"""A text that arrives in pieces, and is spoken in groups of whole sentences. Independent of events."""

import asyncio
from collections.abc import AsyncIterator

from dia.serving.errors import Code, ServingError
from dia.text.chunking import sentences_of
from dia.text.english.sentences import sentences as english_sentences
from dia.text.prompt_format import Frontend
from dia.text.tags import SPEAKER_TAG

_GROWTH = 8  # sentences are looked for when the text has grown by this part: linear time, however small the pieces are


class IncomingText:
    """A text to which one task adds pieces, and of which another takes whole sentences.

    Args:
        frontend: of the model's text.
        limit: characters of the whole text.
        whole: hand out the text only when it is complete, for markup whose elements may hold several sentences.

    Attributes:
        complete: whether the text has ended.
    """

    def __init__(self, frontend: Frontend, limit: int, whole: bool = False) -> None:
        self._frontend, self._limit, self._whole = frontend, limit, whole
        self._pending = self._ready = self._speaker = ""
        self._characters = self._looked = 0
        self._spoken = self.complete = False
        self._changed = asyncio.Event()

    def add(self, piece: str) -> None:
        """Append a piece, which may end anywhere, also within a word.

        Raises:
            ServingError: the text is too long.
        """
        self._characters += len(piece)
        if self._characters > self._limit:
            message = f"the text has more than {self._limit} characters. Send it in several requests."
            raise ServingError(Code.input_too_long, message, "text")
        self._pending += piece
        if not self._whole and len(self._pending) - self._looked > len(self._pending) // _GROWTH:
            self._look()

    def end(self) -> None:
        """Mark the end of the text."""
        self._ready += self._pending
        self._pending, self.complete = "", True
        self._changed.set()

    async def groups(self) -> AsyncIterator[str]:
        """The text in groups of sentences: each has all sentences that are complete when it is asked for.

        A group has words, unless the whole text has none. It begins with the tag of its speaker where the text has
        tags.
        """
        while True:
            self._changed.clear()
            if _has_words(self._ready) or (self.complete and self._ready.strip() and not self._spoken):
                group, self._ready, self._spoken = self._ready, "", True
                yield self._with_speaker(group)
            elif self.complete:
                return
            else:
                await self._changed.wait()

    def _look(self) -> None:
        """Move all sentences but the last, which may go on, to those that are ready."""
        if self._frontend == "en":
            found = english_sentences(self._pending)
            cut = self._pending.rfind(found[-1]) if found else 0
            done, self._pending = self._pending[:cut], self._pending[cut:]
        else:
            found = sentences_of(" ".join(self._pending.split()), self._frontend)
            gap = " " if self._pending[-1:].isspace() else ""
            done, self._pending = " ".join([*found[:-1], ""]), f"{found[-1]}{gap}" if found else self._pending
        self._ready, self._looked = self._ready + done, len(self._pending)
        if done:
            self._changed.set()

    def _with_speaker(self, group: str) -> str:
        """The group, after the tag of the speaker who has spoken last if it goes on with their turn."""
        tags = SPEAKER_TAG.findall(group)
        goes_on = self._speaker and not SPEAKER_TAG.match(group.lstrip())
        begun, self._speaker = self._speaker, tags[-1] if tags else self._speaker
        return f"[S{begun}] {group.lstrip()}" if goes_on else group


def _has_words(text: str) -> bool:
    return any(character.isalnum() for character in SPEAKER_TAG.sub("", text))


__all__ = ["IncomingText"]
