"""What is to be spoken, by whom and how: a plain value that gives the same sound wherever it is spoken."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from dia.codec.identity import CodecRecord
from dia.synthesis.parts import planning
from dia.synthesis.parts.resume import KeptParts, fingerprint
from dia.synthesis.synthesizer import Synthesizer
from dia.synthesis.takes.take import Line, TakeOptions
from dia.text.prompt_format import PromptFormat
from dia.text.script import Script
from dia.version import __version__


@dataclass(frozen=True, eq=False)
class SynthesisJob:
    """One script to speak.

    Attributes:
        script: the turns.
        voice: a voice to continue, as a line of codes and transcript without a text; None for the model's own. Where
            its transcript is empty, the script begins with the words of the recording.
        seed: of the first pass; None for a random one.
        settings: keywords of transformers' `generate`.
        take_options: retries and the like.
        long_form: part after part; None where the script asks for it, see `is_long`.
        rate: how many times as fast as the model speaks, 0.5 to 2; None leaves the sound as it is.
        remarks: what is doubtful about the script or the recording, each as a fact and its remedy.
    """

    script: Script
    voice: Line | None = None
    seed: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    take_options: TakeOptions = field(default_factory=TakeOptions)
    long_form: bool | None = None
    rate: float | None = None
    remarks: tuple[str, ...] = ()

    @property
    def line(self) -> Line:
        """The whole script as one pass says it."""
        voice = self.voice or Line("")
        return Line(self.script.spoken, voice.prompt, voice.transcript, self.script)

    @property
    def untranscribed(self) -> bool:
        """Whether there is a recording whose words are not known."""
        return self.voice is not None and self.voice.prompt is not None and not self.voice.transcript


def is_long(synthesizer: Synthesizer, job: SynthesisJob) -> bool:
    """Whether a job is spoken in the long form, part after part.

    By default where `planning.is_long` says so of the script behind its voice. It cannot be without a codec, nor where
    the words of the recording are not known.
    """
    if job.long_form is not None:
        return job.long_form
    return not _needs_one_pass(synthesizer, job) and planning.is_long(*_asked(synthesizer, job))


def with_remarks(synthesizer: Synthesizer, job: SynthesisJob) -> SynthesisJob:
    """The job, with remarks on what the script asks for and a single pass leaves out.

    Where the words of the recording are missing, that is the reason, and all of it is one remark.
    """
    if is_long(synthesizer, job):
        return job
    if job.untranscribed:
        return replace(job, remarks=(*job.remarks, _on_missing_words(synthesizer, job)))
    reason = _needs_one_pass(synthesizer, job) or "long_form=False"
    remarks = []
    if job.script.has_pauses:
        remarks.append(f"the pauses of the script are left out ({reason}).")
    if planning.is_over_a_pass(*_asked(synthesizer, job)):
        remarks.append(f"the script is longer than one pass speaks well ({reason}): it may come apart. Split it.")
    return replace(job, remarks=(*job.remarks, *remarks))


def _on_missing_words(synthesizer: Synthesizer, job: SynthesisJob) -> str:
    assert job.voice is not None
    assert job.voice.prompt is not None
    script, format, _ = _asked(synthesizer, job)
    heard = len(job.voice.prompt) / synthesizer.processor.frame_rate
    remark = (
        f"audio_prompt_text is missing: the text is taken to begin with the words of the recording ({heard:.1f} s)."
    )
    if script.seconds <= heard:
        remark += " It is too short for that: they would be spoken again, or nothing at all."
    if script.has_pauses:
        remark += " The pauses of the script are cancel out."
    if planning.is_over_a_pass(script, format):
        remark += " It is longer than one pass speaks well and may come apart."
    return f"{remark} Pass what is said in the recording as audio_prompt_text."


def _needs_one_pass(synthesizer: Synthesizer, job: SynthesisJob) -> str:
    """Why the long form is not possible; empty where it is."""
    if synthesizer.processor.audio_tokenizer is None:
        return "there is no codec"
    return "audio_prompt_text is missing" if job.untranscribed else ""


def _asked(synthesizer: Synthesizer, job: SynthesisJob) -> tuple[Script, PromptFormat, float]:
    """The script, how the model reads, and the seconds of recording that a pass has to hold beside the script."""
    prompt = job.voice.prompt if job.voice and not job.untranscribed else None
    seconds = 0.0 if prompt is None else len(prompt) / synthesizer.processor.frame_rate
    return job.script, PromptFormat.of(synthesizer.model.generation_config), seconds


def plan_of(synthesizer: Synthesizer, job: SynthesisJob) -> dict[str, Any]:
    """Everything on which the parts of a speech depend, for `KeptParts`."""
    voice, take_options, codec = job.voice, job.take_options, synthesizer.processor.audio_tokenizer
    defaults = synthesizer.model.generation_config.to_diff_dict()
    codes = b"" if voice is None or voice.prompt is None else voice.prompt.numpy().tobytes()
    return {
        "script": str(job.script),
        "seed": job.seed,
        "settings": dict(job.settings),
        "take_options": {
            "retries": take_options.retries,
            "best_of": take_options.best_of,
            "edge_seconds": take_options.edge_seconds,
            "recogniser": take_options.recogniser is not None,
        },
        "voice": sha256(codes + (voice.transcript if voice else "").encode()).hexdigest()[:16],
        "model": fingerprint(synthesizer),
        "codec": None if codec is None else asdict(CodecRecord.of(codec)),
        "defaults": {name: value for name, value in defaults.items() if name != "transformers_version"},
        "version": __version__,
    }


def kept_in(folder: str | Path, synthesizer: Synthesizer, job: SynthesisJob) -> tuple[SynthesisJob, KeptParts]:
    """A folder for the finished parts of a speech, and the job with the seed that is kept there."""
    kept = KeptParts(folder, plan_of(synthesizer, job), synthesizer, job.take_options)
    return replace(job, seed=kept.seed), kept


__all__ = ["SynthesisJob", "is_long", "kept_in", "plan_of", "with_remarks"]
