"""What a stage of a codec's training is: its length, rates and weights, and the stages that make a codec.

Knows numbers only. Knows nothing of codecs or audio.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from dia.runtime.limits import LEARNING_RATE, LOSS_WEIGHT, MINUTES, PART, SECONDS, SHARE, STEPS
from dia.runtime.ranges import Range, check_given, check_numbers
from dia.training.codec.discriminator import Kind

STAGES = ("warmup", "joint", "decoder")
Optimizer = Literal["adamw", "muon"]
WARMUP_STEPS = 250
UNLIMITED = int(STEPS.most)
_RANGES = {
    **dict.fromkeys(("steps", "save_every", "log_every", "revive_every"), STEPS),
    **dict.fromkeys(("warmup_share", "final_share", "discriminator_from"), SHARE),
    **dict.fromkeys(("quantiser_weight", "steadiness", "adversarial_weight", "feature_weight"), LOSS_WEIGHT),
    "refit_every": Range(0, STEPS.most, whole=True),
    "learning_rate": LEARNING_RATE,
    "steady_seconds": SECONDS,
    "average_decay": PART,
}


@dataclass(frozen=True)
class CodecRecipe:
    """How one stage of training runs.

    `stage` is "warmup" (no quantiser), "joint" or "decoder" (codes frozen). It ends after `steps` or `seconds`,
    whichever comes first. In a joint stage the codebooks are fitted by k-means at its start and every `refit_every`
    steps; 0 leaves them where they stand, to learn by gradient, and gives codes that nobody draws a new place every
    `revive_every`. `half` freezes the codes of a decoder stage with the values that fp16 holds, for a codec that will
    be saved so. A `discriminator`, if any, takes part
    once `discriminator_from` of the stage is done. `steadiness` weighs how far the encoder's output moves when the
    audio moves by at most `steady_seconds`: the steadier the codes, the less of the waveform's phase a language model
    has to guess. Weights are relative to the spectral loss.

    Raises:
        TypeError: a number is none.
        ValueError: `stage` or `optimizer` is none that there is, or a number is out of its range.
    """

    stage: str
    steps: int
    learning_rate: float = 1e-3
    optimizer: Optimizer = "adamw"
    warmup_share: float = 0.02
    final_share: float = 0.05
    quantiser_weight: float = 0.25
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
            raise ValueError(f"stage is {self.stage!r}; there are {', '.join(STAGES)}.")
        check_numbers(_RANGES, vars(self))
        if self.seconds != math.inf:
            SECONDS.check("seconds", self.seconds)
        if self.optimizer not in get_args(Optimizer):
            raise ValueError(f"optimizer is {self.optimizer!r}; there are {', '.join(get_args(Optimizer))}.")


@dataclass
class CodecProgress:
    """Where training stands: `step` and `seconds` of `stage`, batches drawn in all, lines in the log."""

    stage: str = ""
    step: int = 0
    seconds: float = 0.0
    finished: list[str] = field(default_factory=list)
    drawn: int = 0
    logged: int = 0

    def position(self, recipe: CodecRecipe) -> float:
        """The share of the stage that is done, 0 to 1."""
        return min(1.0, max(self.step / recipe.steps, self.seconds / recipe.seconds))

    def over(self, recipe: CodecRecipe) -> bool:
        """Whether nothing of the stage is left."""
        return self.position(recipe) >= 1.0


def stages_from_nothing(minutes: float, steps: int | None = None, **options: Any) -> list[CodecRecipe]:
    """A short start without quantiser, three fifths of the time jointly, the rest on the decoder alone.

    Args:
        minutes: of training, which `steps`, if given, may end before.
        steps: of all stages together.
        options: fields of `CodecRecipe` for every stage.

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
    """A trained codec taught further: jointly and then the decoder, or the decoder alone so that codes stay valid.

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
    """Linear warm-up, then a cosine down to `final_share`; `position` is the share of the stage done, 0 to 1."""
    warm = recipe.warmup_share
    if position < warm:
        return recipe.learning_rate * (0.05 + 0.95 * position / warm)
    through = (position - warm) / max(1 - warm, 1e-9)
    falling = 0.5 * (1 + math.cos(math.pi * min(through, 1.0)))
    return recipe.learning_rate * (recipe.final_share + (1 - recipe.final_share) * falling)
