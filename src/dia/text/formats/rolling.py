"""Rolling captions, as of live television and YouTube: each cue repeats lines of the one before it."""

from collections.abc import Sequence

from dia.text.characters.edited import Edit, EditedText
from dia.text.formats.subtitles import Cue

Lines = Sequence[EditedText]

_LONGEST_GAP = 0.1  # seconds between a cue and one that repeats it; a speaker who says a line again takes longer
_LEAST_SHARE = 1 / 3  # of the cues; in other files, a repeated line is said twice


def without_repeats(cues: Sequence[Cue], lines: Sequence[Lines]) -> tuple[list[Lines], bool]:
    """The lines of each cue without those that are still on screen from the cue before, and whether there are any.

    A cue rolls if its first lines are the last lines of the cue before it, and it adds something:

        hello there      hello there        are you well
                         are you well       I am

    Lines are removed only if at least a third of the cues roll.

    Args:
        cues: the cues.
        lines: their lines as plain text, without blank lines.
    """
    kept = [_repeated(*pair) for pair in zip(cues, cues[1:], lines, lines[1:], strict=False)]
    rolling = sum(0 < count < len(now) or grown > 0 for (count, grown), now in zip(kept, lines[1:], strict=False))
    if not rolling or rolling < _LEAST_SHARE * sum(map(bool, lines)):
        return _without_doubles(cues, lines), False
    new = [_rest(now, *repeat) for now, repeat in zip(lines[1:], kept, strict=True)]
    return [*lines[:1], *new], True


def _repeated(before: Cue, after: Cue, old: Lines, new: Lines) -> tuple[int, int]:
    """How many lines a cue repeats, and how many characters of the line after these."""
    if after.start - before.end > _LONGEST_GAP or not old or not new:
        return 0, 0
    was, now = _texts(old), _texts(new)
    for count in range(min(len(was), len(now)), 0, -1):
        if was[-count:] == now[:count]:
            return count, 0
    return 0, len(was[-1]) if now[0].startswith(f"{was[-1]} ") else 0


def _rest(lines: Lines, count: int, characters: int) -> Lines:
    rest = list(lines[count:])
    if characters:
        # The text of a line is compared without spaces at its ends.
        rest[0] = rest[0].edited([Edit(0, characters + len(rest[0].text) - len(rest[0].text.lstrip()), "")])
    return rest


def _without_doubles(cues: Sequence[Cue], lines: Sequence[Lines]) -> list[Lines]:
    """Without cues that are the same as the one before, with the same times: shadows and borders of a text."""
    doubled = (
        (before.start, before.end) == (after.start, after.end) and _texts(old) == _texts(new)
        for before, after, old, new in zip(cues, cues[1:], lines, lines[1:], strict=False)
    )
    return [*lines[:1], *([] if double else now for double, now in zip(doubled, lines[1:], strict=True))]


def _texts(lines: Lines) -> list[str]:
    return [line.text.strip() for line in lines]


__all__ = ["without_repeats"]
