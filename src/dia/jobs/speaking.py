"""Speak one row with a model, into files. Independent of other rows and of the manifest."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Protocol

from dia.jobs.output.formats import codes_bytes
from dia.jobs.results import Spoken
from dia.jobs.rows import Row
from dia.runtime.files.atomic import atomic_file
from dia.text.prompt_format import PromptFormat
from dia.version import __version__

if TYPE_CHECKING:
    from dia.model import Dia
    from dia.synthesis.parts.joining import Piece

_TAKE_OPTIONS = ("retries", "best_of")


class FolderFull(OSError):
    """The output cannot be written, for example because the disk is full. Other rows would fail, too."""


class Model(Protocol):
    """Describes a model, in this process or another."""

    @property
    def format(self) -> PromptFormat:
        """The prompt conventions of the model."""

    @property
    def model(self) -> str:
        """The name of the model, for the manifest."""

    @property
    def versions(self) -> dict[str, str]:
        """The versions of the packages that the bytes depend on."""

    def plan(self) -> dict[str, Any]:
        """What tells the model from others, as JSON values."""


class RowSpeaker(Model, Protocol):
    """Speaks rows; called by several threads at a time."""

    @property
    def at_once(self) -> int:
        """How many rows to speak side by side."""

    def speak(
        self, row: Row, seed: int, audio: Path, subtitles: Sequence[Path], stop: Event, codes: Path | None = None
    ) -> Spoken:
        """Speak a row into files, which appear whole or not at all, the audio last.

        Raises:
            FolderFull: a file cannot be written.
            Exception: the row cannot be spoken, or `stop` was set.
        """


class DiaSpeaker:
    """Speaks rows with a model, in the slots of its engine.

    Args:
        dia: the model, with its codec.
        watermark: whether to put an inaudible watermark into the sound.

    Raises:
        ValueError: there is no codec.
    """

    def __init__(self, dia: "Dia", watermark: bool = False) -> None:
        if dia.processor.audio_tokenizer is None:
            raise ValueError("there is no codec, so no audio can be written; load the model with its codec.")
        from dia.decoding.engine import engine_of

        self._dia, self._watermark = dia, watermark
        self.format = PromptFormat.of(dia.model.generation_config)
        self.model = dia.provenance().model
        self.versions = _versions()
        self.at_once = engine_of(dia.model).load().slots

    def plan(self) -> dict[str, Any]:
        """What tells the model from others, as JSON values."""
        from dia.codec.identity import CodecRecord
        from dia.synthesis.parts.resume import fingerprint

        dia = self._dia
        defaults = dia.model.generation_config.to_diff_dict()
        return {
            "model": fingerprint(dia.synthesizer),
            "codec": asdict(CodecRecord.of(dia.processor.audio_tokenizer)),
            "defaults": {name: value for name, value in defaults.items() if name != "transformers_version"},
            "device": dia.device.type,
            "dtype": str(dia.dtype).removeprefix("torch."),
            "version": __version__,
        }

    def speak(
        self, row: Row, seed: int, audio: Path, subtitles: Sequence[Path], stop: Event, codes: Path | None = None
    ) -> Spoken:
        """Speak a row into files, see `RowSpeaker`."""
        from dia.synthesis.request import job_of
        from dia.synthesis.speak import speak
        from dia.synthesis.takes.take import TakeOptions

        options: dict[str, Any] = {name: row.options[name] for name in row.options if name not in _TAKE_OPTIONS}
        take_options = TakeOptions(**{name: row.options[name] for name in _TAKE_OPTIONS if name in row.options})
        long_form = options.pop("long_form", None)
        synthesizer = replace(self._dia.synthesizer, cancel=stop)
        job = job_of(synthesizer, row.text, take_options, long_form, voice=row.voice, seed=seed, **options)
        spoken = self._write(speak(synthesizer, job), seed, audio, subtitles, codes)
        return replace(spoken, warnings=job.remarks)

    def _write(
        self, pieces: "Iterator[Piece]", seed: int, audio: Path, subtitles: Sequence[Path], codes: Path | None
    ) -> Spoken:
        from dia.audio.files import Writer

        faults, turns, attempts, grids = list[str](), list[Any](), 0, list[Any]()
        with as_full_folder(audio.parent):
            writer = Writer(audio, self._dia.sample_rate, self._dia.provenance(seed), watermark=self._watermark)
        try:
            for piece in pieces:
                with as_full_folder(audio.parent):
                    writer.write(piece.audio)
                faults += piece.take.warnings
                turns += piece.turns if subtitles else ()
                grids += [piece.take.codes] if codes else []
                attempts += len(piece.take.attempts)
            with as_full_folder(audio.parent):
                _write_subtitles(turns, subtitles)
                _write_codes(grids, codes)
                seconds = writer.seconds
                writer.close()
        finally:
            writer.discard()
        return Spoken(seconds, faults=tuple(faults), attempts=attempts)


def _write_subtitles(turns: Sequence[Any], paths: Sequence[Path]) -> None:
    from dia.synthesis.subtitles import srt, vtt

    for path in paths:
        with atomic_file(path) as partial:
            partial.write_text({".srt": srt, ".vtt": vtt}[path.suffix](turns), encoding="utf-8")


def _write_codes(grids: Sequence[Any], path: Path | None) -> None:
    """Write the codes of all parts, each [T, C]."""
    import numpy as np

    if path is not None:
        with atomic_file(path) as partial:
            partial.write_bytes(codes_bytes(np.concatenate([grid.numpy() for grid in grids]), list(map(len, grids))))


@contextmanager
def as_full_folder(folder: Path) -> Iterator[None]:
    """Raise `FolderFull` in place of other errors of the operating system."""
    try:
        yield
    except OSError as error:
        raise FolderFull(
            f"{folder} cannot be written: {error.strerror or error}. Finished rows are kept. Free some disk space and "
            f"repeat the job: it resumes."
        ) from error


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {"dia": __version__, **{name: version(name) for name in ("torch", "transformers")}}


__all__ = ["DiaSpeaker", "FolderFull", "Model", "RowSpeaker", "as_full_folder"]
