"""`Dia`, the facade: script in, speech out. Chooses device and dtype; everything else is done by the parts inside."""

import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any, Unpack

import torch
from torch import Tensor

from dia.audio.files import Provenance
from dia.audio.waveform import Waveform
from dia.checkpoints.loading import by_name, from_files
from dia.checkpoints.placement import choose_device, choose_dtype, compiled
from dia.checkpoints.source import REAL, REAL_CODEC, public_name
from dia.modeling_dia import DiaForConditionalGeneration
from dia.processing_dia import DiaProcessor
from dia.runtime.background import ClosingIterator
from dia.runtime.warnings import DiaWarning
from dia.synthesis.job import SynthesisJob, is_long, kept_in
from dia.synthesis.options import Options
from dia.synthesis.parts.joining import Piece, as_one
from dia.synthesis.request import Prompt, job_of, jobs_of, read_script
from dia.synthesis.speak import speak, speak_together, stream_job
from dia.synthesis.synthesizer import Synthesizer
from dia.synthesis.takes.recognition import Recogniser
from dia.synthesis.takes.take import Take, TakeOptions
from dia.text.script import Script
from dia.voices.prompt import encode_recording

_DEPRECATED = "audio_prompt_path and use_cfg_filter are deprecated; pass audio_prompt, and leave use_cfg_filter out."


