"""Draw spectrograms of sentences that the teacher says, beside the same sentences by the model.

    python benchmarks/quality/spectrograms.py spectrograms.png                   two sentences by the embedded model
    python benchmarks/quality/spectrograms.py --model FOLDER --count 10 ten.png

The teacher is hibari, whose voice `[S1]` is. Needs matplotlib and the archives of the teachers, see
`python -m dia.training.mini --help`.
"""

import argparse
from pathlib import Path

import numpy as np
from evaluation.recordings import Teachers
from matplotlib.figure import Figure
from naturalness import sentences
from tqdm import tqdm

from dia import MINI, Dia
from dia.audio.waveform import Waveform
from dia.training.spectrogram import FLOOR_DECIBELS, spectrogram

HIGHEST = 8.0  # kHz
EVERY = 5  # of the everyday sentences, so that those drawn differ in kind
FIRST = 8


def draw(rows: list[tuple[str, list[tuple[str, Waveform, int]]]], path: Path) -> None:
    """Plot a row for each text, with a spectrogram of each named waveform [N] at its rate in Hz."""
    figure = Figure(figsize=(9.0, 1.9 * len(rows)), dpi=60, layout="constrained")
    for axes, (text, said) in zip(figure.subplots(len(rows), 2, squeeze=False), rows, strict=True):
        for plot, (name, waveform, rate) in zip(axes, said, strict=True):
            extent = (0.0, len(waveform) / rate, 0.0, rate / 2000)
            decibels = spectrogram(np.asarray(waveform, np.float32), rate)
            plot.imshow(decibels, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=FLOOR_DECIBELS)
            plot.set_ylim(0, HIGHEST)
            plot.set_title(f"{name}: {text}", fontsize=8)
    figure.savefig(path, format="png")


def main() -> None:
    """Speak and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path, help="PNG file to write")
    parser.add_argument("--model", default=str(MINI), help="checkpoint folder (default: the embedded one)")
    parser.add_argument("--packages", type=Path, default=Path("teacher-packages"), help="archives of the teachers")
    parser.add_argument("--clips", type=Path, default=Path("teacher-clips"), help="folder to keep their clips in")
    parser.add_argument("--count", type=int, default=2, help="number of sentences (default: 2)")
    arguments = parser.parse_args()
    model, texts = Dia.from_pretrained(arguments.model), sentences(None)[FIRST::EVERY][: arguments.count]
    clips = Teachers(arguments.packages, arguments.clips)("hibari", "heart", texts)
    rows = []
    for seed, (text, clip) in enumerate(zip(texts, tqdm(clips, "speaking", len(texts)), strict=True)):
        own = model.generate(f"[S1] {text}", seed=seed)
        rows.append((text, [("teacher", clip.audio, clip.rate), ("model", own, model.sample_rate)]))
    draw(rows, arguments.picture)


if __name__ == "__main__":
    main()
