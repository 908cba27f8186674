"""Trains a small Dia from nothing on codes: `python -m dia.training.language CODES OUT`.

Knows the model, batches of scripts and the clock. Knows nothing of audio; the codes come from a codec that is frozen.
"""

import argparse
import json
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dia.configuration_dia import DiaConfig, DiaDecoderConfig
from dia.grid import IGNORED, Channels, labels_of
from dia.modeling_dia import DiaForConditionalGeneration
from dia.training.alignment import AttentionProbe, WordLengths
from dia.training.encoding import CodeCache, CodedClip
from dia.training.scripts import Batch, Clip, Composer, Mixture, collate, compose

UNTIMED_STEPS = 5  # compilation is not training
LONGEST_STEP = 10.0  # seconds; a process that was stopped and continued has not trained meanwhile


@dataclass(frozen=True)
class Recipe:
    """Every choice of the training run; defaults are those of the embedded model.

    `rows` is the batch in padded grid rows. The learning rate warms up over `warmup` steps, then falls on a cosine
    to a twentieth at `minutes`. For the first `gentle` of the time no clip is longer than `gentle_frames` and no two
    are joined. Channel c counts 1/(c + 1) in the loss. Text is dropped (for guidance) and input codes are replaced at
    random with the probabilities named so; whole rows of them with the probability
    `row_noise`, which falls from its first value to its second: while what was said before is not to be trusted, the
    text is what tells the next sound.
    """

    minutes: float = 75.0
    rows: int = 1200
    learning_rate: float = 1e-3
    warmup: int = 150
    gentle: float = 0.15
    gentle_frames: int = 90
    text_dropout: float = 0.12
    code_noise: float = 0.02
    row_noise: tuple[float, float] = (0.3, 0.05)
    guided: float = 0.2
    guided_layers: tuple[int, ...] = (1, 2)
    average: float = 0.998
    mixture: Mixture = field(default_factory=Mixture)
    seed: int = 0
    report_minutes: float = 2.0
    save_minutes: float = 3.0


def mini_config(codebook_size: int, channels: int) -> DiaConfig:
    """The embedded model's config for a codec of `channels` codebooks: EOS, PAD, BOS follow the codes."""
    heads: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 4}
    encoder = {
        "max_position_embeddings": 512,
        "num_hidden_layers": 3,
        "hidden_size": 192,
        "intermediate_size": 512,
        "head_dim": 48,
        **heads,
    }
    decoder = {
        "max_position_embeddings": 2048,
        "num_hidden_layers": 5,
        "hidden_size": 256,
        "intermediate_size": 768,
        "head_dim": 64,
        "cross_num_attention_heads": 4,
        "cross_num_key_value_heads": 4,
        "cross_head_dim": 64,
        "cross_hidden_size": 192,
        "num_channels": channels,
        "vocab_size": codebook_size + 3,
        "eos_token_id": codebook_size,
        "pad_token_id": codebook_size + 1,
        "bos_token_id": codebook_size + 2,
        **heads,
    }
    return DiaConfig(encoder_config=encoder, decoder_config=decoder, delay_pattern=list(range(channels)))


def read_clips(folder: Path, edge_seconds: float = 0.1) -> tuple[list[Clip], list[Clip], int]:
    """The code cache in `folder` as clips to learn, clips held out and the codebook size.

    The same words in the same voice, encoded at several frame shifts, are one clip; `edge_seconds` of quiet stand at
    either end of each.
    """
    shifts: dict[tuple[str, str, str], list[CodedClip]] = {}
    for row in CodeCache(folder).rows:
        shifts.setdefault((row.split, row.speaker, row.text), []).append(row)
    first = [rows[0] for rows in shifts.values()]
    frames, seconds = sum(len(row.codes) for row in first), sum(row.seconds for row in first)
    lengths = WordLengths(
        [row.text for row in first],
        [row.speaker for row in first],
        [len(row.codes) for row in first],
        edge_seconds * frames / seconds,
    )
    sides: dict[str, list[Clip]] = {"train": [], "heldout": []}
    for (split, speaker, text), rows in shifts.items():
        codes = [torch.from_numpy(row.codes.astype("int16")) for row in rows]
        places = [torch.from_numpy(lengths.places(text, speaker, len(row.codes))).float() for row in rows]
        sides[split].append(Clip(codes, text, speaker, places))
    highest = max(int(row.codes.max()) for row in first)
    return sides["train"], sides["heldout"], 2 ** math.ceil(math.log2(highest + 1))


