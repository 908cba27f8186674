"""The settings of a codec's training stages, and the stages of a complete training."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from dia.runtime.limits import LEARNING_RATE, LOSS_WEIGHT, MINUTES, PART, SECONDS, SHARE, STEPS
from dia.runtime.ranges import Range, check_fields, check_given
from dia.training.codec.discriminator import Kind

STAGES = ("warmup", "joint", "decoder")
Optimizer = Literal["adamw", "muon"]
WARMUP_STEPS = 250
UNLIMITED = int(STEPS.most)
_RANGES = {
    **dict.fromkeys(("steps", "save_every", "log_every", "revive_every"), STEPS),
    **dict.fromkeys(("warmup_share", "final_share", "discriminator_from"), SHARE),
    **dict.fromkeys(("quantizer_weight", "steadiness", "adversarial_weight", "feature_weight"), LOSS_WEIGHT),
    "refit_every": Range(0, STEPS.most, whole=True),
    "learning_rate": LEARNING_RATE,
    "steady_seconds": SECONDS,
    "average_decay": PART,
}


@dataclass(frozen=True)
class CodecRecipe:
    """The settings of one stage. Loss weights are relative to the spectral loss.

    Args:
        stage: "warmup" (without the quantizer), "joint" or "decoder" (with frozen codes).
        steps: maximum number of steps.
        learning_rate: after the warm-up.
        optimizer: "adamw" or "muon".
        warmup_share: share of the stage in which the learning rate rises.
        final_share: the last learning rate, as a share of `learning_rate`.
        quantizer_weight: weight of the quantizer's loss.
        steadiness: weight of the change of the encoder's output when the audio is shifted. Steadier codes depend less
            on the phase of the waveform, which a language model would have to predict.
        steady_seconds: maximum shift for `steadiness`.
        refit_every: in a joint stage, fit the codebooks by k-means at the start and after this many steps; 0 trains
            them by gradient.
        revive_every: with `refit_every=0`, replace unused codes after this many steps.
        half: in a decoder stage, freeze the codes with weights rounded to fp16, for a codec that is saved in fp16.
        discriminator: kind of the discriminator, or None.
        discriminator_from: share of the stage after which the discriminator is used.
        adversarial_weight: weight of the adversarial loss.
        feature_weight: weight of the feature loss.
        average_decay: decay of the weights' running average.
        save_every: steps between two saved states.
        log_every: steps between two lines of the log.
        bf16: compute the convolutions in bfloat16.
        compiled: compile the convolutions.
        seconds: maximum training time of the stage.

    Raises:
        TypeError: a number is of another type.
        ValueError: `stage` or `optimizer` is unknown, or a number is out of range.
    """

    stage: str
    steps: int
    learning_rate: float = 1e-3
    optimizer: Optimizer = "adamw"
    warmup_share: float = 0.02
    final_share: float = 0.05
    quantizer_weight: float = 0.25
    steadiness: float = 0.0
    steady_seconds: float = 0.00375
    refit_every: int = 200
    revive_every: int = 50
    half: bool = True
    discriminator: Kind | None = None
    discriminator_from: float = 0.3
    adversarial_weight: float = 0.05
    feature_weight: float = 0.1
    average_decay: float = 0.995
    save_every: int = 100
    log_every: int = 10
    bf16: bool = False
    compiled: bool = True
    seconds: float = math.inf

    def __post_init__(self) -> None:
        if self.stage not in STAGES:
            raise ValueError(f"stage is {self.stage!r}; it must be one of {', '.join(STAGES)}.")
        check_fields(_RANGES, self)
        if self.seconds != math.inf:
            SECONDS.check("seconds", self.seconds)
        if self.optimizer not in get_args(Optimizer):
            raise ValueError(f"optimizer is {self.optimizer!r}; it must be one of {', '.join(get_args(Optimizer))}.")


@dataclass
class CodecProgress:
    """The progress of a training: step and seconds of the stage, all batches drawn, and lines in the log."""

    stage: str = ""
    step: int = 0
    seconds: float = 0.0
    finished: list[str] = field(default_factory=list)
    drawn: int = 0
    logged: int = 0

    def position(self, recipe: CodecRecipe) -> float:
        """The completed share of the stage, 0 to 1."""
        return min(1.0, max(self.step / recipe.steps, self.seconds / recipe.seconds))

    def over(self, recipe: CodecRecipe) -> bool:
        """Whether the stage is complete."""
        return self.position(recipe) >= 1.0


def stages_from_nothing(minutes: float, steps: int | None = None, **options: Any) -> list[CodecRecipe]:
    """The stages of a new codec: a short warmup, three fifths of the time jointly, the rest on the decoder alone.

    Args:
        minutes: maximum training time.
        steps: maximum number of steps of all stages together.
        options: fields of `CodecRecipe` for all stages.

    Raises:
        ValueError: a number is out of its range.
    """
    _check_length(minutes, steps)
    rate = options.pop("learning_rate", 1e-3)
    start = {**options, "discriminator": None, "final_share": 1.0, "learning_rate": 1.5 * rate}
    warmup = CodecRecipe("warmup", WARMUP_STEPS if steps is None else max(1, min(WARMUP_STEPS, steps // 2)), **start)
    left = None if steps is None else max(1, steps - warmup.steps)
    return [warmup, *_shared({"joint": 0.6, "decoder": 0.4}, minutes, left, {"learning_rate": rate, **options})]


def stages_of_tuning(
    minutes: float, steps: int | None = None, decoder_only: bool = False, **options: Any
) -> list[CodecRecipe]:
    """The stages to fine-tune a codec: jointly and then the decoder, or only the decoder, so that codes stay valid.

    Arguments and errors as for `stages_from_nothing`.
    """
    _check_length(minutes, steps)
    shares = {"decoder": 1.0} if decoder_only else {"joint": 0.6, "decoder": 0.4}
    return _shared(shares, minutes, steps, {"learning_rate": 1e-4, "refit_every": 0, **options})


def _check_length(minutes: float, steps: int | None) -> None:
    MINUTES.check("minutes", minutes)
    check_given({"steps": STEPS}, {"steps": steps})


def _shared(shares: dict[str, float], minutes: float, steps: int | None, options: dict[str, Any]) -> list[CodecRecipe]:
    return [
        CodecRecipe(
            stage,
            UNLIMITED if steps is None else max(1, round(share * steps)),
            seconds=60 * minutes * share,
            **{"half": False, **options},
        )
        for stage, share in shares.items()
    ]


def learning_rate_at(position: float, recipe: CodecRecipe) -> float:
    """Linear warm-up, then a cosine down to `final_share`. `position` is the completed share of the stage, 0 to 1."""
    warm = recipe.warmup_share
    if position < warm:
        return recipe.learning_rate * (0.05 + 0.95 * position / warm)
    through = (position - warm) / max(1 - warm, 1e-9)
    falling = 0.5 * (1 + math.cos(math.pi * min(through, 1.0)))
    return recipe.learning_rate * (recipe.final_share + (1 - recipe.final_share) * falling)
