"""Write audio samples of the model during training, with spectrograms and TensorBoard logs."""

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


class SampleCallback(TrainerCallback):
    """Synthesizes scripts after evaluations, with the evaluated weights and always the same seed.

    Writes `samples/step-000100-0.wav`, tagged as synthetic, and its spectrogram `.png` to the output folder, and both
    to the TensorBoard logs if TensorBoard is used.

    Args:
        processor: with a codec.
        scripts: the scripts, in the syntax of `dia.text.script.parse`.
        every: number of evaluations between two sets of samples.
        max_seconds: maximum length of a sample.
        seed: for the sampling.
        format: the prompt format of the model.

    Raises:
        ValueError: the processor has no codec, there are no scripts, or a script is invalid or too long for the model.
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
            raise ValueError("processor has no codec, which samples need. Load it with load_audio_tokenizer=True.")
        if not scripts or every < 1:
            raise ValueError(f"scripts={scripts!r}, every={every}: pass at least one script, and every=1 or more.")
        read = [format.model_text(parse(script, frontend=format.text_frontend).spoken) for script in scripts]
        processor(text=read, final_stop=False)  # raises for texts that are too long, before the training starts
        self.processor, self.scripts, self.every = processor, read, every
        self.max_seconds, self.seed = max_seconds, seed
        self._evaluations = 0
        self._board: Any = None

    def on_evaluate(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Write samples if they are due. Raises OSError if they cannot be written."""
        self._evaluations += 1
        if self._evaluations % self.every or not state.is_world_process_zero:
            return
        folder = Path(args.output_dir) / FOLDER
        waveforms = self.speak(plain(model))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for number, waveform in enumerate(waveforms):
                self._write(folder / f"step-{state.global_step:06d}-{number}", waveform)
                if "tensorboard" in (args.report_to or []):
                    self._log(folder, number, waveform, state.global_step)
        except (OSError, ValueError) as error:
            raise OSError(f"samples cannot be written to {folder}: {error}") from error

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Close the TensorBoard log."""
        if self._board is not None:
            self._board.close()
            self._board = None

    @torch.no_grad()
    def speak(self, model: Any) -> list[NDArray[np.float32]]:
        """Synthesize the scripts to waveforms [N], without changing the random state of the training."""
        inputs = self.processor(text=self.scripts, final_stop=False).to(model.device)
        rows = int(self.max_seconds * self.processor.frame_rate) + max(self.processor.delay_pattern)
        remaining = model.config.get_text_config().max_position_embeddings - inputs["decoder_input_ids"].shape[1]
        was_training = model.training
        model.eval()
        try:
            with torch.random.fork_rng():
                torch.manual_seed(self.seed)
                grids = model.generate(**inputs, max_new_tokens=min(rows, remaining))
        finally:
            model.train(was_training)
        return [waveform.numpy() for waveform in self.processor.batch_decode(grids)]

    def _write(self, stem: Path, waveform: NDArray[np.float32]) -> None:
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


__all__ = ["SampleCallback"]