def channels_of(config: DiaConfig) -> Channels:
    """The delays and special ids of a config."""
    decoder, pattern = config.decoder_config, config.delay_pattern
    assert isinstance(decoder, DiaDecoderConfig)
    assert pattern is not None
    ids = (decoder.bos_token_id, decoder.eos_token_id, decoder.pad_token_id)
    bos, eos, pad = (int(token) for token in ids if isinstance(token, int))
    return Channels(list(pattern), bos, eos, pad)


@torch.no_grad()
def initialise(model: DiaForConditionalGeneration) -> None:
    """Weights for training from nothing: 1/sqrt(width) everywhere, the attention's missing 1/sqrt(head width) inside
    the query weights, and what is added to the residual stream shrunk by its depth."""
    for part in (model.model.encoder, model.model.decoder):
        depth = len(part.layers)
        for name, module in part.named_modules():
            if isinstance(module, nn.Linear):
                scale = module.in_features**-0.5
                if name.endswith("q_proj"):
                    scale *= (module.out_features // part.config.num_attention_heads) ** -0.5
                if name.endswith(("o_proj", "down_proj")):
                    scale *= (2 * depth) ** -0.5
                module.weight.normal_(0.0, scale)
            elif isinstance(module, nn.Embedding):
                module.weight.normal_(0.0, 0.5)
    model.logits_dense.weight.normal_(0.0, 0.02)


def optimiser_for(model: nn.Module, learning_rate: float) -> torch.optim.AdamW:
    """AdamW; queries, whose weights are small by construction, learn at a quarter of the rate, vectors undecayed."""
    queries: list[nn.Parameter] = []
    matrices: list[nn.Parameter] = []
    vectors: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        group = vectors if parameter.ndim < 2 else queries if "q_proj" in name else matrices
        group.append(parameter)
    groups = [
        {"params": queries, "factor": 0.25, "weight_decay": 0.05},
        {"params": matrices, "factor": 1.0, "weight_decay": 0.05},
        {"params": vectors, "factor": 1.0, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.98), fused=True)


def channel_losses(model: DiaForConditionalGeneration, batch: Batch, text: Tensor, inputs: Tensor) -> Tensor:
    """Mean cross entropy of each channel, [C]; `text` and `inputs` stand in for the batch's own."""
    logits = model(input_ids=text, attention_mask=batch.text_mask, decoder_input_ids=inputs, use_cache=False).logits
    labels = labels_of(batch.grid, channels_of(model.config)).transpose(1, 2).flatten(0, 1)  # [B · C, R]
    losses = nn.functional.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
    )
    losses = losses.unflatten(0, (len(text), -1, inputs.shape[1]))  # [B, C, R]
    labelled = (labels != IGNORED).view_as(losses)
    return losses.sum((0, 2)) / labelled.sum((0, 2)).clamp_min(1)


