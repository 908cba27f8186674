"""Codes drawn by a model that is given some of the teacher's codes: all before, some channels, or a prefix.

Knows the model and codes. Knows nothing of words or of sound.

Shapes: T frames, C channels, V ids of one channel, R grid rows.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from evaluation.speaking import Speaker
from torch import Tensor
from transformers import LogitsProcessor, TopKLogitsWarper

from dia.decoding.grid import Channels, prefill
from dia.decoding.guidance import DiaGuidanceLogitsProcessor

AT_ONCE = 20
WINDOW = 12  # rows
_MINUS_INF = float("-inf")


@dataclass(frozen=True)
class Sampling:
    """How codes are drawn: 0 as `temperature` takes the best one; `per_channel` replaces it for every channel.

    With `top_k`, guidance selects candidates; without (0), the guided logits are drawn from. `recent` forbids codes
    of channel 0 that make up at least that many of its last `WINDOW` codes.
    """

    temperature: float = 0.4
    guidance: float = 2.0
    top_k: int = 20
    top_p: float = 1.0
    per_channel: tuple[float, ...] | None = None
    recent: int | None = None

    @classmethod
    def of(cls, generation_config: Any) -> "Sampling":
        """The defaults of a checkpoint."""
        names = {"temperature": "temperature", "guidance": "guidance_scale", "top_p": "top_p"}
        given = {own: getattr(generation_config, name) for own, name in names.items()}
        known = {own: value for own, value in given.items() if value is not None}
        return cls(**{"temperature": 1.0, "guidance": 1.0, **known}, top_k=generation_config.top_k or 0)

    def arguments(self) -> dict[str, Any]:
        """The arguments of `generate()`, without rules."""
        if self.temperature == 0:
            return {"do_sample": False, "guidance_scale": self.guidance, "top_k": self.top_k, "temperature": 1.0}
        temperature = 1.0 if self.per_channel else self.temperature
        drawn = {"top_k": self.top_k, "top_p": self.top_p, "temperature": temperature}
        return {"do_sample": True, "guidance_scale": self.guidance, **drawn}

    def rules(self, channels: int) -> list[LogitsProcessor]:
        """The rules of `generate()` beside its arguments, for a model of so many channels."""
        own: list[LogitsProcessor] = []
        if self.per_channel:
            own.append(ChannelTemperature(self.per_channel))
        if self.recent:
            own.append(LessRepetition(self.recent, channels))
        return own


class ChannelTemperature(LogitsProcessor):
    """Divides the scores of each channel by its own temperature."""

    def __init__(self, temperatures: Sequence[float]) -> None:
        self.temperatures = torch.tensor(temperatures)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """[B · C, V] to [B · C, V]."""
        return (scores.unflatten(0, (-1, len(self.temperatures))) / self.temperatures[:, None]).flatten(0, 1)


class LessRepetition(LogitsProcessor):
    """Excludes codes of channel 0 that were drawn at least `most` times in its last `WINDOW` rows."""

    def __init__(self, most: int, channels: int) -> None:
        self.most, self.channels = most, channels

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """[B · C, V] to [B · C, V]."""
        recent = input_ids[:: self.channels, -WINDOW:]
        counts = torch.zeros_like(scores[:: self.channels]).scatter_add_(
            1, recent, torch.ones_like(recent, dtype=scores.dtype)
        )
        grid = scores.clone()
        grid[:: self.channels] = grid[:: self.channels].masked_fill(counts >= self.most, _MINUS_INF)
        return grid


class ForcedChannels(LogitsProcessor):
    """Gives the first `count` channels the codes of a clip each, and channel 0 its end."""

    def __init__(self, codes: Sequence[Tensor], channels: Channels, count: int) -> None:
        self.codes, self.channels, self.count = codes, channels, count

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """[B · C, V] to [B · C, V]."""
        grid = scores.unflatten(0, (len(self.codes), -1)).clone()
        for clip, codes in enumerate(self.codes):
            for channel in range(self.count):
                frame = input_ids.shape[1] - 1 - self.channels.pattern[channel]
                if 0 <= frame <= len(codes):
                    wanted = int(codes[frame, channel]) if frame < len(codes) else self.channels.eos
                    if frame == len(codes) and channel:
                        continue  # the end of the others follows from that of channel 0
                    grid[clip, channel] = _MINUS_INF
                    grid[clip, channel, wanted] = 0.0
        return grid.flatten(0, 1)


class Forcing:
    """A model and the scripts and teacher's codes that it is given.

    Args:
        speaker: the model.
        scripts: with the speaker's tag, numbers as words.
        codes: of the teacher's sound, one [T, C] for each script.

    A clip's noise follows from its script and the seed, so that it is the same whatever else is measured.
    """

    def __init__(self, speaker: Speaker, scripts: Sequence[str], codes: Sequence[Tensor]) -> None:
        self.speaker, self.scripts, self.codes = speaker, scripts, codes
        self.keys = [zlib.crc32(script.encode()) for script in scripts]
        self.channels = Channels.of(speaker.model.config)
        self.size = speaker.model.config.get_text_config().vocab_size

    @torch.no_grad()
    def logits(self, index: int, codes: Tensor) -> Tensor:
        """Logits of every code of a clip given the codes before it: [2, C, T, V], with and without the text."""
        ids = self.speaker.processor.tokenizer([self.scripts[index]], return_tensors="pt")["input_ids"]
        frames, pattern = len(codes), self.channels.pattern
        rows = prefill([codes], 0, self.channels, closed=True)[0][:, : frames + max(pattern)]
        outputs = self.speaker.model(
            input_ids=torch.cat([ids, torch.zeros_like(ids)]), decoder_input_ids=rows.repeat(2, 1, 1), use_cache=False
        )
        logits = outputs.logits.float().unflatten(0, (2, -1))  # [2, C, R, V]
        return torch.stack([logits[:, channel, rows : rows + frames] for channel, rows in enumerate(pattern)], 1)

    def forced(self, sampling: Sampling, seed: int, drawn: Sequence[int] | None = None) -> list[Tensor]:
        """Every code drawn given the teacher's before it. Of the channels not in `drawn` the teacher's codes stay.

        All channels of a frame are drawn given the teacher's lower channels, so they need not fit each other.
        """
        chosen = list(range(len(self.channels.pattern)) if drawn is None else drawn)
        made = []
        for index, codes in enumerate(self.codes):
            own = self.draw(self.logits(index, codes), sampling, seed + self.keys[index])
            mixed = codes.clone()
            mixed[:, chosen] = own[:, chosen]
            made.append(mixed)
        return made

    def forced_fitting(self, sampling: Sampling, seed: int, count: int | None = None) -> list[Tensor]:
        """As `forced`, channel by channel: each given the drawn codes of the lower channels, so that they fit.

        The first `count` channels are drawn, all by default.
        """
        made = []
        for index, codes in enumerate(self.codes):
            mixed = codes.clone()
            for channel in range(count or codes.shape[1]):
                mixed[:, channel] = self.draw(self.logits(index, mixed), sampling, seed + self.keys[index])[:, channel]
            made.append(mixed)
        return made

    def draw(self, logits: Tensor, sampling: Sampling, seed: int) -> Tensor:
        """Codes [T, C] from logits [2, C, T, V]; the end of speech is never drawn."""
        conditional, unconditional = (half.flatten(0, 1) for half in logits)
        scores = conditional
        if sampling.guidance != 1:
            rule = DiaGuidanceLogitsProcessor(sampling.guidance, sampling.top_k or None)
            scores = rule(torch.empty(len(scores), 1), torch.cat([conditional, unconditional]))
        elif sampling.top_k:
            scores = TopKLogitsWarper(sampling.top_k)(torch.empty(len(scores), 1), scores)
        scores = scores[:, : self.channels.eos].unflatten(0, logits.shape[1:3])  # [C, T, codes]
        if sampling.temperature == 0:
            return scores.argmax(-1).T
        each = sampling.per_channel or (sampling.temperature,) * len(scores)
        likely = (scores / torch.tensor(each)[:, None, None]).softmax(-1)
        noise = torch.empty_like(likely).exponential_(generator=torch.Generator().manual_seed(seed))
        return (likely / noise).argmax(-1).T

    def free(self, sampling: Sampling, seed: int, prefix: int = 0, forced_channels: int = 0) -> list[Tensor]:
        """Every code drawn given the drawn ones, as `generate()` does, cut off at twice the teacher's time and 2 s.

        Args:
            sampling: how codes are drawn.
            seed: of the first clip; the next has the next.
            prefix: frames of the teacher that the model goes on from; they are part of the result.
            forced_channels: the number of channels that have the teacher's codes throughout.
        """
        order = sorted(range(len(self.codes)), key=lambda index: len(self.codes[index]))
        made: dict[int, Tensor] = {}
        for first in range(0, len(order), AT_ONCE):
            chosen = order[first : first + AT_ONCE]
            made |= zip(chosen, self._together(chosen, sampling, seed, prefix, forced_channels), strict=True)
        return [made[index] for index in range(len(self.codes))]

    def _together(self, chosen: Sequence[int], sampling: Sampling, seed: int, prefix: int, count: int) -> list[Tensor]:
        processor, codes = self.speaker.processor, [self.codes[index] for index in chosen]
        prompts = [clip[:prefix] for clip in codes] if prefix else None
        inputs = processor(text=[self.scripts[index] for index in chosen], audio=prompts)
        rules = sampling.rules(len(self.channels.pattern)) + (
            [ForcedChannels(codes, self.channels, count)] if count else []
        )
        limit = 2 * max(map(len, codes)) + math.ceil(2 * processor.frame_rate) + max(self.channels.pattern)
        grids = self.speaker.model.generate(
            **inputs,
            **sampling.arguments(),
            logits_processor=rules or None,
            generator=[torch.Generator().manual_seed(seed + self.keys[index]) for index in chosen],
            max_new_tokens=limit,
        )
        return list(processor.undelayed_codes(grids))

    def losses(self, index: int) -> Tensor:
        """For every code of the teacher of a clip, [3, C, T]: its loss in nat, how much less that is than without the
        text, and whether it is the model's best."""
        codes = self.codes[index]
        logits = self.logits(index, codes)
        places = codes.T[None, ..., None].expand(2, -1, -1, 1)  # [2, C, T, 1]
        given, alone = -logits.log_softmax(-1).gather(-1, places)[..., 0]
        best = logits[0, ..., : self.channels.eos].argmax(-1)
        return torch.stack([given, alone - given, (best == codes.T).float()])

    def likelihoods(self, clips: Sequence[Tensor]) -> list[tuple[float, float]]:
        """For each clip the mean log likelihood of a code in nat, and by how much the text raises it."""
        found = []
        for index, codes in enumerate(clips):
            if not len(codes):
                found.append((-math.inf, -math.inf))
                continue
            places = codes.T[None, ..., None].expand(2, -1, -1, 1)  # [2, C, T, 1]
            given, alone = self.logits(index, codes).log_softmax(-1).gather(-1, places).mean((1, 2, 3)).tolist()
            found.append((given, given - alone))
        return found
