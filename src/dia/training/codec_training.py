"""Training of a small `DacModel`: jointly, first without and then with a quantiser, then the decoder alone.

Knows the codec, its losses and batches of audio. Knows nothing of texts, of the language model or of audio files.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DacConfig, DacModel

from dia.training.codebooks import CodebookUse, start_codebooks
from dia.training.codec_losses import SpectralLoss

MINI_CODEC = DacConfig(
    sampling_rate=16_000,
    encoder_hidden_size=8,
    decoder_hidden_size=256,
    downsampling_ratios=[4, 2, 10, 6],
    n_codebooks=8,
    codebook_size=256,
    codebook_dim=8,
)


def build_codec(config: DacConfig, seed: int = 0) -> DacModel:
    """A fresh codec for narrow widths: the convolutions' own default initialisation, small residual branches.

    `DacModel`'s own initialisation has a spread of 0.02 everywhere, which at these widths passes no signal.
    """
    torch.manual_seed(seed)
    codec = DacModel(config)
    for name, module in codec.named_modules():
        if isinstance(module, nn.Conv1d):
            module.reset_parameters()
            if ".res_unit" in name and name.endswith("conv2"):
                module.weight.data.mul_(0.3)
    return codec


def in_half_precision(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """fp32 weights as fp16 can hold them: codes are frozen with the values that are saved, not with finer ones."""
    return {name: value.half().float() for name, value in weights.items()}


@dataclass
class CodecRecipe:
    """How one stage of training runs. `stage` is "warmup" (no quantiser), "joint" or "decoder" (codes frozen)."""

    stage: str
    steps: int
    learning_rate: float = 1e-3
    warmup_share: float = 0.02
    final_share: float = 0.05
    quantiser_weight: float = 0.25
    revive_every: int = 50
    average_decay: float = 0.995
    save_every: int = 100
    bf16: bool = False
    compiled: bool = True
    seconds: float = math.inf


@dataclass
class CodecProgress:
    """Where training stands; saved beside the weights so that a stage resumes."""

    stage: str = ""
    step: int = 0
    seconds: float = 0.0
    finished: list[str] = field(default_factory=list)
    log: list[dict[str, float | str]] = field(default_factory=list)


def learning_rate_at(position: float, recipe: CodecRecipe) -> float:
    """Linear warm-up, then a cosine down to `final_share`; `position` is the share of the stage done, 0 to 1."""
    warm = recipe.warmup_share
    if position < warm:
        return recipe.learning_rate * (0.05 + 0.95 * position / warm)
    through = (position - warm) / max(1 - warm, 1e-9)
    falling = 0.5 * (1 + math.cos(math.pi * min(through, 1.0)))
    return recipe.learning_rate * (recipe.final_share + (1 - recipe.final_share) * falling)


class CodecTrainer:
    """Runs stages on one codec and keeps an exponential average of its weights in `average`.

    `batches` yields fp32 audio [B, samples], samples a multiple of the codec's hop; `folder` receives `state.pt`.
    """

    def __init__(self, codec: DacModel, batches: Iterator[Tensor], folder: Path) -> None:
        self.codec, self.batches, self.folder = codec, batches, folder
        self.average = {name: value.detach().clone() for name, value in codec.state_dict().items()}
        self.progress = CodecProgress()
        self.loss = SpectralLoss(codec.config.sampling_rate)
        self.use = CodebookUse(codec)
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, recipe: CodecRecipe, validate: Callable[[DacModel], dict[str, float]] | None = None) -> None:
        """Train for one stage, or for what is left of it. Ends early after `recipe.seconds` of training."""
        if recipe.stage in self.progress.finished:
            return
        optimizer = self._begin(recipe)
        encoder, decoder = self._networks(recipe)
        begun = time.monotonic() - self.progress.seconds
        while self.progress.step < recipe.steps and self.progress.seconds < recipe.seconds:
            position = max(self.progress.step / recipe.steps, self.progress.seconds / recipe.seconds)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(position, recipe)
            losses = self._step(recipe, encoder, decoder, next(self.batches), optimizer)
            self.progress.seconds = time.monotonic() - begun
            self._after_step(recipe, losses, validate, optimizer)
        self.progress.finished.append(recipe.stage)
        self.save(optimizer)

    def _begin(self, recipe: CodecRecipe) -> torch.optim.AdamW:
        decoder_only = recipe.stage == "decoder"
        self.codec.requires_grad_(not decoder_only)
        self.codec.decoder.requires_grad_(True)
        trained = [weight for weight in self.codec.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(trained, recipe.learning_rate, betas=(0.8, 0.98), weight_decay=1e-3, fused=True)
        if self.progress.stage != recipe.stage:
            self.progress.stage, self.progress.step, self.progress.seconds = recipe.stage, 0, 0.0
            if decoder_only:
                self.codec.load_state_dict(in_half_precision(self.average))
            if recipe.stage == "joint":
                start_codebooks(self.codec, torch.cat([next(self.batches) for _ in range(12)]))
            self._restart_average()
        elif (self.folder / "optimizer.pt").exists():
            optimizer.load_state_dict(torch.load(self.folder / "optimizer.pt", weights_only=True))
        return optimizer

    def _restart_average(self) -> None:
        self.average = {name: value.detach().clone() for name, value in self.codec.state_dict().items()}

    def _networks(self, recipe: CodecRecipe) -> tuple[Any, Any]:
        encoder, decoder = self.codec.encoder, self.codec.decoder
        if not recipe.compiled:
            return encoder, decoder
        return torch.compile(encoder, dynamic=False), torch.compile(decoder, dynamic=False)

    def _step(
        self,
        recipe: CodecRecipe,
        encoder: nn.Module,
        decoder: nn.Module,
        audio: Tensor,
        optimizer: torch.optim.Optimizer,
    ) -> dict[str, float]:
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bf16):
            with torch.set_grad_enabled(recipe.stage != "decoder"):
                latent = encoder(audio[:, None])
                quantised, vq_loss = self._quantise(recipe, latent.float())
            decoded = decoder(quantised).float()[:, 0, : audio.shape[-1]]
        spectral = self.loss(decoded, audio[:, : decoded.shape[-1]])
        (spectral + recipe.quantiser_weight * vq_loss).backward()
        norm = nn.utils.clip_grad_norm_([w for g in optimizer.param_groups for w in g["params"]], 5.0)
        optimizer.step()
        optimizer.zero_grad()
        self._move_average(recipe)
        return {"loss": spectral.item(), "vq": vq_loss.item(), "norm": float(norm)}

    def _quantise(self, recipe: CodecRecipe, latent: Tensor) -> tuple[Tensor, Tensor]:
        if recipe.stage == "warmup":
            return latent, torch.zeros(())
        with torch.autocast("cpu", enabled=False):
            quantised, codes, _, commitment, codebook = self.codec.quantizer(latent)
        if recipe.stage == "joint":
            self.use.count(codes, latent)
        config = self.codec.config
        return quantised, (config.commitment_loss_weight * commitment + config.codebook_loss_weight * codebook).mean()

    @torch.no_grad()
    def _move_average(self, recipe: CodecRecipe) -> None:
        decay = min(recipe.average_decay, (1 + self.progress.step) / (10 + self.progress.step))
        for name, value in self.codec.state_dict().items():
            self.average[name].lerp_(value, 1 - decay)

    def _after_step(
        self,
        recipe: CodecRecipe,
        losses: dict[str, float],
        validate: Callable[[DacModel], dict[str, float]] | None,
        optimizer: torch.optim.Optimizer,
    ) -> None:
        self.progress.step += 1
        step = self.progress.step
        row: dict[str, float | str] = {"stage": recipe.stage, "step": step, "seconds": self.progress.seconds, **losses}
        if recipe.stage == "joint" and step % recipe.revive_every == 0 and step < 0.8 * recipe.steps:
            row["revived"] = self.use.revive(self.average)
        if step % recipe.save_every == 0:
            if validate is not None:
                row.update(validate(self.averaged()))
            self.save(optimizer)
        self.progress.log.append(row)
        if step % 10 == 0:
            print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}), flush=True)

    def averaged(self) -> DacModel:
        """A copy of the codec with the averaged weights, in evaluation mode."""
        codec = DacModel(self.codec.config)
        codec.load_state_dict(self.average)
        return codec.eval()

    def save(self, optimizer: torch.optim.Optimizer) -> None:
        """Write weights, averages, progress and the optimiser's state to `folder`, each whole or not at all."""
        state = {"codec": self.codec.state_dict(), "average": self.average, "progress": asdict(self.progress)}
        for name, content in (("state.pt", state), ("optimizer.pt", optimizer.state_dict())):
            torch.save(content, self.folder / f"{name}.part")
            (self.folder / f"{name}.part").rename(self.folder / name)

    def resume(self) -> bool:
        """Take up what `save` wrote; False if there is nothing."""
        if not (self.folder / "state.pt").exists():
            return False
        state = torch.load(self.folder / "state.pt", weights_only=True)
        self.codec.load_state_dict(state["codec"])
        self.average = state["average"]
        self.progress = CodecProgress(**state["progress"])
        return True
