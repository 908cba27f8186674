"""`Dia`, the high-level API: turns scripts into speech."""

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any, Unpack

import torch
from torch import Tensor

from dia.audio.files import Provenance
from dia.audio.saving import save
from dia.audio.watermark import Payload, Watermarker
from dia.audio.waveform import Waveform
from dia.checkpoints.loading import by_name, from_files
from dia.checkpoints.placement import choose_device, choose_dtype, compiled
from dia.checkpoints.source import REAL, REAL_CODEC, public_name
from dia.decoding.warm_up import WarmUp
from dia.modeling_dia import DiaForConditionalGeneration
from dia.processing_dia import DiaProcessor
from dia.runtime.background import ClosingIterator
from dia.runtime.warnings import DiaWarning
from dia.synthesis.job import SynthesisJob, open_part_store
from dia.synthesis.matching import TAKES, match
from dia.synthesis.options import Options, ReadingOptions
from dia.synthesis.parts.joining import Piece, join_pieces
from dia.synthesis.request import Prompt, job_of, jobs_of, read_script
from dia.synthesis.speak import speak, speak_batch, stream_job
from dia.synthesis.synthesizer import Synthesizer
from dia.synthesis.takes.recognition import Recognizer
from dia.synthesis.takes.take import Take, TakeOptions
from dia.text.markup.formats import TextFormat
from dia.text.script import Script
from dia.voices.library import find_voice
from dia.voices.prompt import encode_recording
from dia.voices.voice import Voice

_DEPRECATED = "audio_prompt_path and use_cfg_filter are deprecated; pass audio_prompt, and omit use_cfg_filter."