class Dia:
    """A model and its processor behind three calls: load, generate, save.

    Args:
        model: the network, on its device and in its dtype.
        processor: text, prompts and codes; without a codec it gives codes in place of sound.

    Raises:
        ValueError: the processor's tokenizer is not the model's.

    Attributes:
        model: the `DiaForConditionalGeneration` inside.
        processor: the `DiaProcessor` inside.
    """

    def __init__(self, model: DiaForConditionalGeneration, processor: DiaProcessor) -> None:
        processor.tokenizer.check_fits(model.config.encoder_config.vocab_size)
        self.model = model
        self.processor = processor

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path = REAL,
        device: str | torch.device | None = None,
        compute_dtype: str | torch.dtype | None = None,
        load_dac: bool = True,
        quantization: str | None = None,
        **kwargs: Any,
    ) -> "Dia":
        """Load a model by name.

        Args:
            name_or_path: a folder or a Hub id, in the Hugging Face or the native layout; "mini" is the embedded model.
            device: "cuda", "mps", "cpu", …; by default the first of these that is there.
            compute_dtype: "float32", "bfloat16" or "float16"; by default the fastest that is safe on the device.
            load_dac: load the codec too. Without it `generate` returns codes.
            quantization: "int8" or "int4" weights: half and a third of the memory of half precision, and faster on
                CPUs. See docs/quantization.md for what it costs.
            **kwargs: for transformers' `from_pretrained`: `revision`, `token`, `attn_implementation`, …

        Raises:
            OSError: there is no such checkpoint.
            MemoryError: it will not fit; the message says what is smaller.
            ValueError: the checkpoint is damaged or an argument is not known.
        """
        return cls(*by_name(name_or_path, device, compute_dtype, load_dac, quantization, kwargs))

    @classmethod
    def from_local(
        cls,
        config_path: str | Path,
        checkpoint_path: str | Path,
        device: str | torch.device | None = None,
        compute_dtype: str | torch.dtype | None = None,
        load_dac: bool = True,
        codec_path: str | Path = REAL_CODEC,
        quantization: str | None = None,
    ) -> "Dia":
        """Load a config.json and one file of weights, native or in the Hugging Face layout.

        Args:
            config_path: the config.json, of either native generation or of transformers.
            checkpoint_path: the weights, `.safetensors` or `.pth`.
            device: as in `from_pretrained`.
            compute_dtype: as in `from_pretrained`.
            load_dac: load the codec too.
            codec_path: folder or Hub id of the codec.
            quantization: as in `from_pretrained`; the weights are read whole first.

        Raises:
            ValueError: a file is missing, damaged, or does not fit the other.
        """
        return cls(
            *from_files(config_path, checkpoint_path, device, compute_dtype, load_dac, codec_path, quantization)
        )

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return torch.device(self.model.device)

    @property
    def dtype(self) -> torch.dtype:
        """What the model computes in."""
        dtype: torch.dtype = self.model.dtype
        return dtype

    @property
    def sample_rate(self) -> int:
        """Hz of what `generate` returns."""
        return int(self.processor.feature_extractor.sampling_rate)

    @property
    def synthesizer(self) -> Synthesizer:
        """What speaks: one pass of the model, on which everything longer is built."""
        return Synthesizer(self.model, self.processor)

    def generate(
        self,
        text: str | Sequence[str],
        max_tokens: int | None = None,
        cfg_scale: float | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        use_torch_compile: bool = False,
        cfg_filter_top_k: int | None = None,
        audio_prompt: Prompt | Sequence[Prompt | None] | None = None,
        audio_prompt_path: str | Path | None = None,
        use_cfg_filter: bool | None = None,
        verbose: bool = False,
        *,
        audio_prompt_text: str | Sequence[str | None] | None = None,
        seed: int | Sequence[int] | None = None,
        voice: Any = None,
        long_form: bool | None = None,
        speaking_rate: float | None = None,
        normalize: bool = True,
        retries: int = 0,
    ) -> Any:
        """Speak a script, or several at once.

        What is doubtful about a script, a recording or the result is a `dia.DiaWarning`; `speak` returns it, too.

        Args:
            text: `[S1] … [S2] …`, or a list of such scripts.
            max_tokens: rows of the grid at most, prompt and delay included; by default the checkpoint's own.
            cfg_scale: guidance, 0 or more; more follows the text more closely. As in the native package 0 alone
                is unguided.
            temperature: above 0; 0 is greedy.
            top_p: nucleus of the sampling, above 0 and at most 1.
            use_torch_compile: compile the model on first use.
            cfg_filter_top_k: candidates that guidance leaves.
            audio_prompt: a voice to go on with: a path, a waveform at `sample_rate`, a dict
                `{"array", "sampling_rate"}`, or the codes of `load_audio`; for several texts a list, with None where
                there is none.
            audio_prompt_path: deprecated, `audio_prompt` takes paths too.
            use_cfg_filter: deprecated and ignored, guidance always chooses candidates.
            verbose: print device and dtype, and show progress.
            audio_prompt_text: what is said in the prompt; it is put before the text. Or put it there yourself.
            seed: makes the result repeatable; one for all texts, or one per text. A text sounds the same alone and
                among others.
            voice: a voice to speak with, in place of `audio_prompt` and its text: a
                `dia.voices.voice.Voice`, the name of one or its file, or {"S1": …, "S2": …} of these; for
                several texts one, or a list.
            long_form: speak part after part, see `pieces`; by default where a text is longer than a pass speaks well,
                or asks for pauses. False never does.
            speaking_rate: how many times as fast as the model speaks, at the same pitch; 0.5 to 2.
            normalize: write numbers, dates, abbreviations and the like as words; False leaves words as they are.
            retries: how often a script is spoken again, with the next seeds, while something is wrong with the result.

        Returns:
            For a str one float32 array [N] at `sample_rate`, without the prompt and with 0.1 s of silence at both
            ends; for a list a list of them. Without a codec, int64 codes [T, C] in their place.

        Raises:
            TypeError: an argument has the wrong type; the message names it.
            ValueError: an argument is empty, too long or out of range; the message names it.
        """
        if audio_prompt_path is not None or use_cfg_filter is not None:
            warnings.warn(_DEPRECATED, FutureWarning, stacklevel=2)
        jobs = jobs_of(
            self.synthesizer,
            text,
            TakeOptions(retries=retries),
            long_form,
            max_tokens=max_tokens,
            cfg_scale=cfg_scale,
            temperature=temperature,
            top_p=top_p,
            cfg_filter_top_k=cfg_filter_top_k,
            audio_prompt=audio_prompt_path if audio_prompt is None else audio_prompt,
            audio_prompt_text=audio_prompt_text,
            seed=seed,
            voice=voice,
            speaking_rate=speaking_rate,
            normalize=normalize,
        )
        self._prepare(jobs, use_torch_compile, verbose)
        takes = speak_together(self.synthesizer, jobs, verbose)
        answers = [take.codes if self.processor.audio_tokenizer is None else take.audio for take in takes]
        return answers[0] if isinstance(text, str) else answers

    def job(
        self,
        text: str,
        *,
        retries: int = 0,
        best_of: int = 1,
        recogniser: Recogniser | None = None,
        long_form: bool | None = None,
        **options: "Unpack[Options]",
    ) -> SynthesisJob:
        """Check what is to be spoken and read its recording, once, for `is_long`, `pieces`, `speak` and `stream`.

        The arguments are those of `pieces`; the job, a plain value, takes the place of all of them. What is doubtful
        is in its `remarks`, and a warning when it is spoken.

        Raises:
            TypeError, ValueError: as `pieces`.
        """
        return job_of(
            self.synthesizer, text, TakeOptions(retries, best_of, recogniser=recogniser), long_form, **options
        )

    def pieces(
        self,
        text: str | SynthesisJob,
        *,
        retries: int = 0,
        best_of: int = 1,
        recogniser: Recogniser | None = None,
        long_form: bool | None = None,
        parts: str | Path | None = None,
        cancel: Event | None = None,
        use_torch_compile: bool = False,
        verbose: bool = False,
        **options: "Unpack[Options]",
    ) -> Iterator[Piece]:
        """Speak one script of any length, part after part, each checked and timed; see docs/long_form.md.

        Args:
            text: the script, as `dia.text.script.parse` reads it: `[S1] … [pause:700ms] [S2] …`, numbers and all; or a
                job, with no options beside it.
            retries: how often a part in which something is wrong is spoken again, with the next seeds.
            best_of: how many takes of a part are made at once; the best is kept.
            recogniser: a function of a waveform and its rate that answers what it hears; chooses the best take.
            long_form: by default True where the script is longer than a pass speaks well, or asks for pauses.
            parts: a folder for the finished parts of a long form, from which an interrupted speech continues where it
                stopped; made if it is not there. It is yours to remove.
            cancel: once another thread sets it, the pass under way ends at its next frame and `Cancelled` is raised.
            use_torch_compile: as in `generate`.
            verbose: print device and dtype, and show progress.
            **options: the other arguments of `generate`, `seed`, `voice` and so on, for one script.

        Returns:
            An iterator over the parts as they are finished; their audio, joined, is the whole.

        Raises:
            TypeError, ValueError: an argument is unusable, or `parts` holds another speech; the message says which.
            OSError: `parts` cannot be made.
        """
        synthesizer = replace(self.synthesizer, cancel=cancel)
        job = job_of(synthesizer, text, TakeOptions(retries, best_of, recogniser=recogniser), long_form, **options)
        store = None
        if parts is not None and is_long(synthesizer, job):
            job, store = kept_in(parts, synthesizer, job)
        self._prepare([job], use_torch_compile, verbose)
        return speak(synthesizer, job, store, verbose)

    def speak(self, text: str | SynthesisJob, retries: int = 0, best_of: int = 1, **options: Any) -> Take:
        """Speak one script as a `Take`: audio, seed, codes, when each turn and word is heard, and what is wrong.

        Args:
            text: as in `pieces`.
            retries: as in `pieces`.
            best_of: as in `pieces`.
            **options: the other arguments of `pieces`.

        Raises:
            TypeError, ValueError, OSError: as `pieces`.
        """
        return as_one(self.pieces(text, retries=retries, best_of=best_of, **options))

    def stream(
        self,
        text: str | SynthesisJob,
        *,
        timeout: float | None = None,
        long_form: bool | None = None,
        use_torch_compile: bool = False,
        verbose: bool = False,
        **options: "Unpack[Options]",
    ) -> Iterator[Waveform]:
        """Speak one script, heard while it is generated: the samples of `generate`, piece by piece.

        The first piece is short and comes as soon as it is certain; later ones grow. The parts of a long form are
        heard while they are made, too. The work is done in a thread, which begins with the first `next` and ends at
        the next frame when the iterator is closed, dropped, or left by an exception.

        Args:
            text: `[S1] … [S2] …`, or a job, whose retries do not count here.
            timeout: seconds to wait for the next piece; None waits for ever.
            long_form: as in `generate`.
            use_torch_compile: as in `generate`.
            verbose: print device and dtype.
            **options: the other arguments of `generate`, `seed`, `audio_prompt` and so on, for one script.

        Returns:
            An iterator over float32 arrays [N] at `sample_rate`. Joined they are what `generate` returns.

        Raises:
            TypeError, ValueError: as `generate`, at once where no model is needed to know, else from the iterator;
                and the model was loaded without its codec.
            TimeoutError: from the iterator, when a piece does not come in time.
        """
        job = job_of(self.synthesizer, text, None, long_form, **options)
        sound = stream_job(self.synthesizer, job, timeout)
        self._prepare([job], use_torch_compile, verbose)
        return ClosingIterator(sound)

    def read(self, text: str, normalize: bool = True) -> Script:
        """How a script is understood: its turns, what is spoken for what is written, and what is doubtful about it.

        Args:
            text: as in `pieces`.
            normalize: as in `generate`.

        Raises:
            TypeError, ValueError: it cannot be spoken; the message says why.
        """
        return read_script(self.synthesizer, text, normalize)

    def is_long(self, text: str | SynthesisJob, **options: "Unpack[Options]") -> bool:
        """Whether a script is spoken part after part: it is longer than a pass speaks well, or asks for pauses.

        The arguments and errors are those of `job`.
        """
        return is_long(self.synthesizer, job_of(self.synthesizer, text, **options))

    def save_audio(self, path: str | Path, audio: Any, seed: int | None = None) -> None:
        """Write what `generate` returned; the suffix chooses the format.

        A tag says that the speech is synthetic, and by which model, version and seed it was made.

        Args:
            path: one path, or a list of them for a list of waveforms.
            audio: [N] at `sample_rate`, array or tensor, or a list of them.
            seed: that it was generated with.

        Raises:
            ValueError: the format is not known or the samples are no sound; nothing is written.
        """
        self.processor.save_audio(audio, path, provenance=self.provenance(seed))

    def provenance(self, seed: int | None = None) -> Provenance:
        """What files shall say of where their speech comes from."""
        return Provenance(public_name(str(self.model.name_or_path or "")), seed)

    def load_audio(self, path: str | Path) -> Tensor:
        """Read a recording as codes [T, C], ready to be an `audio_prompt` any number of times.

        It is prepared as every recording is, see docs/voices.md. What makes the voice worse is a `dia.DiaWarning`.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is no usable recording, or the codec was not loaded; the message says what to do.
        """
        recording = encode_recording(str(path), "", self.processor)
        for remark in recording.remarks:
            warnings.warn(f"about the recording: {remark}", DiaWarning, stacklevel=2)
        return recording.codes

    def _prepare(self, jobs: Sequence[SynthesisJob], compile: bool, verbose: bool) -> None:
        for remark in dict.fromkeys(remark for job in jobs for remark in job.remarks):
            warnings.warn(remark, DiaWarning, stacklevel=3)
        if compile:
            compiled(self.model)
        if verbose:
            print(f"Dia on {self.device}, {str(self.dtype).removeprefix('torch.')}", file=sys.stderr)


__all__ = ["REAL", "Dia", "choose_device", "choose_dtype"]
