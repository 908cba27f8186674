"""Train the embedded language model from random weights: `python -m dia.training.mini.pretraining CODES OUT`.

The run is limited by time: learning rate, noise and curriculum follow from the minutes trained.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset
from transformers import PrinterCallback, TrainerCallback, TrainerState

from dia.codec.speaker_encoder import SpeakerEncoder
from dia.configuration_dia import DiaConfig
from dia.decoding.grid import Channels
from dia.modeling_dia import DiaForConditionalGeneration
from dia.runtime.files.locks import exclusive_writer
from dia.runtime.resources.processor import multiplies_bfloat16
from dia.text.lexicon import Pronunciations
from dia.training import distributed
from dia.training.data.collator import DiaCollator
from dia.training.data.dataset import HeldOut
from dia.training.data.dialogues import Clip
from dia.training.mini.pretraining.aligned_clips import read_clips, validation_clips
from dia.training.mini.pretraining.alignment import AttentionProbe
from dia.training.mini.pretraining.composer import Composer, Mixture
from dia.training.mini.pretraining.encoder_probe import EncoderProbe
from dia.training.mini.pretraining.initialization import QUERY_RATE, first_model, mini_config, optimizer_for
from dia.training.trainer import DiaTrainer, DiaTrainingArguments, last_checkpoint

UNLIMITED = 10**9  # steps; the clock ends the run
UNTIMED_STEPS = 5  # after a start, because compilation does not count as training time
PROBE_FILE = "encoder_probe.pt"  # in each checkpoint
LONGEST_STEP = 10.0  # seconds that a step counts at most, in case the process was suspended


@dataclass(frozen=True)
class Recipe:
    """The settings of a training run; the defaults are those of the embedded model.

    `rows` is the batch size in padded grid rows, divided among the processes. The learning rate warms up over `warmup`
    steps, then falls on a cosine to a twentieth at `minutes`. During the first share `curriculum` of the time, clips
    are at most `curriculum_frames` long and are not joined. Channel c has the weight 1/(c + 1) in the loss.

    `text_dropout` and `code_noise` are the probabilities with which a text is dropped, for guidance, and an input code
    is replaced by a random one. Whole rows are replaced with the probability `row_noise`, which falls from its first
    value to its second: a model that cannot rely on previous frames learns to use the text. `probe_weight` is the
    weight of the `EncoderProbe` in the loss, and `alignment_weight` that of attention near the spoken letter in the
    `alignment_layers`.
    """

    minutes: float = 150.0
    rows: int = 1600
    learning_rate: float = 2e-3
    warmup: int = 150
    curriculum: float = 0.04
    curriculum_frames: int = 90
    text_dropout: float = 0.12
    code_noise: float = 0.02
    row_noise: tuple[float, float] = (0.35, 0.03)
    alignment_weight: float = 0.2
    alignment_layers: tuple[int, ...] = (1, 2)
    probe_weight: float = 0.5
    average: float = 0.998
    mixture: Mixture = field(default_factory=Mixture)
    seed: int = 0
    report_minutes: float = 2.0
    save_minutes: float = 3.0


# The settings that differ where trained weights are trained further.
FURTHER: dict[str, Any] = {
    "rows": 2000,
    "learning_rate": 1.2e-3,
    "warmup": 100,
    "curriculum": 0.0,
    "row_noise": (0.06, 0.03),
    "probe_weight": 0.25,
}


class Trainer(DiaTrainer):
    """Trains for a fixed time: the learning rate and the noise follow from the minutes trained.

    Args:
        clips: training clips, with `places`.
        held_out: clips whose texts are not trained on, for the reports.
        model: with initial weights.
        recipe: the settings of the run.
        folder: for checkpoints, `log.jsonl` and `model/`, the averaged model in the format of transformers.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        held_out: Sequence[Clip],
        model: DiaForConditionalGeneration,
        recipe: Recipe,
        folder: Path,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.folder, config = recipe, folder, model.config
        if not torch.cuda.is_available():
            model.set_attn_implementation("eager")  # a third faster than CPU flash attention at these lengths
        names = [f"layers.{index}.cross_attention" for index in recipe.alignment_layers]
        self.attention_probe = AttentionProbe([model.model.decoder.get_submodule(name) for name in names])
        encoder = model.model.encoder
        self.encoder_probe = EncoderProbe(encoder, encoder.config.hidden_size, config.get_text_config().vocab_size)
        collator = DiaCollator(Channels.of(config), recipe.text_dropout, recipe.code_noise, aligned=True)
        super().__init__(
            model,
            _arguments(recipe, config, folder),
            None,
            HeldOut(validation_clips(held_out)),
            data_collator=collator,
        )
        self.batches = _Batches(clips, recipe, self)
        self.clock = Clock(recipe)
        self.add_callback(self.clock)
        self.remove_callback(PrinterCallback)
        self.add_callback(_Journal(self))
        self._terms: dict[str, list[Tensor]] = {"aligned": [], "probe": []}

    def run(self) -> None:
        """Train until the time is up, with reports and checkpoints; a run in the folder is continued.

        Raises:
            BlockingIOError: another run is writing to the folder.
        """
        with nullcontext() if distributed.rank() else exclusive_writer(self.folder, parents=True):
            self._run()

    def _run(self) -> None:
        last = last_checkpoint(self.folder)
        if last is not None and minutes_of(TrainerState.load_from_json(str(last / "trainer_state.json"))) >= (
            self.recipe.minutes
        ):
            print(
                f"{self.folder} already holds a run of {self.recipe.minutes} minutes; pass a larger number to "
                "continue it."
            )
            return
        if last is not None:
            self.encoder_probe.load(last / PROBE_FILE)
        self.train(resume_from_checkpoint=last is not None)

    def get_train_dataloader(self) -> Any:
        """An endless stream of batches, without epochs."""
        return DataLoader(self.batches, batch_size=None)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Muon with the groups of `optimizer_for`."""
        if self.optimizer is None:  # type: ignore[has-type]
            self.optimizer = optimizer_for(self.model, self.recipe.learning_rate)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """A schedule that follows the step during warm-up, then the clock."""
        if self.lr_scheduler is None:  # type: ignore[has-type]
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, self.rate_factor)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def rate_factor(self, step: int) -> float:
        """The current factor of the recipe's learning rate."""
        warm = min(1.0, (step + 1) / self.recipe.warmup)
        return warm * (0.05 + 0.475 * (1 + math.cos(math.pi * self.clock.progress)))

    def compute_loss(self, model: Any, inputs: dict[str, Tensor], *args: Any, **kwargs: Any) -> Any:
        """As `DiaTrainer`, plus the losses of the attention probe and the encoder probe."""
        loss = super().compute_loss(model, inputs, *args, **kwargs)
        places, weight = inputs["places"], inputs["place_weight"]
        aligned = self.attention_probe.loss(places, inputs["attention_mask"], weight)
        probed = self.encoder_probe.loss(places, weight, inputs["labels"][:: len(self.channels.pattern)])
        for name, term in (("aligned", aligned), ("probe", probed)):
            self._terms[name].append(term.detach())
        return loss + self.recipe.alignment_weight * aligned + self.recipe.probe_weight * probed

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        """As `DiaTrainer`; averages gradients over the processes and updates the encoder probe."""
        loss = super().training_step(*args, **kwargs)
        distributed.average_gradients([*self.model.parameters(), *self.encoder_probe.head.parameters()])
        self.encoder_probe.step()
        return loss

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Add the two auxiliary losses and the minutes trained, from which a resumed run continues."""
        logs["minutes"] = round(self.clock.elapsed / 60, 3)
        for name, terms in self._terms.items():
            if "loss" in logs and terms:
                logs[name] = float(torch.stack(terms).mean())
                terms.clear()
        super().log(logs, *args, **kwargs)


class _Batches(IterableDataset[dict[str, Tensor]]):
    """Batches of scripts, composed as the recipe asks at the current time.

    Each pool is determined by the seed, the step at which it is made and the process, so that a resumed run needs no
    other state.
    """

    def __init__(self, clips: Sequence[Clip], recipe: Recipe, trainer: Trainer) -> None:
        self._composer, self._recipe, self._trainer = Composer(clips, recipe.seed), recipe, trainer

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        recipe, trainer, collator = self._recipe, self._trainer, self._trainer.data_collator
        first, last = recipe.row_noise
        while True:
            self._composer.rng.seed(f"{recipe.seed}/{trainer.state.global_step}/{distributed.rank()}")
            curriculum = trainer.clock.progress < recipe.curriculum
            mixture = Mixture(few=0.0, many=0.0, continued=0.0) if curriculum else recipe.mixture
            longest = recipe.curriculum_frames if curriculum else None
            rows = recipe.rows // distributed.processes()
            for scripts in self._composer.batches(mixture, rows, max(trainer.channels.pattern), longest):
                collator.row_noise = first + (last - first) * trainer.clock.progress
                yield collator(scripts)


class Clock(TrainerCallback):
    """Measures the training time, and requests evaluations, checkpoints and the end of the run."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.elapsed = recipe, 0.0
        self._first = self._began = self._reported = self._saved = 0.0

    @property
    def progress(self) -> float:
        """The share of the time that has passed, 0 to 1."""
        return min(1.0, self.elapsed / (60 * self.recipe.minutes))

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Continue from the time in the last log line."""
        self.elapsed = 60 * minutes_of(state)
        self._reported = self._saved = self.elapsed
        self._first = state.global_step

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start timing when all processes are ready; one of them may have been evaluating."""
        distributed.wait()
        self._began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Count the time of the step and request what is due."""
        if state.global_step - self._first > UNTIMED_STEPS:
            self.elapsed += min(time.perf_counter() - self._began, LONGEST_STEP)
        self.elapsed = distributed.mean(self.elapsed)
        over = self.progress >= 1.0
        if over or self.elapsed - self._reported >= 60 * self.recipe.report_minutes:
            self._reported, control.should_evaluate = self.elapsed, True
        if over or self.elapsed - self._saved >= 60 * self.recipe.save_minutes:
            self._saved, control.should_save = self.elapsed, True
        control.should_log = control.should_evaluate or control.should_save
        control.should_training_stop = over
        if distributed.rank():
            control.should_log = control.should_evaluate = control.should_save = False


def minutes_of(state: TrainerState) -> float:
    """The minutes that a run has trained, from its log."""
    return max((line["minutes"] for line in state.log_history if "minutes" in line), default=0.0)


class _Journal(TrainerCallback):
    """Writes a line to `log.jsonl` for each evaluation, and the averaged model with each checkpoint."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
        trained: dict[str, float] = next((line for line in reversed(state.log_history) if "loss" in line), {})
        line = {
            "minutes": round(self._trainer.clock.elapsed / 60, 2),
            "step": state.global_step,
            "rate": round(self._trainer._get_learning_rate() / QUERY_RATE, 6),  # of the first group
            "train": [round(trained.get(name, 0.0), 4) for name in ("loss", "aligned", "probe", "loss_channel_0")],
            "validation": [value for name, value in metrics.items() if name.startswith("eval_loss_channel_")],
            "gap": round(metrics["eval_gap"], 4),
        }
        with (self._trainer.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        print(line, flush=True)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        checkpoint = last_checkpoint(self._trainer.folder) or self._trainer.folder
        self._trainer.encoder_probe.save(checkpoint / PROBE_FILE)
        self._trainer.save_model(str(self._trainer.folder / "model"))


def _arguments(recipe: Recipe, config: DiaConfig, folder: Path) -> DiaTrainingArguments:
    return DiaTrainingArguments(
        str(folder),
        max_steps=UNLIMITED,
        ignore_data_skip=True,
        save_total_limit=1,
        per_device_eval_batch_size=32,
        max_grad_norm=1.0,
        bf16=multiplies_bfloat16(torch.device("cuda" if torch.cuda.is_available() else "cpu")),
        use_cpu=not torch.cuda.is_available(),
        seed=recipe.seed,
        average=recipe.average,
        channel_weights=[1 / (1 + channel) for channel in range(config.get_text_config().num_channels)],
        eval_strategy="no",
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def compile_layers(model: DiaForConditionalGeneration) -> None:
    """Compile every layer for any batch size and length: two minutes once, then steps a quarter faster on a CPU."""
    torch._dynamo.config.skip_nnmodule_hook_guards = False  # only the probed layers have hooks
    torch._dynamo.config.recompile_limit = 64
    for layer in (*model.model.encoder.layers, *model.model.decoder.layers):
        layer.compile(dynamic=True)


def pretrain(
    codes: Path,
    out: Path,
    recipe: Recipe,
    pronunciations: Path | None,
    compiled: bool,
    start: Path | None = None,
    speakers: Path | None = None,
) -> None:
    """Train the language model: one process of the run, see `dia.training.distributed`.

    Args:
        codes: folder of a code cache.
        out: folder for checkpoints, log and model; a run in it is continued.
        recipe: the settings of the run.
        pronunciations: a file of `teacher.natural.pronunciations`; None for a model that reads letters.
        compiled: compile the layers; needs a C++ compiler.
        start: folder of a model of the same shape to start with; None for random weights.
        speakers: a speaker encoder, whose marks are phones of `pronunciations`; None for none.

    Raises:
        ValueError: `start` has another shape; there are no clips of `[S1]` or `[S2]` to train on or to measure with.
    """
    known = None if pronunciations is None else Pronunciations.load(pronunciations)
    encoder = None if speakers is None else SpeakerEncoder.load(speakers)
    clips, held_out, codebook_size = read_clips(codes, known, encoder)
    if not clips or not validation_clips(held_out):
        raise ValueError(
            f"codes {codes} contains {len(clips)} training clips and none that are held out. Make more clips."
        )
    config = mini_config(codebook_size, clips[0].codes[0].shape[1], len(known.phones) if known else 0)
    marks = None if encoder is None else (encoder.dimensions, encoder.levels)
    trainer = Trainer(clips, held_out, first_model(config, start, recipe.seed, marks), recipe, out)
    if compiled:
        compile_layers(trainer.model)
    if not distributed.rank():
        summary = f"{len(clips)} clips, {len(held_out)} held out, {trainer.model.num_parameters():,} parameters"
        print(summary, flush=True)
    trainer.run()


def main() -> None:
    """`python -m dia.training.mini.pretraining CODES OUT`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("codes", type=Path, help="folder of a code cache")
    parser.add_argument("out", type=Path, help="folder for checkpoints, log and model; a run in it is continued")
    parser.add_argument(
        "--pronunciations",
        type=Path,
        help="file of dia.training.mini.teacher.natural.pronunciations (default: read letters)",
    )
    parser.add_argument("--minutes", type=float, default=Recipe.minutes, help="length of the whole run")
    parser.add_argument("--rows", type=int, help="batch size in grid rows")
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--processes", type=int, default=1, help="processes that share the batch, best one per core")
    parser.add_argument("--start", type=Path, help="folder of a model to train further (default: random weights)")
    parser.add_argument("--speakers", type=Path, help="speaker encoder, whose marks are phones of --pronunciations")
    parser.add_argument("--compile", action="store_true", help="compile the layers; needs a C++ compiler")
    given = parser.parse_args()
    chosen = {"rows": given.rows, "learning_rate": given.learning_rate}
    changes = (FURTHER if given.start else {}) | {name: value for name, value in chosen.items() if value is not None}
    recipe = Recipe(minutes=given.minutes, **changes)
    arguments = given.codes, given.out, recipe, given.pronunciations, given.compile, given.start, given.speakers
    distributed.run(pretrain, given.processes, *arguments)


if __name__ == "__main__":
    main()
