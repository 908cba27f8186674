"""`CodecTrainer`: train a `DacModel` in stages, with a running average, a log and a state that can be resumed."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DacModel

from dia.codec.identity import checksum
from dia.training.codec.codebooks import MOST_ROWS, CodebookUse, fit_codebooks_to_audio
from dia.training.codec.discriminator import Adversary
from dia.training.codec.initialization import in_half_precision
from dia.training.codec.losses import SpectralLoss
from dia.training.codec.recipe import CodecProgress, CodecRecipe, learning_rate_at
from dia.training.codec.state import (
    State,
    check_disk_space,
    check_origin,
    check_sizes,
    read_state,
    sizes_of,
    write_state,
)
from dia.training.journal import Journal, Means
from dia.training.muon import Muon

START_BATCHES = 12
LONGEST_STEP = 10.0  # seconds that a step counts at most, in case the process was suspended

Batches = Callable[[int], Iterator[Tensor]]
PredictedBatches = Callable[[int], Iterator[tuple[Tensor, Tensor]]]
Measure = Callable[[DacModel], dict[str, Any]]


class Diverged(ArithmeticError):
    """A loss or a gradient is not finite. The message names the step and the last state."""


class CodecTrainer:
    """Trains a codec in stages, and keeps a running average of its weights in `average`.

    Args:
        codec: on the device to train on.
        batches: called with n, returns an endless iterator over batches from number n on: fp32 audio [B, samples],
            where samples is a multiple of the codec's hop length.
        folder: for `state.pt` and `log.jsonl`.
        measure: returns the figures of a codec on held-out audio; called whenever the state is saved.
        write_samples: called with the averaged codec and a name such as "joint-000500".
        sample_every: number of saved states between two calls of `write_samples`.
        predicted: like `batches`, but of pairs: audio [K, samples] and int64 codes [K, T, C] that a language model
            predicts for it. In a decoder stage they replace the last K excerpts of a batch and their codes, so that
            the decoder learns to make the best of such codes.

    Raises:
        OSError: there is too little disk space for `folder`.
    """

    def __init__(
        self,
        codec: DacModel,
        batches: Batches,
        folder: Path,
        measure: Measure | None = None,
        write_samples: Callable[[DacModel, str], None] | None = None,
        sample_every: int = 5,
        predicted: PredictedBatches | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.codec, self.folder = codec.train(), folder
        self.measure, self.write_samples, self.sample_every = measure, write_samples, sample_every
        self._restart_average()
        check_disk_space(folder, self.average)
        self._origin = checksum(self.average[name] for name in sorted(self.average))
        self.progress, self.journal = CodecProgress(), Journal(folder)
        self.loss = SpectralLoss(codec.config.sampling_rate).to(codec.device)
        self.use = CodebookUse(codec)
        self.adversary: Adversary | None = None
        self.saves = 0
        self._batches, self._predicted = batches, predicted
        self._draw_from(0)
        self._resumed: State | None = None
        self._means = Means()

    def run(self, recipe: CodecRecipe) -> None:
        """Run one stage, or the rest of it.

        Raises:
            Diverged: a loss is not finite.
            OSError: the state cannot be saved.
        """
        if recipe.stage in self.progress.finished:
            print(f"stage {recipe.stage} is already finished in {self.folder}", flush=True)
            return
        optimizer = self._begin(recipe)
        networks = self._networks(recipe)
        while not self.progress.over(recipe):
            began = time.monotonic()
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(self.progress.position(recipe), recipe)
            losses = self._step(recipe, networks, *self._batch(recipe), optimizer)
            self.progress.step += 1
            self.progress.seconds += min(time.monotonic() - began, LONGEST_STEP)
            self._after_step(recipe, losses, optimizer)
        if recipe.stage == "joint" and recipe.refit_every:
            self._fit_average()
        self.progress.finished.append(recipe.stage)
        self._report_and_save(recipe, optimizer)

    def run_all(self, recipes: Sequence[CodecRecipe]) -> DacModel:
        """Run stages in order, from the state in `folder` if there is one; returns the averaged codec in eval mode."""
        self.resume()
        torch.set_flush_denormal(True)  # denormal numbers are inaudible, and very slow
        try:
            for recipe in recipes:
                self.run(recipe)
        finally:
            torch.set_flush_denormal(False)
        return self.averaged()

    def _begin(self, recipe: CodecRecipe) -> torch.optim.AdamW:
        decoder_only = recipe.stage == "decoder"
        self.codec.requires_grad_(not decoder_only)
        self.codec.decoder.requires_grad_(True)
        self.codec.quantizer.requires_grad_(not decoder_only and not recipe.refit_every)
        trained = [weight for weight in self.codec.parameters() if weight.requires_grad]
        kind = Muon if recipe.optimizer == "muon" else partial(torch.optim.AdamW, fused=True)
        optimizer = kind(trained, recipe.learning_rate, betas=(0.8, 0.98), weight_decay=1e-3)
        resumed, self._resumed = self._resumed or {}, None
        self._set_adversary(recipe, resumed.get("adversary"))
        if self.progress.stage == recipe.stage:
            if resumed.get("optimizer") is not None:
                optimizer.load_state_dict(resumed["optimizer"])
            return optimizer
        self.progress.stage, self.progress.step, self.progress.seconds = recipe.stage, 0, 0.0
        if decoder_only:
            self.codec.load_state_dict(in_half_precision(self.average) if recipe.half else self.average)
        if recipe.stage == "joint" and recipe.refit_every:
            fit_codebooks_to_audio(self.codec, self._audio_to_fit(self.use.fewest))
        self._restart_average()
        return optimizer

    def _set_adversary(self, recipe: CodecRecipe, saved: State | None) -> None:
        """Make the discriminator that the recipe asks for, or keep that of the previous stage or saved state."""
        if recipe.discriminator is None:
            self.adversary = None
        elif self.adversary is None or self.adversary.kind != recipe.discriminator:
            sizes = list(self.loss.weights)[:3]
            torch.manual_seed(0)
            self.adversary = Adversary(recipe.discriminator, sizes, device=self.codec.device)
            if saved is not None:
                self.adversary.load_state_dict(saved)

    def _audio_to_fit(self, frames: int) -> Tensor:
        """The next batches: enough for `frames` frames, and for variety at least `START_BATCHES`."""
        audio = [self._next()]
        count = max(START_BATCHES, -(-frames * self.codec.config.hop_length // audio[0].numel()))
        return torch.cat([*audio, *(self._next() for _ in range(count - 1))])

    def _fit_average(self) -> None:
        """Fit codebooks to the averaged encoder, whose output differs slightly from that of the last one."""
        codec = self.averaged()
        fit_codebooks_to_audio(codec, self._audio_to_fit(max(MOST_ROWS, self.use.fewest)))
        self.average |= _quantizer_of(codec)

    def _restart_average(self) -> None:
        self.average = {name: value.detach().clone() for name, value in self.codec.state_dict().items()}

    def _draw_from(self, number: int) -> None:
        """Begin with batch `number`."""
        self._audio = self._batches(number)
        self._pairs = None if self._predicted is None else self._predicted(number)

    def _next(self) -> Tensor:
        self.progress.drawn += 1
        return next(self._audio).to(self.codec.device)

    def _batch(self, recipe: CodecRecipe) -> tuple[Tensor, Tensor | None]:
        """The next audio [B, samples], and the predicted codes [K, T, C] of its last K excerpts, if there are any."""
        audio = self._next()
        if self._pairs is None or recipe.stage != "decoder":
            return audio, None
        other, codes = (part.to(self.codec.device) for part in next(self._pairs))
        return torch.cat([audio[: -len(other)], other]), codes

    def _networks(self, recipe: CodecRecipe) -> tuple[Any, Any]:
        encoder, decoder = self.codec.encoder, self.codec.decoder
        if not recipe.compiled:
            return encoder, decoder
        return torch.compile(encoder, dynamic=False), torch.compile(decoder, dynamic=False)

    def _step(
        self,
        recipe: CodecRecipe,
        networks: tuple[Any, Any],
        audio: Tensor,
        codes: Tensor | None,
        optimizer: torch.optim.Optimizer,
    ) -> dict[str, float]:
        encoder, decoder = networks
        with torch.autocast(self.codec.device.type, torch.bfloat16, enabled=recipe.bf16):
            with torch.set_grad_enabled(recipe.stage != "decoder"):
                latent, moved = self._encode(recipe, encoder, audio)
                quantized, vq_loss = self._quantize(recipe, latent)
                if codes is not None:
                    given = self.codec.quantizer.from_codes(codes.transpose(1, 2))[0]
                    quantized = torch.cat([quantized[: -len(given)], given.to(quantized.dtype)])
            decoded = decoder(quantized).float()[:, 0, : audio.shape[-1]]
        original = audio[:, : decoded.shape[-1]]
        spectral = self.loss(decoded, original)
        losses = {"loss": spectral.item(), "vq": vq_loss.item()}
        total = spectral + recipe.quantizer_weight * vq_loss
        if moved is not None:
            losses["moved"] = moved.item()
            total = total + recipe.steadiness * moved
        if self.adversary is not None and self.progress.position(recipe) >= recipe.discriminator_from:
            losses["discriminator"] = self.adversary.learn(decoded, original)
            adversarial, features = self.adversary.generator_losses(decoded, original)
            total = total + recipe.adversarial_weight * adversarial + recipe.feature_weight * features
            losses |= {"adversarial": adversarial.item(), "features": features.item()}
        total.backward()
        losses["norm"] = float(nn.utils.clip_grad_norm_(_trained(optimizer), 5.0))
        self._check(recipe, losses)
        optimizer.step()
        optimizer.zero_grad()
        self._move_average(recipe)
        return losses

    def _encode(self, recipe: CodecRecipe, encoder: Any, audio: Tensor) -> tuple[Tensor, Tensor | None]:
        """The encoder's output and, with `steadiness`, its change for shifted audio, relative to its variance."""
        if not recipe.steadiness or recipe.stage == "decoder":
            return encoder(audio[:, None]).float(), None
        longest = max(1, round(recipe.steady_seconds * self.codec.config.sampling_rate))
        chance = torch.Generator().manual_seed(self.progress.drawn)
        later = nn.functional.pad(audio, (int(torch.randint(1, longest + 1, (), generator=chance)), 0))
        latent, shifted = encoder(torch.cat([audio, later[:, : audio.shape[-1]]])[:, None]).float().chunk(2)
        inner = slice(1, -1)  # at the edges the padding makes a difference
        moved = (latent - shifted)[..., inner].square().mean() / latent.detach().var().clamp_min(1e-6)
        return latent, moved

    def _check(self, recipe: CodecRecipe, losses: dict[str, float]) -> None:
        wrong = [f"{name} is {value}" for name, value in losses.items() if not math.isfinite(value)]
        if wrong:
            raise Diverged(
                f"stage {recipe.stage}, step {self.progress.step + 1}: {', '.join(wrong)}. The last saved state, if "
                f"any, is kept in {self.folder}. Continue from it with a lower learning rate, without bf16, or "
                f"without the recordings of that step."
            )

    def _quantize(self, recipe: CodecRecipe, latent: Tensor) -> tuple[Tensor, Tensor]:
        if recipe.stage == "warmup":
            return latent, latent.new_zeros(())
        with torch.autocast(latent.device.type, enabled=False):
            quantized, codes, _, commitment, codebook = self.codec.quantizer(latent)
        if recipe.stage == "joint":
            self.use.note(codes, latent)
        if recipe.refit_every:
            far = (quantized.detach() - latent).square().mean() / latent.detach().var().clamp_min(1e-6)
            return latent + (quantized - latent).detach(), far
        config = self.codec.config
        return quantized, (config.commitment_loss_weight * commitment + config.codebook_loss_weight * codebook).mean()

    @torch.no_grad()
    def _move_average(self, recipe: CodecRecipe) -> None:
        decay = min(recipe.average_decay, (1 + self.progress.step) / (10 + self.progress.step))
        for name, value in self.codec.state_dict().items():
            self.average[name].lerp_(value, 1 - decay)

    def _after_step(self, recipe: CodecRecipe, losses: dict[str, float], optimizer: torch.optim.Optimizer) -> None:
        step = self.progress.step
        if recipe.stage == "joint":
            losses |= self._update_codebooks(recipe)
        self._means.add(losses)
        if self.progress.over(recipe):
            return
        if step % recipe.save_every == 0:
            self._report_and_save(recipe, optimizer)
        elif step % recipe.log_every == 0:
            self._report(recipe)

    def _update_codebooks(self, recipe: CodecRecipe) -> dict[str, float]:
        step = self.progress.step
        if recipe.refit_every:
            if step % recipe.refit_every == 0 and self.use.refit():
                # A mean of old and new codebooks would fit neither encoder.
                self.average |= {name: value.clone() for name, value in _quantizer_of(self.codec).items()}
        elif step % recipe.revive_every == 0 and step < 0.8 * recipe.steps:
            return {"revived": self.use.revive(self.average, seed=step)}
        return {}

    def _report_and_save(self, recipe: CodecRecipe, optimizer: torch.optim.Optimizer) -> None:
        """Measure, report and save; every `sample_every` saves, and at the end of a stage, write samples."""
        codec = self.averaged()
        self._report(recipe, self.measure(codec) if self.measure is not None else {})
        self.save(optimizer)
        self.saves += 1
        if self.write_samples is not None and (
            self.saves % self.sample_every == 0 or recipe.stage in self.progress.finished
        ):
            self.write_samples(codec, f"{recipe.stage}-{self.progress.step:06d}")

    def _report(self, recipe: CodecRecipe, measured: Mapping[str, Any] = MappingProxyType({})) -> None:
        progress = self.progress
        line = {"stage": recipe.stage, "step": progress.step, "seconds": progress.seconds}
        rate = learning_rate_at(progress.position(recipe), recipe)
        print(self.journal.write({**line, "rate": rate, **self._means.take(), **measured}), flush=True)

    def averaged(self) -> DacModel:
        """A copy of the codec with the averaged weights, in eval mode."""
        codec = DacModel(self.codec.config).to(self.codec.device)
        codec.load_state_dict(self.average)
        return codec.eval()

    def save(self, optimizer: torch.optim.Optimizer) -> None:
        """Write the state that `resume` reads to `folder`, whole or not at all."""
        self.progress.logged = self.journal.count
        state = {
            "sizes": sizes_of(self.codec.config),
            "origin": self._origin,
            "codec": self.codec.state_dict(),
            "average": self.average,
            "progress": asdict(self.progress),
            "use": self.use.state_dict(),
            "optimizer": optimizer.state_dict(),
            "adversary": None if self.adversary is None else self.adversary.state_dict(),
        }
        write_state(self.folder, state)

    def resume(self) -> bool:
        """Load the state that `save` wrote; returns False if there is none.

        Raises:
            ValueError: the state is from another codec, or cannot be read.
        """
        state = read_state(self.folder, self.codec.device)
        if state is None:
            self.journal.replace([])
            return False
        check_sizes(state, self.codec.config, self.average, self.folder)
        check_origin(state, self._origin, self.folder)
        self.codec.load_state_dict(state["codec"])
        self.average = state["average"]
        self.progress = CodecProgress(**state["progress"])
        if state["use"] is not None:
            self.use.load_state_dict(state["use"])
        self._resumed = state
        self._draw_from(self.progress.drawn)
        self.journal.replace(state["log"] or self.journal.lines()[: self.progress.logged])
        return True


def _quantizer_of(codec: DacModel) -> dict[str, Tensor]:
    return {name: value for name, value in codec.state_dict().items() if name.startswith("quantizer.")}


def _trained(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [weight for group in optimizer.param_groups for weight in group["params"]]
