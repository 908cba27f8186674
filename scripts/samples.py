"""The two sounds and the picture that README.md shows, spoken by the embedded model.

    python scripts/samples.py

Writes docs/samples/*.mp3 and docs/samples/dialogue.png, the spectrogram of the first with its turns. Needs matplotlib.
"""

from pathlib import Path

from matplotlib.figure import Figure

from dia.model import Dia
from dia.synthesis.takes.take import Take
from dia.training.spectrogram import FLOOR_DECIBELS, spectrogram

FOLDER = Path(__file__).parents[1] / "docs" / "samples"
SCRIPTS = {  # with their seeds
    "dialogue": ("[S1] Did you hear that? (laughs) [S2] Yes, I did. [S1] It was a small model speaking.", 1),
    "story": ("[S1] The old man walked down to the harbour. [pause:400ms] He looked at the ships, and went home.", 1),
}


def main() -> None:
    """Speak the scripts and draw the first."""
    FOLDER.mkdir(exist_ok=True)
    model = Dia.from_pretrained("mini")
    for name, (script, seed) in SCRIPTS.items():
        take = model.speak(script, seed=seed, retries=5)
        model.save_audio(FOLDER / f"{name}.mp3", take.audio)
        print(f"{name}: {take.seconds:.1f} s, seed {take.seed}, {take.warnings or 'no warnings'}")
        if name == "dialogue":
            draw(take, FOLDER / "dialogue.png")


def draw(take: Take, path: Path) -> None:
    """A spectrogram with the words of each turn above it."""
    figure = Figure(figsize=(9.0, 2.8), dpi=100, layout="constrained")
    axes = figure.subplots()
    extent = (0.0, take.seconds, 0.0, take.sampling_rate / 2000)
    decibels = spectrogram(take.audio, take.sampling_rate)
    axes.imshow(decibels, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=FLOOR_DECIBELS)
    for turn in take.turns:
        axes.axvspan(turn.start, turn.end, ymin=0.97, color="tab:blue" if turn.speaker == "S1" else "tab:orange")
        axes.text(turn.start, extent[3] * 1.03, f"[{turn.speaker}] {turn.text}", fontsize=8)
    axes.set_xlabel("seconds")
    axes.set_ylabel("kHz")
    figure.savefig(path, format="png")


if __name__ == "__main__":
    main()
