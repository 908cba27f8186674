"""Which speaker a name stands for: as the caller says, or by first appearance."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from dia.text.speakers.words import Name
from dia.text.tags import SPEAKERS

Value = TypeVar("Value")

_NAMED = 20  # an error lists at most this many names


def checked_speakers(speakers: object) -> dict[str, str] | None:
    """The speaker of each name, by the name's form for comparisons; None for None.

    Raises:
        TypeError: speakers is not a mapping of names to speakers.
        ValueError: a name is empty, or a speaker is not S1 or S2.
    """
    if speakers is None:
        return None
    if not isinstance(speakers, Mapping):
        raise TypeError(f"speakers is {type(speakers).__name__}; pass a dict such as {{'JOHN': 'S1', 'MARY': 'S2'}}.")
    found = {}
    for name, speaker in speakers.items():
        if not isinstance(name, str) or not isinstance(speaker, str):
            raise TypeError(f"speakers contains {name!r}: {speaker!r}; pass names and speakers as str.")
        if speaker.upper() not in SPEAKERS:
            raise ValueError(f"speakers[{name!r}] is {speaker!r}; use {' or '.join(SPEAKERS)}.")
        if not (key := Name.of(name).key):
            raise ValueError(f"speakers contains the name {name!r}; write the name as in the script.")
        found[key] = speaker.upper()
    return found


def assigned(names: Iterable[Name], given: Mapping[str, str]) -> dict[str, str]:
    """The speaker of each name, by key.

    Names that are not given get the speakers that are left, by first appearance. `Speaker 1` and `Speaker 2` are S1
    and S2 unless there are other numbers, such as Speaker 0.

    Raises:
        ValueError: there are more names than speakers; the message lists the names.
    """
    found = dict[str, Name]()
    for name in names:
        found.setdefault(name.key, name)
    speakers = {key: given[key] for key in found if key in given}
    numbers = {key: name.number for key, name in found.items() if key not in given and name.number is not None}
    if set(numbers.values()) <= {1, 2}:
        speakers |= {key: f"S{number}" for key, number in numbers.items()}
    others = [key for key in found if key not in speakers]
    free = [speaker for speaker in SPEAKERS if speaker not in speakers.values()]
    if len(others) > len(free):
        raise ValueError(_too_many(list(found.values())))
    return speakers | dict(zip(others, free, strict=False))


def by_speaker(given: Mapping[str, Value], names: Mapping[str, str], argument: str) -> dict[str, Value]:
    """What a caller gives for S1 and S2, or for names of the script, by S1 and S2.

    Args:
        given: a value for each speaker or name.
        names: the speaker of each name of the script.
        argument: the caller's name for the argument, used in error messages.

    Raises:
        ValueError: the script has no such name, or two names are those of one speaker.
    """
    by_key = {Name.of(name).key: speaker for name, speaker in names.items()}
    speakers = {name: name if name in SPEAKERS else by_key.get(Name.of(str(name)).key) for name in given}
    known = listed([f"{name} ({speaker})" for name, speaker in names.items()]) if names else "none"
    for name, speaker in speakers.items():
        if speaker is None:
            raise ValueError(f"{argument} names {name!r}, which is neither S1, S2 nor a name of the script ({known}).")
    if len(set(speakers.values())) < len(speakers):
        raise ValueError(f"{argument} has several values for one speaker ({known}); give one for each.")
    return {str(speaker): given[name] for name, speaker in speakers.items()}


def _too_many(names: Sequence[Name]) -> str:
    shown = listed([name.written for name in names[:_NAMED]])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    python, option = in_python_and_command([name.written for name in names[:_NAMED]])
    return (
        f"the script has {len(names)} speakers ({shown}{more}), but Dia has two voices. Give several names the same "
        f"speaker, for example speakers={python} ({option}). If these words are not names, pass speakers={{}} "
        f"(--speakers none)."
    )


def listed(names: Sequence[str]) -> str:
    """`JOHN, MARY and BOB`."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def in_python_and_command(names: Sequence[str]) -> tuple[str, str]:
    """An assignment of names as an argument in Python and as an option of the command."""
    pairs = [(name, SPEAKERS[min(index, 1)]) for index, name in enumerate(names)]
    option = ",".join(f"{name}={speaker}" for name, speaker in pairs)
    quoted = f'"{option}"' if " " in option else option
    return str(dict(pairs)), f"--speakers {quoted}"


__all__ = ["assigned", "by_speaker", "checked_speakers", "in_python_and_command", "listed"]
