"""What a model in training sounds like: scripts spoken after evaluations, as sound, pictures and TensorBoard logs.

Knows the model's `generate`, the processor and TensorBoard. Knows nothing of losses.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import TrainerCallback

from dia.processing_dia import DiaProcessor
from dia.text.prompt_format import PUBLISHED, PromptFormat
from dia.text.script import parse
from dia.training.lora import plain
from dia.training.spectrogram import draw_spectrogram

FOLDER = "samples"


class Hearing(TrainerCallback):
    """Speaks scripts after every so many evaluations, always with the same seed, by the weights that were evaluated.

    `samples/step-000100-0.wav`, tagged as synthetic, and `.png`, its spectrogram, are written into the output folder,
    and where TensorBoard logs are kept, into those.

    Args:
        processor: with a codec.
        scripts: what is said, read as `dia.text.script.parse` reads it.
        every: how many evaluations apart.
        max_seconds: the longest sample.
        seed: of the sampling.
        format: the conventions of the model in training.

    Raises:
        ValueError: the processor has no codec, there is nothing to say, or a script cannot be read, or is longer than
            the model reads.
    """

    def __init__(
        self,
        processor: DiaProcessor,
        scripts: Sequence[str],
        every: int = 1,
        max_seconds: float = 15.0,
        seed: int = 0,
        format: PromptFormat = PUBLISHED,
    ) -> None:
        if processor.audio_tokenizer is None:
            raise ValueError("processor has no codec; samples cannot be heard without one.")
        if not scripts or every < 1:
            raise ValueError(f"scripts={scripts!r}, every={every}: say at least one, every 1 evaluation or more.")
        read = [format.as_read(parse(script, frontend=format.text_frontend).spoken) for script in scripts]
        processor(text=read, final_stop=False)  # now, not after the first hours
        self.processor, self.scripts, self.every = processor, read, every
        self.max_seconds, self.seed = max_seconds, seed
        self._evaluations = 0
        self._board: Any = None

    def on_evaluate(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Speak, if it is time. Raises OSError where the samples cannot be written."""
        self._evaluations += 1
        if self._evaluations % self.every or not state.is_world_process_zero:
            return
        folder = Path(args.output_dir) / FOLDER
        waveforms = self.speak(plain(model))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for number, waveform in enumerate(waveforms):
                self._keep(folder / f"step-{state.global_step:06d}-{number}", waveform)
                if "tensorboard" in (args.report_to or []):
                    self._log(folder, number, waveform, state.global_step)
        except (OSError, ValueError) as error:
            raise OSError(f"samples cannot be written to {folder}: {error}") from error

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Close the log."""
        if self._board is not None:
            self._board.close()
            self._board = None

    @torch.no_grad()
    def speak(self, model: Any) -> list[NDArray[np.float32]]:
        """The scripts as waveforms [N]; the random state of the training is left as it is."""
        inputs = self.processor(text=self.scripts, final_stop=False).to(model.device)
        rows = int(self.max_seconds * self.processor.frame_rate) + max(self.processor.delay_pattern)
        room = model.config.get_text_config().max_position_embeddings - inputs["decoder_input_ids"].shape[1]
        was_training = model.training
        model.eval()
        try:
            with torch.random.fork_rng():
                torch.manual_seed(self.seed)
                grids = model.generate(**inputs, max_new_tokens=min(rows, room))
        finally:
            model.train(was_training)
        return [waveform.numpy() for waveform in self.processor.batch_decode(grids)]

    def _keep(self, stem: Path, waveform: NDArray[np.float32]) -> None:
        self.processor.save_audio(waveform, stem.with_suffix(".wav"))
        if len(waveform):
            draw_spectrogram(waveform, self.processor.sampling_rate, stem.with_suffix(".png"))

    def _log(self, folder: Path, number: int, waveform: NDArray[np.float32], step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        if self._board is None:
            self._board = SummaryWriter(log_dir=str(folder))
        sound = torch.from_numpy(waveform).clamp(-1, 1)[None]
        name = f"sample {number}"
        self._board.add_text(name, self.scripts[number], step)
        self._board.add_audio(name, sound, step, sample_rate=self.processor.sampling_rate)
        picture = folder / f"step-{step:06d}-{number}.png"
        if picture.is_file():
            from matplotlib.image import imread

            self._board.add_image(f"{name} spectrogram", imread(picture)[..., :3], step, dataformats="HWC")


__all__ = ["Hearing"]
