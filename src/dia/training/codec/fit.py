"""`fit_codec`: train a new or an existing codec on recordings and save it, in one call."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import DacModel

from dia.codec.dac import hop_length
from dia.runtime.files.atomic import atomic_folder, check_vacant
from dia.runtime.limits import BATCH, SEGMENT_SECONDS
from dia.runtime.ranges import check_numbers
from dia.training.codec.clips import Clips, Recorded, stretches
from dia.training.codec.evaluation import Probe, SampleWriter
from dia.training.codec.losses import resolutions_for
from dia.training.codec.recipe import CodecRecipe
from dia.training.codec.trainer import CodecTrainer

LEAST_SECONDS = 20.0
SAMPLE_CLIPS, SAMPLE_SECONDS = 2, 6.0


@dataclass(frozen=True)
class BatchOptions:
    """How recordings become batches: `batch` excerpts of `segment_seconds` per step, and a share held out."""

    batch: int = 8
    segment_seconds: float = 0.5
    heldout_share: float = 0.05
    seed: int = 0

    def samples(self, codec: DacModel) -> int:
        """The length of an excerpt in samples, which is a multiple of the codec's frame.

        Raises:
            TypeError, ValueError: a number is out of range, or an excerpt is shorter than the longest window of the
                loss.
        """
        check_numbers({"batch": BATCH, "segment_seconds": SEGMENT_SECONDS}, vars(self))
        hop, rate = hop_length(codec.config), codec.config.sampling_rate
        samples, window = round(self.segment_seconds * rate / hop) * hop, resolutions_for(rate)[0][0]
        if samples < window:
            least = (window + hop) / rate
            raise ValueError(f"segment_seconds is {self.segment_seconds:g}; pass at least {least:.2f} s.")
        return samples


def fit_codec(
    codec: DacModel,
    rows: Sequence[Recorded],
    recipes: Sequence[CodecRecipe],
    work: Path,
    out: Path,
    batch_options: BatchOptions | None = None,
    sample_every: int = 5,
    overwrite: bool = False,
) -> DacModel:
    """Train `codec` on the recordings of `rows`, stage by stage, and write it to `out`.

    After an interruption, call it again with the same arguments to continue from the last state in `work`.

    Args:
        codec: of `build_codec` or `DacModel.from_pretrained`, in fp32, on the device to train on.
        rows: of `dia.training.data.source.read_source`.
        recipes: of `stages_from_nothing`, `stages_of_tuning`, or your own.
        work: folder for `state.pt`, `log.jsonl` and `samples/`, held-out clips before and after the codec.
        out: folder for the trained codec, in the format of `DacModel.from_pretrained`; written whole or not at all.
        batch_options: how the recordings become batches.
        sample_every: number of saved states between two sets of samples.
        overwrite: replace an existing folder `out`.

    Returns:
        The codec with averaged weights, in evaluation mode.

    Raises:
        ValueError: there is too little audio, `out` exists, or `work` holds a state of another codec.
        OSError: there is too little disk space.
        Diverged: a loss is not finite; the last state is kept in `work`.
    """
    check_vacant(out, overwrite)
    batch_options = batch_options or BatchOptions()
    rate, samples = codec.config.sampling_rate, batch_options.samples(codec)
    clips = Clips(rows, rate, hop_length(codec.config), batch_options.heldout_share, batch_options.seed)
    clips.require(LEAST_SECONDS)
    held_out = clips.heldout_clips()
    excerpts = [clip[: round(SAMPLE_SECONDS * rate)] for clip in held_out[:SAMPLE_CLIPS]]
    trainer = CodecTrainer(
        codec,
        lambda drawn: clips.batches(samples, batch_options.batch, drawn),
        work,
        Probe(stretches(held_out, samples), rate),
        SampleWriter(excerpts, rate, work / "samples"),
        sample_every,
    )
    trained = trainer.run_all(recipes)
    with atomic_folder(out, overwrite) as folder:
        trained.save_pretrained(folder)
        shutil.copy(trainer.journal.path, folder)
    return trained