def disturb(
    batch: Batch, recipe: Recipe, row_noise: float, eos: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Text with whole rows zeroed, input grid with codes replaced, and the alignment weights that remain."""
    dropped = torch.rand(len(batch.text), 1, generator=generator) < recipe.text_dropout
    inputs = batch.grid[:, :-1]
    noise = torch.rand(inputs.shape, generator=generator) < recipe.code_noise
    noise |= torch.rand(*inputs.shape[:2], 1, generator=generator) < row_noise
    random_codes = torch.randint(0, eos, inputs.shape, generator=generator)
    inputs = torch.where(noise & (inputs < eos), random_codes, inputs)
    return batch.text.masked_fill(dropped, 0), inputs, batch.weight.masked_fill(dropped, 0.0)


class Trainer:
    """The run: model, running average, optimiser and clock; stopping and resuming leaves the schedule as it was.

    Args:
        clips: what is learnt; their codes and places give the config's channels.
        held_out: clips with texts never trained on, for the reports.
        config: of the model.
        recipe: of the run.
        folder: for `state.pt`, `log.jsonl` and `model/`, the averaged model as transformers saves it.
    """

    def __init__(
        self, clips: Sequence[Clip], held_out: Sequence[Clip], config: DiaConfig, recipe: Recipe, folder: Path
    ) -> None:
        torch.manual_seed(recipe.seed)
        config._attn_implementation = "eager"  # a third faster than CPU flash attention at these lengths
        self.recipe, self.folder, self.channels = recipe, folder, channels_of(config)
        self.model = DiaForConditionalGeneration(config)
        initialise(self.model)
        self.average = DiaForConditionalGeneration(config).eval()
        self.average.load_state_dict(self.model.state_dict())
        decoder = self.model.model.decoder
        names = [f"layers.{index}.cross_attention" for index in recipe.guided_layers]
        self.probe = AttentionProbe([decoder.get_submodule(name) for name in names])
        self.optimiser = optimiser_for(self.model, recipe.learning_rate)
        self.composer = Composer(clips, recipe.seed)
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.validation = validation_batches(held_out, self.channels)
        self.step, self.elapsed = 0, 0.0

    @property
    def progress(self) -> float:
        """The share of the time that is spent, 0 to 1."""
        return min(1.0, self.elapsed / (60 * self.recipe.minutes))

    def learning_rate(self) -> float:
        """The rate at this moment of the schedule."""
        warm = min(1.0, (self.step + 1) / self.recipe.warmup)
        return self.recipe.learning_rate * warm * (0.05 + 0.475 * (1 + math.cos(math.pi * self.progress)))

    def run(self) -> None:
        """Train until the time is spent, reporting and saving on the way."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.resume()
        reported, saved, losses, first = self.elapsed, self.elapsed, list[list[float]](), self.step
        while self.progress < 1.0:
            for batch in self._batches():
                began = time.perf_counter()
                losses.append(self.train_step(batch))
                if self.step - first > UNTIMED_STEPS:
                    self.elapsed += min(time.perf_counter() - began, LONGEST_STEP)
                if self.elapsed - reported >= 60 * self.recipe.report_minutes:
                    self.report(losses)
                    reported, losses = self.elapsed, []
                if self.elapsed - saved >= 60 * self.recipe.save_minutes:
                    self.save()
                    saved = self.elapsed
                if self.progress >= 1.0:
                    break
        self.report(losses)
        self.save()

    def _batches(self) -> Iterator[Batch]:
        recipe = self.recipe
        gentle = self.progress < recipe.gentle
        mixture = Mixture(few=0.0, many=0.0) if gentle else recipe.mixture
        return self.composer.batches(self.channels, mixture, recipe.rows, recipe.gentle_frames if gentle else None)

    def train_step(self, batch: Batch) -> list[float]:
        """One update; returns the total loss, the alignment term and channel 0's cross entropy."""
        recipe, rate = self.recipe, self.learning_rate()
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["factor"]
        first, last = recipe.row_noise
        noise = first + (last - first) * self.progress
        text, inputs, weight = disturb(batch, recipe, noise, self.channels.eos, self.generator)
        self.model.train()
        with torch.autocast("cpu", torch.bfloat16):
            channels = channel_losses(self.model, batch, text, inputs)
            aligned = self.probe.loss(batch.places, batch.text_mask, weight)
        weights = 1 / (1 + torch.arange(len(channels)))
        loss = (channels * weights).sum() / weights.sum() + recipe.guided * aligned
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        self._follow()
        return [float(loss.detach()), float(aligned.detach()), float(channels[0].detach())]

    @torch.no_grad()
    def _follow(self) -> None:
        keep = min(self.recipe.average, self.step / (self.step + 20))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - keep)

    def report(self, losses: Sequence[Sequence[float]]) -> dict[str, Any]:
        """Measure the averaged model on held-out clips; the line goes to `log.jsonl` and is returned."""
        own, swapped = measure(self.average, self.validation)
        train = torch.tensor(losses).mean(0).tolist() if losses else []
        line = {
            "minutes": round(self.elapsed / 60, 2),
            "step": self.step,
            "rate": round(self.learning_rate(), 6),
            "train": [round(value, 4) for value in train],
            "validation": [round(value, 4) for value in own.tolist()],
            "gap": round(float(swapped[0] - own[0]), 4),
        }
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        print(line, flush=True)
        return line

    def save(self) -> None:
        """Write the state, then the averaged model; each appears whole or not at all."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "clock": [self.step, self.elapsed],
            "composer": self.composer.rng.getstate(),
            "generator": self.generator.get_state(),
        }
        unfinished = self.folder / "state.part"
        torch.save(state, unfinished)
        unfinished.replace(self.folder / "state.pt")
        self.average.save_pretrained(self.folder / "model")

    def resume(self) -> bool:
        """Go on where `state.pt` stopped; false where there is none."""
        path = self.folder / "state.pt"
        if not path.exists():
            return False
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.elapsed = state["clock"]
        version, internal, gauss = state["composer"]
        self.composer.rng.setstate((version, tuple(internal), gauss))
        self.generator.set_state(state["generator"])
        return True


def validation_batches(held_out: Sequence[Clip], channels: Channels, count: int = 192) -> list[Batch]:
    """Single held-out clips at their first shift, each batch of one speaker only, so that swapping texts inside a
    batch changes the words and never the voice."""
    batches = []
    for speaker in ("S1", "S2"):
        clips = [clip for clip in held_out if clip.speaker == speaker][: count // 2]
        scripts = [compose([clip._replace(codes=clip.codes[:1])], random.Random(0)) for clip in clips]
        batches += [collate(scripts[i : i + 32], channels) for i in range(0, len(scripts), 32)]
    return batches


@torch.no_grad()
def measure(model: DiaForConditionalGeneration, batches: Sequence[Batch]) -> tuple[Tensor, Tensor]:
    """Cross entropy per channel, [C], with each row's own text and with the text of the row before it."""
    own, swapped = [], []
    with torch.autocast("cpu", torch.bfloat16):
        for batch in batches:
            inputs = batch.grid[:, :-1]
            own.append(channel_losses(model, batch, batch.text, inputs))
            other = batch._replace(text_mask=batch.text_mask.roll(1, 0))
            swapped.append(channel_losses(model, other, batch.text.roll(1, 0), inputs))
    return torch.stack(own).mean(0), torch.stack(swapped).mean(0)


