"""Check a data set before training: read each row once, and report what is wrong as a table, JSON and a histogram."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dia.audio.clips import read_clip
from dia.audio.waveform import Waveform, full_scale
from dia.feature_extraction_dia import DiaFeatureExtractor
from dia.processing_dia import DiaProcessor
from dia.runtime.files.atomic import atomic_file
from dia.text.prompt_format import PUBLISHED, PromptFormat
from dia.text.script import parse
from dia.text.tags import SPEAKER_LINE, SPEAKER_TAG
from dia.training.data.source import Row, check_rows, fingerprint

# Findings that make a row unusable, and warnings; each with its remedy.
FATAL = {
    "missing file": "add the file or remove the row",
    "unreadable clip": "convert it again from its source to wav or flac",
    "not finite": "export the recording again; it holds NaN or infinite samples",
    "silent": "record it again or remove the row",
    "too short": "remove the row",
    "too long": "split the recording and its transcript into sentences",
    "empty transcript": "write a transcript",
    "unusable transcript": "shorten or correct the text; for languages other than English: --text-frontend none",
}
WARNINGS = {
    "no speaker tag": "begin the text with [S1] or [S2]; without a tag it is [S1]",
    "doubtful transcript": "write exactly the words that are said, and sounds such as (laughs)",
    "doubtful recording": "convert it again from its source to wav or flac",
    "clipping": "record again at a lower level",
    "very quiet": "raise the level",
    "silence at an end": "trim it, or the model learns to pause",
    "odd pace": "check that the transcript belongs to the recording",
    "duplicate": "keep one of them",
}

SILENT_PEAK, QUIET_PEAK = 1e-3, 0.03  # -60 and -30 dB of full scale
CLIPPED_LEVEL, CLIPPED_SHARE = 0.97, 1e-4
EDGE_LEVEL, EDGE_SECONDS = 0.03, 1.0  # of the clip's own peak
SLOWEST, FASTEST = 2.0, 35.0  # characters per second
FLOOR_DB = -100.0
LISTED = 5


class Finding(NamedTuple):
    """One problem of one row: `row` counts from 0, `kind` is a key of `FATAL` or `WARNINGS`."""

    row: int
    name: str
    kind: str
    reason: str

    @property
    def fatal(self) -> bool:
        """Whether the row cannot be trained on."""
        return self.kind in FATAL


class Measure(NamedTuple):
    """Figures of a clip: rate in Hz and channels as stored, seconds, RMS in dBFS, characters per second."""

    rate: int
    channels: int
    seconds: float
    level: float
    pace: float


@dataclass
class Report:
    """The result of `check`. `str(report)` is a table with the first rows of each kind of finding."""

    rows: Sequence[Row]
    sampling_rate: int
    findings: list[Finding] = field(default_factory=list)
    measures: dict[int, Measure] = field(default_factory=dict)

    @property
    def usable(self) -> list[Row]:
        """The rows without a fatal finding, in order."""
        return [self.rows[index] for index in self.usable_rows]

    @property
    def usable_rows(self) -> list[int]:
        """The indices of the rows without a fatal finding."""
        lost = {finding.row for finding in self.findings if finding.fatal}
        return [index for index in range(len(self.rows)) if index not in lost]

    @property
    def counts(self) -> dict[str, int]:
        """The number of findings of each kind, fatal ones first."""
        found = Counter(finding.kind for finding in self.findings)
        return {kind: found[kind] for kind in (*FATAL, *WARNINGS) if found[kind]}

    @property
    def rates(self) -> dict[int, int]:
        """The number of clips at each rate in Hz."""
        return dict(Counter(measure.rate for measure in self.measures.values()).most_common())

    @property
    def channels(self) -> dict[int, int]:
        """The number of clips with one and with two channels."""
        return dict(Counter(measure.channels for measure in self.measures.values()).most_common())

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    def save(self, folder: str | Path) -> None:
        """Write report.json, with every finding, and histogram.png to `folder`, which is created if necessary.

        Raises:
            ImportError: matplotlib is not installed; report.json has been written.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        findings = [{**finding._asdict(), "fatal": finding.fatal} for finding in self.findings]
        numbers = {"rows": len(self.rows), "usable": len(self.usable), "seconds": round(self._seconds, 2)}
        content = {**numbers, "rates": self.rates, "channels": self.channels, "counts": self.counts}
        with atomic_file(folder / "report.json") as path:
            path.write_text(json.dumps({**content, "findings": findings}, indent=1) + "\n", encoding="utf-8")
        with atomic_file(folder / "histogram.png") as path:
            _draw(list(self.measures.values()), path)

    @property
    def _seconds(self) -> float:
        return sum(measure.seconds for measure in self.measures.values())