class Dia:
    """A model and its processor: load, generate, save.

    Args:
        model: the model, on its device and in its dtype.
        processor: the model's processor. Without a codec, results are codes instead of audio.

    Raises:
        ValueError: the tokenizer does not match the model.

    Attributes:
        model: the `DiaForConditionalGeneration`.
        processor: the `DiaProcessor`.
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
            device: "cuda", "mps", "cpu", …; by default the first of these that is available.
            compute_dtype: "float32", "bfloat16" or "float16"; by default, or with "auto", the fastest that is safe on
                the device. On a CPU with AVX2 and without AVX-512 that is float32, with the matrices of a large model
                in bfloat16.
            load_dac: also load the codec. Without it `generate` returns codes.
            quantization: "int8" or "int4" weights, which need half and a third of the memory of half precision and are
                faster on CPUs. See docs/quantization.md for the loss of quality.
            **kwargs: passed to transformers' `from_pretrained`: `revision`, `token`, `attn_implementation`, …

        Raises:
            OSError: the checkpoint does not exist.
            MemoryError: the weights do not fit in memory; the message names smaller formats.
            ValueError: the checkpoint is damaged, or an argument is unknown.
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
        """Load a model from a config.json and one weight file, in the native or the Hugging Face layout.

        Args:
            config_path: the config.json, of either native generation or of transformers.
            checkpoint_path: the weights, `.safetensors` or `.pth`.
            device: as in `from_pretrained`.
            compute_dtype: as in `from_pretrained`.
            load_dac: also load the codec.
            codec_path: folder or Hub id of the codec.
            quantization: as in `from_pretrained`; the full weights are loaded before they are quantized.

        Raises:
            ValueError: a file is missing or damaged, or the files do not match.
        """
        return cls(
            *from_files(config_path, checkpoint_path, device, compute_dtype, load_dac, codec_path, quantization)
        )

    @property
    def device(self) -> torch.device:
        """The model's device."""
        return torch.device(self.model.device)

    @property
    def dtype(self) -> torch.dtype:
        """The model's dtype."""
        dtype: torch.dtype = self.model.dtype
        return dtype

    @property
    def sample_rate(self) -> int:
        """Sampling rate of the audio in Hz."""
        return int(self.processor.feature_extractor.sampling_rate)

    @property
    def synthesizer(self) -> Synthesizer:
        """Runs single passes of the model."""
        return Synthesizer(self.model, self.processor)

    def warm_up(self, slots: int | None = None, use_torch_compile: bool = False, verbose: bool = False) -> WarmUp:
        """Make everything ready, so that the first clip is as fast as the others. Call it once, after loading.

        Compiles kernels, records or compiles the step for all lengths, generates a short clip with the default
        settings, and decodes a frame of audio. See docs/engine.md.

        Args:
            slots: how many clips are generated at once from now on; by default 16 on a CPU and 8 elsewhere.
            use_torch_compile: as in `generate`; set it here if later calls set it.
            verbose: print device and dtype, and at the end how long it took.

        Returns:
            How long it took, and how the step runs. Its `str` is a line to print.

        Raises:
            TypeError, ValueError: `slots` is not a whole number from 1 on.
            MemoryError: a clip does not fit into memory.
        """
        began = time.perf_counter()
        self._prepare([], use_torch_compile, verbose)
        found = self.model.warm_up(slots)
        if self.processor.audio_tokenizer is not None:
            self.synthesizer.sound(torch.zeros(1, len(self.processor.delay_pattern), dtype=torch.long))
        found = replace(found, seconds=time.perf_counter() - began)
        if verbose:
            print(found, file=sys.stderr)
        return found

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
        speakers: Mapping[str, str] | None = None,
        text_format: TextFormat = "plain",
        keep_timing: bool = False,
        retries: int = 0,
    ) -> Any:
        """Generate speech for one script or a list of scripts.

        Problems with a script, a recording or the result are reported as `dia.DiaWarning`; `speak` also returns them.

        Args:
            text: `[S1] … [S2] …`, or a list of such scripts.
            max_tokens: maximum number of grid rows, including prompt and delay; by default the checkpoint's setting.
            cfg_scale: guidance scale, 0 or more; a higher scale follows the text more closely. Only 0 turns it off.
            temperature: sampling temperature; 0 is greedy.
            top_p: nucleus sampling threshold, above 0 and at most 1.
            use_torch_compile: compile the model on first use.
            cfg_filter_top_k: number of candidates kept by guidance.
            audio_prompt: a recording of a voice to continue: a path, a waveform at `sample_rate`, other input of
                `DiaFeatureExtractor`, or codes from `load_audio`; for several texts a list, in which None is none.
            audio_prompt_path: deprecated; `audio_prompt` also accepts paths.
            use_cfg_filter: deprecated and ignored; guidance always filters candidates.
            verbose: print device and dtype, and show progress.
            audio_prompt_text: transcript of the prompt, prepended to the text. Omit it if the text starts with it.
            seed: seed for reproducible results, one for all or one per text. A batch changes no result.
            voice: the voice to use instead of `audio_prompt` and its transcript: a `dia.voices.voice.Voice`, its name
                or file, or a dict {"S1": …, "S2": …} or {"JOHN": …} of these; for several texts one voice or a list.
            long_form: generate in parts, see `pieces`; by default for texts too long for one pass, or with pauses.
            speaking_rate: speed relative to the model's, at constant pitch; 0.5 to 2.
            normalize: expand numbers, dates, abbreviations and so on to words; False leaves the text unchanged.
            speakers: S1 or S2 for names in the script, such as {"JOHN": "S1"}; {} if it has no names.
            text_format: how the texts are written: "plain", "markdown", "html", "srt", "vtt" or "fountain".
            keep_timing: speak each cue of subtitles at its time, faster if it would not fit; see docs/scripts.md.
            retries: maximum number of new attempts, with the next seeds, if the result has faults.

        Returns:
            For a str, a float32 array [N] at `sample_rate`, without the prompt and with 0.1 s of silence at both ends;
            for a list, a list of arrays. Without a codec, int64 codes [T, C] instead of arrays.

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
            "audio_prompt" if audio_prompt_path is None else "audio_prompt_path",
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
            speakers=speakers,
            text_format=text_format,
            keep_timing=keep_timing,
        )
        self._prepare(jobs, use_torch_compile, verbose)
        takes = speak_batch(self.synthesizer, jobs, verbose)
        answers = [take.codes if self.processor.audio_tokenizer is None else take.audio for take in takes]
        return answers[0] if isinstance(text, str) else answers

    def job(
        self,
        text: str,
        *,
        retries: int = 0,
        best_of: int = 1,
        recognizer: Recognizer | None = None,
        long_form: bool | None = None,
        **options: "Unpack[Options]",
    ) -> SynthesisJob:
        """Validate the arguments and read the recording once, for `is_long`, `pieces`, `speak` and `stream`.

        Takes the arguments of `pieces`. The job is a plain value that replaces them. Problems are in its `remarks`,
        and are warnings when it is used.

        Raises:
            TypeError, ValueError: as in `pieces`.
        """
        return job_of(
            self.synthesizer, text, TakeOptions(retries, best_of, recognizer=recognizer), long_form, **options
        )

    def pieces(
        self,
        text: str | SynthesisJob,
        *,
        retries: int = 0,
        best_of: int = 1,
        recognizer: Recognizer | None = None,
        long_form: bool | None = None,
        parts: str | Path | None = None,
        cancel: Event | None = None,
        use_torch_compile: bool = False,
        verbose: bool = False,
        **options: "Unpack[Options]",
    ) -> Iterator[Piece]:
        """Generate speech for one script of any length, part by part, with checks and timings; see docs/long_form.md.

        Args:
            text: the script in the syntax of `dia.text.script.parse`: `[S1] … [pause:700ms] [S2] …`; or a job, without
                further options.
            retries: maximum number of new attempts, with the next seeds, for a part that has faults.
            best_of: number of takes to generate per part in one batch; the best is kept.
            recognizer: a function that takes a waveform and its rate and returns a transcript; used to rank takes.
            long_form: by default True if the script is too long for one pass or contains pauses.
            parts: a folder for finished parts, created if needed, from which an interrupted run resumes. It is not
                removed.
            cancel: an event; once another thread sets it, the current pass ends at its next frame and `Cancelled` is
                raised.
            use_torch_compile: as in `generate`.
            verbose: print device and dtype, and show progress.
            **options: the other arguments of `generate`, such as `seed` and `voice`, for one script.

        Returns:
            An iterator over the parts as they finish. Their concatenated audio is the whole speech.

        Raises:
            TypeError, ValueError: an argument is invalid, or `parts` holds parts of another run; the message names it.
            OSError: `parts` cannot be created.
        """
        synthesizer = replace(self.synthesizer, cancel=cancel)
        job = job_of(synthesizer, text, TakeOptions(retries, best_of, recognizer=recognizer), long_form, **options)
        store = None
        if parts is not None and job.long_form:
            job, store = open_part_store(parts, synthesizer, job)
        self._prepare([job], use_torch_compile, verbose)
        return speak(synthesizer, job, store, verbose)

    def speak(self, text: str | SynthesisJob, retries: int = 0, best_of: int = 1, **options: Any) -> Take:
        """Generate speech for one script as a `Take`: audio, seed, codes, times of turns and words, and faults.

        Arguments and errors are those of `pieces`.
        """
        return join_pieces(self.pieces(text, retries=retries, best_of=best_of, **options))

    def stream(
        self,
        text: str | SynthesisJob,
        *,
        timeout: float | None = None,
        long_form: bool | None = None,
        cancel: Event | None = None,
        on_piece: Callable[[Piece], object] | None = None,
        use_torch_compile: bool = False,
        verbose: bool = False,
        **options: "Unpack[Options]",
    ) -> Iterator[Waveform]:
        """Generate speech for one script and return the audio in chunks while it is generated.

        The first chunk is short and is returned as soon as its audio is final; later chunks are longer. Long scripts
        are streamed, too. A worker thread starts with the first `next` and stops at the next frame when the iterator
        is closed, deleted, or left by an exception.

        Args:
            text: `[S1] … [S2] …`, or a job, whose retries are ignored.
            timeout: seconds to wait for the next chunk; None waits indefinitely.
            long_form: as in `generate`.
            cancel: an event; once another thread sets it, the work stops at its next frame and the iterator ends.
            on_piece: called with each piece of `pieces` when it is finished, in a thread of the work.
            use_torch_compile: as in `generate`.
            verbose: print device and dtype.
            **options: the other arguments of `generate`, such as `seed` and `audio_prompt`, for one script.

        Returns:
            An iterator over float32 arrays [N] at `sample_rate`. Concatenated, they equal the result of `generate`.

        Raises:
            TypeError, ValueError: as in `generate`, or the model was loaded without its codec. Errors that need no
                model are raised at once, others by the iterator.
            TimeoutError: from the iterator, if a chunk does not arrive in time.
        """
        synthesizer = replace(self.synthesizer, cancel=cancel)
        job = job_of(synthesizer, text, None, long_form, **options)
        chunks = stream_job(synthesizer, job, timeout, on_piece)
        self._prepare([job], use_torch_compile, verbose)
        return ClosingIterator(chunks)

    def read(self, text: str, **options: "Unpack[ReadingOptions]") -> Script:
        """Parse a script: its turns, its normalized text and its warnings.

        Options are `normalize`, `speakers`, `text_format` and `keep_timing`, as in `generate`.

        Raises:
            TypeError, ValueError: the script is invalid; the message says why.
        """
        return read_script(self.synthesizer, text, **options)

    def is_long(self, text: str | SynthesisJob, **options: "Unpack[Options]") -> bool:
        """Whether a script is generated in parts, because it is too long for one pass or contains pauses.

        Arguments and errors are those of `job`.
        """
        return job_of(self.synthesizer, text, **options).long_form

    def save_audio(
        self,
        path: str | Path | Sequence[str | Path],
        audio: Any,
        seed: int | None = None,
        metadata: Any = None,
        watermark: bool = False,
    ) -> None:
        """Write the result of `generate` to a file in the format of its suffix, marked as synthetic speech.

        Args:
            path: a path, or a list of paths for a list of waveforms.
            audio: [N] at `sample_rate`, array or tensor, or a list of them.
            seed: the seed of the generation, which is stored with model and version.
            metadata: `{"title": …, "artist": …, "comment": …, "chapters": [(seconds, title), …]}`.
            watermark: also put an inaudible watermark with model and seed into the sound, see docs/provenance.md.

        Raises:
            ImportError, TypeError, ValueError: the format needs an extra, or an argument is invalid.
        """
        save(audio, path, self.sample_rate, self.provenance(seed), metadata, watermark)

    def provenance(self, seed: int | None = None) -> Provenance:
        """The model, version and seed to store in audio files."""
        return Provenance(public_name(str(self.model.name_or_path or "")), seed)

    def watermarker(self, seed: int | None = None) -> Watermarker:
        """A watermarker for audio of this model that is not written by `save_audio`, such as the chunks of `stream`.

        `seed` is stored in the watermark if it has at most 32 bits.
        """
        origin = self.provenance(seed)
        return Watermarker(self.sample_rate, Payload.of(origin.model, origin.seed))

    def load_audio(self, path: Any) -> Tensor:
        """Read a recording, a path or another input of `DiaFeatureExtractor`, as codes [T, C] for `audio_prompt`.

        docs/voices.md describes how it is prepared. Flaws are reported as `dia.DiaWarning`.

        Raises:
            FileNotFoundError: the file does not exist.
            ValueError: the recording is unusable, or the codec was not loaded; the message gives the remedy.
        """
        recording = encode_recording(path, "", self.processor, name="path")
        for remark in recording.remarks:
            warnings.warn(f"about the recording: {remark}", DiaWarning, stacklevel=2)
        return recording.codes

    def match(
        self,
        voice: str | Path | Voice,
        recording: Any,
        sampling_rate: int | None = None,
        takes: int = TAKES,
        seed: int = 0,
    ) -> Voice:
        """Match the timbre of a voice to its recording, for a model that copies voices less well, as the embedded one.

        The model says the words of the recording several times. What differs from the recording is learned, and
        corrected in all speech of this model in the voice that is returned. See docs/voices.md.

        Args:
            voice: a voice with one speaker, its name or file.
            recording: what the voice was made from, as for `Voice.from_audio`.
            sampling_rate: Hz, if `recording` does not state its own; by default `sample_rate`.
            takes: how often the words are said, 1 to 64.
            seed: the first of consecutive seeds.

        Raises:
            TypeError, ValueError, FileNotFoundError: the voice cannot be matched; the message says why.
        """
        return match(self.synthesizer, find_voice(voice), recording, sampling_rate, takes, seed)

    def _prepare(self, jobs: Sequence[SynthesisJob], compile: bool, verbose: bool) -> None:
        for remark in dict.fromkeys(remark for job in jobs for remark in job.remarks):
            warnings.warn(remark, DiaWarning, stacklevel=3)
        if compile:
            compiled(self.model)
        if verbose:
            print(f"Dia on {self.device}, {str(self.dtype).removeprefix('torch.')}", file=sys.stderr)


__all__ = ["REAL", "Dia", "choose_device", "choose_dtype"]
