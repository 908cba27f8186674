"""A job: one script to speak, with its voice, seed and options. The same job gives the same audio wherever it runs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from dia.codec.identity import CodecRecord
from dia.synthesis.parts import planning
from dia.synthesis.parts.resume import FolderPartStore, fingerprint
from dia.synthesis.synthesizer import Synthesizer
from dia.synthesis.takes.take import Line, TakeOptions
from dia.text.prompt_format import PromptFormat
from dia.text.script import Script
from dia.version import __version__
from dia.voices.timbre import Timbre


@dataclass(frozen=True, eq=False)
class SynthesisJob:
    """One script to speak.

    Attributes:
        script: the turns.
        voice: the voice to continue, as a line with codes and transcript but no text; None for the model's own voice.
            If the transcript is empty, the script must begin with the words of the recording.
        seed: seed of the first pass; None for a random one.
        settings: keyword arguments of transformers' `generate`.
        take_options: retries, best-of and so on.
        long_form: whether to speak in parts; `make_job` decides.
        rate: speed relative to the model's, 0.5 to 2; None leaves the audio unchanged.
        timbre: how the audio has to change to sound like the recording of the voice; None leaves it unchanged.
        remarks: problems with the script or the recording, each with a remedy.
    """

    script: Script
    voice: Line | None = None
    seed: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    take_options: TakeOptions = field(default_factory=TakeOptions)
    long_form: bool = False
    rate: float | None = None
    timbre: Timbre | None = None
    remarks: tuple[str, ...] = ()

    @property
    def line(self) -> Line:
        """The whole script as a single pass."""
        voice = self.voice or Line("")
        return Line(self.script.spoken, voice.prompt, voice.transcript, self.script)

    @property
    def untranscribed(self) -> bool:
        """Whether there is a recording without a transcript."""
        return self.voice is not None and self.voice.prompt is not None and not self.voice.transcript


def make_job(
    synthesizer: Synthesizer, script: Script, voice: Line | None = None, long_form: bool | None = None, **rest: Any
) -> SynthesisJob:
    """A job that is either spoken in parts or has remarks on what a single pass cannot do for it.

    The long form needs a codec and the transcript of the recording. Cues at given times are always spoken in parts.

    Args:
        synthesizer: speaks the job.
        script: the turns.
        voice: the voice to continue.
        long_form: whether to speak in parts; by default `planning.is_long` decides from the script and the length of
            its voice.
        **rest: the other attributes of the job.

    Raises:
        ValueError: the job is to be spoken in parts, and the transcript of its recording is missing.
    """
    job = SynthesisJob(script, voice, **rest)
    obstacle, arguments = _single_pass_reason(synthesizer, job), _plan_arguments(synthesizer, job)
    if long_form is None:
        long_form = not obstacle and planning.is_long(*arguments)
    if long_form or script.is_timed:
        if job.untranscribed:
            raise ValueError(
                "audio_prompt_text is missing: the long form needs the transcript of the recording, which precedes "
                "every part. Pass it as audio_prompt_text."
            )
        return replace(job, long_form=True)
    if job.untranscribed:
        remarks = [_missing_transcript_remark(synthesizer, job)]
    else:
        remarks = _single_pass_remarks(obstacle or "long_form=False", *arguments)
    return replace(job, remarks=(*job.remarks, *remarks))


def _single_pass_remarks(reason: str, script: Script, format: PromptFormat, voice_seconds: float) -> list[str]:
    remarks = []
    if script.has_pauses:
        remarks.append(f"the pauses of the script are ignored ({reason}).")
    if planning.exceeds_pass(script, format, voice_seconds):
        remarks.append(f"the script is too long for one pass ({reason}), so the speech may be garbled. Split it.")
    return remarks


def _missing_transcript_remark(synthesizer: Synthesizer, job: SynthesisJob) -> str:
    """One remark that covers everything that a missing transcript causes."""
    assert job.voice is not None
    assert job.voice.prompt is not None
    script, format, _ = _plan_arguments(synthesizer, job)
    seconds = len(job.voice.prompt) / synthesizer.processor.frame_rate
    remark = f"audio_prompt_text is missing, so the text must begin with the words of the recording ({seconds:.1f} s)."
    if script.seconds <= seconds:
        remark += " It is too short for that, so the result may repeat the recording or be empty."
    if script.has_pauses:
        remark += " The pauses of the script are ignored."
    if planning.exceeds_pass(script, format):
        remark += " It is too long for one pass, so the speech may be garbled."
    return f"{remark} Pass the transcript of the recording as audio_prompt_text."


def _single_pass_reason(synthesizer: Synthesizer, job: SynthesisJob) -> str:
    """Why the long form is not possible; empty if it is."""
    if synthesizer.processor.audio_tokenizer is None:
        return "there is no codec"
    return "audio_prompt_text is missing" if job.untranscribed else ""


def _plan_arguments(synthesizer: Synthesizer, job: SynthesisJob) -> tuple[Script, PromptFormat, float]:
    """The script, the prompt conventions, and the seconds of recording that precede the script in a pass."""
    prompt = job.voice.prompt if job.voice and not job.untranscribed else None
    seconds = 0.0 if prompt is None else len(prompt) / synthesizer.processor.frame_rate
    return job.script, PromptFormat.of(synthesizer.model.generation_config), seconds


def resume_plan(synthesizer: Synthesizer, job: SynthesisJob) -> dict[str, Any]:
    """Everything that determines the parts of a long script, for `FolderPartStore`."""
    voice, take_options, codec = job.voice, job.take_options, synthesizer.processor.audio_tokenizer
    defaults = synthesizer.model.generation_config.to_diff_dict()
    codes = b"" if voice is None or voice.prompt is None else voice.prompt.numpy().tobytes()
    return {
        "script": str(job.script),
        "timing": [str(turn.cue) for turn in job.script.turns] if job.script.is_timed else None,
        "seed": job.seed,
        "settings": dict(job.settings),
        "take_options": {
            "retries": take_options.retries,
            "best_of": take_options.best_of,
            "edge_seconds": take_options.edge_seconds,
            "recognizer": take_options.recognizer is not None,
        },
        "voice": sha256(codes + (voice.transcript if voice else "").encode()).hexdigest()[:16],
        "model": fingerprint(synthesizer),
        "codec": None if codec is None else asdict(CodecRecord.of(codec)),
        "defaults": {name: value for name, value in defaults.items() if name != "transformers_version"},
        "version": __version__,
    }


def open_part_store(
    folder: str | Path, synthesizer: Synthesizer, job: SynthesisJob
) -> tuple[SynthesisJob, FolderPartStore]:
    """Open a folder for the finished parts of a job; return the job with the seed stored there, and the store."""
    store = FolderPartStore(folder, resume_plan(synthesizer, job), synthesizer, job.take_options)
    return replace(job, seed=store.seed), store


__all__ = ["SynthesisJob", "make_job", "open_part_store", "resume_plan"]