def check(
    rows: Sequence[Row],
    processor: DiaProcessor,
    progress: bool = True,
    *,
    max_frames: int | None = None,
    min_seconds: float = 0.2,
    format: PromptFormat = PUBLISHED,
) -> Report:
    """Read every recording and transcript once, one at a time, and report what is wrong with them.

    Args:
        rows: of `read_source`.
        processor: of the model to train; its tokenizer, sampling rate and hop length set the limits.
        progress: show a progress bar.
        max_frames: the longest clip that the model can be trained with, see
            `dia.training.data.compatibility.length_limits`; None for no limit.
        min_seconds: the length of the shortest usable clip.
        format: the prompt format of the model, which determines how transcripts are read.

    Raises:
        ValueError: `rows` is empty.
        TypeError: `rows` holds something other than rows.
    """
    if not rows:
        raise ValueError("rows is empty; there is nothing to check. Use read_source to make rows.")
    check_rows(rows)
    # One frame less, because a shift can lengthen a clip by one.
    limits = min_seconds, math.inf if max_frames is None else (max_frames - 1) / processor.frame_rate
    report, first = Report(rows, processor.sampling_rate), dict[str, int]()
    for index, row in enumerate(tqdm(rows, desc="checking", unit=" clips", disable=not progress)):
        found = [*_text_faults(row.text, processor, format)]
        measure, faults = _measure(row, processor.feature_extractor, limits)
        found += faults
        if measure is not None:
            report.measures[index] = measure
            found += _row_faults(rows, index, first, measure)
        named = f"{row.name}: "
        report.findings += [Finding(index, row.name, kind, reason.removeprefix(named)) for kind, reason in found]
    return report


Fault = tuple[str, str]


def _text_faults(text: str, processor: DiaProcessor, format: PromptFormat) -> Iterator[Fault]:
    if not text.strip():
        yield "empty transcript", "there is no text"
        return
    try:
        script = parse(text, frontend=format.text_frontend)
        processor.tokenizer(format.end_turns(script.spoken))
    except ValueError as error:
        yield "unusable transcript", str(error)
        return
    if not (SPEAKER_TAG.match(text.lstrip()) or SPEAKER_LINE.match(text.lstrip())):
        yield "no speaker tag", f"the text begins with {text[:24]!r}"
    # Advice on dialogues does not apply: recordings of [S2] alone, or of a single speaker, are fine.
    yield from (("doubtful transcript", remark) for remark in script.warnings if remark not in script.advice)


