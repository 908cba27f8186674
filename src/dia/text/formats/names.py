"""The speakers of names that a file format marks as names."""

from collections.abc import Iterable, Mapping

from dia.text.listing import first_names
from dia.text.speakers.mapping import assigned, checked_speakers
from dia.text.speakers.words import Name


def speakers_of(names: Iterable[str], speakers: Mapping[str, str] | None) -> tuple[dict[str, str], list[str]]:
    """The speaker, S1 or S2, of each name as it is written, and warnings about `speakers`.

    Args:
        names: the names in the order of the file, with repetitions.
        speakers: the caller's choice; by default the first two names are S1 and S2. An empty one means that all words
            belong to S1.

    Raises:
        TypeError, ValueError: `speakers` is invalid, or there are more names than speakers.
    """
    given, written = checked_speakers(speakers), {name: Name.of(name) for name in dict.fromkeys(names)}
    if given == {}:
        return {}, []
    speaker_of = assigned(written.values(), given or {})
    known = {name.key for name in written.values()}
    missing = [name for name in speakers or {} if Name.of(name).key not in known]
    warnings = []
    if written and missing:
        warnings.append(
            f"speakers: {first_names(missing)} is not among the names of the file ({first_names(written)}). Write the "
            f"names as in the file."
        )
    return {name: speaker_of[about.key] for name, about in written.items()}, warnings


__all__ = ["speakers_of"]
