"""Write several waveforms, each to a file of its own; paths and tags are checked before the first file is written."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dia.audio.clips import named_clips, with_own_rate
from dia.audio.files import Provenance, Tags, file_format, write


def save(
    audio: Any,
    path: str | Path | Sequence[str | Path],
    rate: int,
    provenance: Provenance | None = None,
    metadata: Any = None,
    watermark: bool = False,
    name: str = "path",
) -> None:
    """Write a waveform, or one file for each of several. The suffix of a path selects the format.

    Args:
        audio: a waveform [N], or a list of them; a pair or dict with a rate keeps it.
        path: a path, or a list with one path for each waveform.
        rate: Hz of waveforms without a rate of their own.
        provenance: model and seed to store in the comment.
        metadata: `{"title", "artist", "comment", "chapters": [(seconds, title), …]}`, or a list with one for each.
        watermark: also put an inaudible watermark into the sound.
        name: of the argument `path`, for messages.

    Raises:
        TypeError, ValueError, FileNotFoundError: a path or waveform is invalid; an existing file is not changed.
        ImportError: the format, or chapters, need `pip install 'dia-tts[media]'`.
    """
    origin, clips = provenance or Provenance(), named_clips(audio, "audio")
    paths = [path] if isinstance(path, str | Path) else path
    if not isinstance(paths, list | tuple) or not all(isinstance(one, str | Path) for one in paths):
        raise TypeError(f"{name} is {type(path).__name__}; expected a path or a list of paths.")
    if len(paths) != len(clips):
        raise ValueError(f"{name} has {len(paths)} paths for {len(clips)} waveforms; pass one for each.")
    tags = Tags.for_each(metadata, len(clips))
    for place, tag in zip(paths, tags, strict=True):
        file_format(Path(place), tag)
    for place, (clip_name, clip), tag in zip(paths, clips.items(), tags, strict=True):
        samples, own_rate = with_own_rate(clip, clip_name)
        write(place, samples, own_rate or rate, clip_name, origin, tag, watermark)


__all__ = ["save"]
