"""The times of turns and words in an answer. Independent of HTTP."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dia.serving.http.jobs import Order
from dia.synthesis.pacing import scaled
from dia.synthesis.parts.joining import Piece
from dia.synthesis.subtitles import srt, vtt
from dia.synthesis.takes.alignment import TurnTime, WordTime, display_label


@dataclass(frozen=True)
class _Written:
    """A word of the request: its label, its speaker and the turn that it stands in."""

    label: str
    speaker: str
    turn: int


def times_of(order: Order, pieces: Sequence[Piece]) -> dict[str, Any]:
    """`segments`, one for each turn that was spoken, `alignment`, one entry for each word, and `subtitles`.

    Args:
        order: the request.
        pieces: its parts, with times at the model's speed.
    """
    turns = [scaled(turn, order.speed) for piece in pieces for turn in piece.turns]
    placed = list(_placed(_written(order), turns))
    segments: dict[int, dict[str, Any]] = {}
    speakers = dict(zip(turn_numbers(order), (turn.speaker for turn in order.job.script.turns), strict=True))
    for number, word in placed:
        voice = order.voices[number] if order.turns else order.speakers[speakers[number]]
        segment = segments.setdefault(number, {"turn_index": number, "voice": voice, "text": ""})
        segment.setdefault("start_seconds", round(word.start, 3))
        segment |= {"end_seconds": round(word.end, 3), "text": f"{segment['text']} {word.text}".strip()}
    texts = _texts(order)
    for number, segment in segments.items():
        segment["text"] = texts.get(number, segment["text"])
    alignment = [
        {
            "word": word.text,
            "turn_index": number,
            "start_seconds": round(word.start, 3),
            "end_seconds": round(word.end, 3),
        }
        for number, word in placed
    ]
    return {
        "segments": [segments[number] for number in sorted(segments)],
        "alignment": alignment,
        "subtitles": {"srt": srt(turns), "vtt": vtt(turns)},
    }


def turn_times(order: Order, pieces: Sequence[Piece]) -> list[dict[str, Any]]:
    """The times of what each speaker says in some parts, without looking at the others.

    Args:
        order: the request.
        pieces: the parts.
    """
    turns = [scaled(turn, order.speed) for piece in pieces for turn in piece.turns]
    return [
        {
            "speaker": turn.speaker,
            "text": turn.text,
            "start_seconds": round(turn.start, 3),
            "end_seconds": round(turn.end, 3),
        }
        for turn in turns
    ]


def turn_numbers(order: Order) -> list[int]:
    """For each turn of the script, the turn of the request: a pause divides a turn of the request into several."""
    turns = order.job.script.turns
    if order.turns:
        return [max(0, bisect_right(order.turns, turn.span[0]) - 1) for turn in turns]
    numbers, last = list[int](), None
    for turn in turns:
        numbers.append((numbers[-1] if numbers else -1) + (turn.speaker != last))
        last = turn.speaker
    return numbers


def _written(order: Order) -> list[_Written]:
    """All words of the script in order."""
    return [
        _Written(display_label(word.shown), turn.speaker, number)
        for turn, number in zip(order.job.script.turns, turn_numbers(order), strict=True)
        for word in turn.words()
    ]


def _texts(order: Order) -> dict[int, str]:
    """The words of each turn of the request as the author wrote them."""
    texts: dict[int, str] = {}
    for turn, number in zip(order.job.script.turns, turn_numbers(order), strict=True):
        texts[number] = f"{texts.get(number, '')} {turn.shown}".strip()
    return texts


def _placed(written: Sequence[_Written], turns: Sequence[TurnTime]) -> Iterator[tuple[int, WordTime]]:
    """Each spoken word with its turn: that of the next written word which is the same.

    A word that was not spoken has no times and is skipped. A word that is not found belongs to the turn of the word
    before it, or to the next turn of its speaker.
    """
    at = 0
    for turn in turns if written else ():
        for word in turn.words:
            found = next((i for i in range(at, len(written)) if _same(written[i], word, turn.speaker)), None)
            if found is not None:
                at = found + 1
            yield written[_fallback(written, at, turn.speaker) if found is None else found].turn, word


def _fallback(written: Sequence[_Written], at: int, speaker: str) -> int:
    """The word that decides the turn of a spoken word that was not found; `at` is the next written word."""
    last = max(0, at - 1)
    return next((i for i in range(last, len(written)) if written[i].speaker == speaker), last)


def _same(written: _Written, word: WordTime, speaker: str) -> bool:
    return written.label == word.text and written.speaker == speaker


__all__ = ["times_of", "turn_numbers", "turn_times"]