def _measure(
    row: Row, extractor: DiaFeatureExtractor, limits: tuple[float, float]
) -> tuple[Measure | None, list[Fault]]:
    """The figures of a clip, or None if it cannot be measured, and its faults."""
    try:
        clip = read_clip(row.audio, row.name)
    except FileNotFoundError as error:
        return None, [("missing file", str(error))]
    except (ValueError, TypeError, OSError) as error:
        return None, [("unreadable clip", str(error))]
    array, rate = clip.samples, clip.rate or extractor.sampling_rate
    seconds = max(array.shape, default=0) / rate
    if seconds < max(limits[0], extractor.hop_length / extractor.sampling_rate):
        return None, [("too short", f"{seconds:.2f} s")]
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        share = 1 - float(np.isfinite(array).mean())
        return None, [("not finite", f"{share:.2%} of the samples")]
    try:
        waveform = extractor.convert(array, rate, row.name)
    except ValueError as error:
        return None, [("unreadable clip", str(error))]
    spoken = len(SPEAKER_TAG.sub("", row.text).strip())
    rms = float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64))))
    level = max(20 * math.log10(rms), FLOOR_DB) if rms else FLOOR_DB
    measure = Measure(rate, array.size // max(array.shape), seconds, level, spoken / seconds)
    doubts = [("doubtful recording", remark) for remark in clip.remarks]
    return measure, [*doubts, *_sound_faults(array, waveform, extractor.sampling_rate, measure, limits[1])]


def _sound_faults(
    array: NDArray[Any], waveform: Waveform, rate: int, measure: Measure, max_seconds: float
) -> Iterator[Fault]:
    if measure.seconds > max_seconds:
        yield "too long", f"{measure.seconds:.2f} s; the model can be trained with {max_seconds:.2f} s"
    peak = float(np.abs(waveform).max())
    if peak < SILENT_PEAK:
        yield "silent", f"its peak is {peak:.1g} of full scale"
        return
    if peak < QUIET_PEAK:
        yield "very quiet", f"its peak is {20 * math.log10(peak):.0f} dB of full scale"
    if (clipped := clipped_share(full_scale(array))) > CLIPPED_SHARE:
        yield "clipping", f"{clipped:.2%} of the samples are cut off"
    loud = np.flatnonzero(np.abs(waveform) > EDGE_LEVEL * peak)
    for end, samples in (("start", loud[0]), ("end", len(waveform) - 1 - loud[-1])):
        if samples / rate > EDGE_SECONDS:
            yield "silence at an end", f"{samples / rate:.1f} s at the {end}"


def clipped_share(samples: Waveform) -> float:
    """The share of `samples`, [N] or with a channel axis, that is beyond full scale or constant near it."""
    flat = samples if samples.ndim == 1 else samples.ravel("C" if samples.shape[0] < samples.shape[-1] else "F")
    same = flat[1:] == flat[:-1]
    cut = np.abs(flat) > 1
    cut[1:-1] |= same[1:] & same[:-1] & (np.abs(flat[1:-1]) > CLIPPED_LEVEL)
    return float(cut.mean())


def _row_faults(rows: Sequence[Row], index: int, first: dict[str, int], measure: Measure) -> Iterator[Fault]:
    """Faults of transcript and recording together; `first` maps each recording's hash to its first row."""
    row = rows[index]
    if row.text.strip() and not SLOWEST <= measure.pace <= FASTEST:
        yield "odd pace", f"{measure.pace:.1f} characters per second"
    before = first.setdefault(fingerprint(row.audio), index)
    if before != index:
        other = rows[before]
        what = "the same transcript" if row.text == other.text else "another transcript"
        yield "duplicate", f"same recording as {other.name}, with {what}"


def _lines(report: Report) -> Iterator[str]:
    minutes = report._seconds / 60
    yield f"{len(report.rows)} rows, {len(report.usable)} usable; {minutes:.1f} minutes of audio"
    odd = sum(count for rate, count in report.rates.items() if rate != report.sampling_rate)
    rates = ", ".join(f"{count} at {rate} Hz" for rate, count in report.rates.items()) or "none could be read"
    yield f"rates     {rates}" + (f"; {odd} will be resampled to {report.sampling_rate} Hz" if odd else "")
    channels = {1: "mono", 2: "stereo"}
    yield "channels  " + ", ".join(f"{count} {channels.get(number)}" for number, count in report.channels.items())
    if report.counts:
        yield f"\n{'':8}  {'finding':20} {'rows':>6}  remedy"
    for kind, count in report.counts.items():
        weight, remedy = ("fatal", FATAL[kind]) if kind in FATAL else ("warning", WARNINGS[kind])
        yield f"{weight:8}  {kind:20} {count:6}  {remedy}"
    for kind, count in report.counts.items():
        yield f"\n{kind}"
        listed = [finding for finding in report.findings if finding.kind == kind][:LISTED]
        yield from (f"  {finding.name}: {finding.reason}" for finding in listed)
        if count > LISTED:
            yield f"  … and {count - LISTED} more"


def _draw(measures: Sequence[Measure], path: Path) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("the histogram needs matplotlib. Run: pip install matplotlib") from error
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    panels = {"seconds": "seconds", "level": "level (RMS, dB of full scale)", "pace": "characters per second"}
    for axes, (name, label) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        values = [getattr(measure, name) for measure in measures]
        axes.hist(values, bins=min(40, max(8, len(values) // 8)), color="#4477aa", edgecolor="white", linewidth=0.4)
        if values:
            axes.axvline(float(np.median(values)), color="#cc3311", label=f"median {np.median(values):.1f}")
            axes.legend(frameon=False)
        axes.set(xlabel=label, ylabel="clips" if name == "seconds" else None)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, format="png", dpi=120)


__all__ = ["Finding", "Measure", "Report", "check"]
