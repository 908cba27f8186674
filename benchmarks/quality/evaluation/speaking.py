"""Run the model under test, or its codec alone, on many scripts in batches."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from evaluation.held_out import TEACHER_RATE
from tqdm import tqdm

from dia import DiaForConditionalGeneration, DiaProcessor
from dia.audio.waveform import Waveform
from dia.codec import dac as codec
from dia.model import choose_dtype

AT_ONCE = 25


class Line(NamedTuple):
    """A script, the duration of the teacher's speech of it, and a waveform at `TEACHER_RATE` to continue."""

    script: str
    seconds: float
    prompt: Waveform | None = None


class Spoken(NamedTuple):
    """A waveform [N] without its prompt, and whether it ended on its own."""

    audio: Waveform
    ended: bool


class Speaker:
    """A checkpoint in the dtype that `dia say` uses.

    Args:
        folder: of the checkpoint.
    """

    def __init__(self, folder: Path) -> None:
        model = DiaForConditionalGeneration.from_pretrained(folder)
        self.model = model.to(choose_dtype(torch.device("cpu"), model.num_parameters())).eval()
        self.processor = DiaProcessor.from_pretrained(folder)
        self.rate = self.processor.sampling_rate

    def say(
        self, lines: Sequence[Line], seed: int, what: str = "speaking", final_stop: bool | None = None, **settings: Any
    ) -> list[Spoken]:
        """Speak `lines` in batches of similar length; the batch does not change a line.

        A line is cut off after twice the teacher's duration plus two seconds. `final_stop` is the processor's, and
        `settings` are those of `generate`.
        """
        order = sorted(range(len(lines)), key=lambda index: lines[index].seconds)
        spoken: dict[int, Spoken] = {}
        with tqdm(total=len(lines), desc=what, leave=False) as bar:
            for first in range(0, len(order), AT_ONCE):
                chosen = order[first : first + AT_ONCE]
                seeds = [seed + index for index in chosen]
                said = self._together([lines[index] for index in chosen], seeds, final_stop, settings)
                spoken |= zip(chosen, said, strict=True)
                bar.update(len(chosen))
        return [spoken[index] for index in range(len(lines))]

    def _together(
        self, lines: Sequence[Line], seeds: Sequence[int], final_stop: bool | None, settings: dict[str, Any]
    ) -> list[Spoken]:
        prompts = [line.prompt for line in lines]
        audio = None if all(prompt is None for prompt in prompts) else prompts
        scripts = [line.script for line in lines]
        closing = {} if final_stop is None else {"final_stop": final_stop}
        inputs = self.processor(text=scripts, audio=audio, sampling_rate=TEACHER_RATE, **closing)
        leading = self.processor.get_audio_prompt_len(inputs["decoder_attention_mask"])
        seconds = 2 * max(line.seconds for line in lines) + 2
        limit = math.ceil(seconds * self.processor.frame_rate) + max(self.processor.delay_pattern)
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        grids = self.model.generate(**inputs, generator=generators, max_new_tokens=limit, **settings)
        ended = (grids[..., 0] == self.processor.eos_token_id).any(-1).tolist()
        waveforms = self.processor.batch_decode(grids, audio_prompt_len=leading)
        return [Spoken(waveform.numpy(), end) for waveform, end in zip(waveforms, ended, strict=True)]

    def codes(self, audio: Sequence[Waveform], what: str = "encoding") -> list[torch.Tensor]:
        """Codes [T, C] of waveforms at `TEACHER_RATE`."""
        bar = tqdm(audio, what, leave=False)
        return [self.processor.encode_audio([clip], sampling_rate=TEACHER_RATE)[0] for clip in bar]

    def through_codec(self, audio: Sequence[Waveform]) -> list[Waveform]:
        """Waveforms at `TEACHER_RATE`, encoded and decoded; the result is at `rate`."""
        dac = self.processor.audio_tokenizer
        assert dac is not None
        bar = tqdm(self.codes(audio), "codec alone", leave=False)
        return [codec.decode(dac, [codes])[0].numpy() for codes in bar]