def compile_layers(model: DiaForConditionalGeneration) -> None:
    """Compile every layer for any batch and length. About two minutes once, then a quarter faster on a CPU."""
    torch._dynamo.config.skip_nnmodule_hook_guards = False  # the probed layers carry hooks, the others do not
    torch._dynamo.config.recompile_limit = 64
    for layer in (*model.model.encoder.layers, *model.model.decoder.layers):
        layer.compile(dynamic=True)


def main() -> None:
    """`python -m dia.training.language CODES OUT`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("codes", type=Path, help="folder of `dia.training.encoding`")
    parser.add_argument("out", type=Path, help="folder for state, log and model; a run there is resumed")
    parser.add_argument("--minutes", type=float, default=Recipe.minutes, help="length of the whole run")
    parser.add_argument("--rows", type=int, default=Recipe.rows, help="batch size in grid rows")
    parser.add_argument("--learning-rate", type=float, default=Recipe.learning_rate)
    parser.add_argument("--compile", action="store_true", help="compile the layers; needs a C++ compiler")
    arguments = parser.parse_args()
    clips, held_out, codebook_size = read_clips(arguments.codes)
    recipe = Recipe(minutes=arguments.minutes, rows=arguments.rows, learning_rate=arguments.learning_rate)
    config = mini_config(codebook_size, clips[0].codes[0].shape[1])
    trainer = Trainer(clips, held_out, config, recipe, arguments.out)
    print(f"{len(clips)} clips, {len(held_out)} held out, {trainer.model.num_parameters():,} parameters", flush=True)
    if arguments.compile:
        compile_layers(trainer.model)
    trainer.run()


if __name__ == "__main__":
    main()
