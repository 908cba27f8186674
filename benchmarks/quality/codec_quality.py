"""Measure what a codec passes on: words, quality and voices of the teachers, and of recorded people.

    python benchmarks/quality/codec_quality.py --packages teacher-packages            the embedded model's codec
    python benchmarks/quality/codec_quality.py --codec OLD NEW --people PROMPTS --count 40 --json out.json

A set is measured as it is and through each codec: word error by Whisper tiny.en, errors capped per sentence;
Distill-MOS, which is harsh on codecs; similarity, the cosine of a speaker encoder between original and decoded clip;
and "own voice", the share of decoded clips that are closer to their own set's original voice than to that of any other
set. Intervals are 95 %, by bootstrap over sentences. The judges cannot hear: words that Whisper guesses from context,
noise outside of speech, pitch.

PROMPTS, a folder with recordings of a person, is described in evaluation/recordings.py.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from evaluation.intervals import Figure, rate
from evaluation.judges import OpinionScore, Speakers, Whisper
from evaluation.recordings import Spoken, Teachers, parser_of, prompts
from evaluation.results import add_figures
from naturalness import sentences
from tqdm import tqdm
from transformers import DacModel

from dia.audio.waveform import as_array
from dia.codec.dac import decode, encode, hop_length
from dia.training.mini.teacher.natural.plan import HELD_OUT

MINI = Path(__file__).parents[2] / "src" / "dia" / "mini" / "audio_tokenizer"
# Sets of clips: teacher and voice. The last two Kokoro voices are in no training data.
TEACHERS = (
    ("hibari", "heart"),
    ("kokoro", "af_heart"),
    ("kokoro", "am_michael"),
    *(("kokoro", voice) for voice in HELD_OUT[:2]),
    ("flite", "slt"),
)


class Codec:
    """A codec; calling it passes a clip through it."""

    def __init__(self, folder: Path) -> None:
        self._model = DacModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.rate = int(self._model.config.sampling_rate)

    @torch.inference_mode()
    def __call__(self, clip: Spoken) -> Spoken:
        audio = np.asarray(soxr.resample(clip.audio, clip.rate, self.rate), np.float32)
        audio = np.pad(audio, (0, -len(audio) % hop_length(self._model.config)))
        codes = encode(self._model, [torch.from_numpy(audio)])
        return Spoken(clip.text, as_array(decode(self._model, codes)[0]), self.rate)


class Judges:
    """Whisper, Distill-MOS and the speaker encoder."""

    def __init__(self, threads: int) -> None:
        self.whisper, self.score, self.voice = Whisper(threads), OpinionScore(), Speakers()

    def figures(self, clips: Sequence[Spoken]) -> dict[str, Figure]:
        """Word error and Distill-MOS."""
        errors = [self.whisper.errors(clip.text, clip.audio, clip.rate) for clip in clips]
        scores = [self.score(clip.audio, clip.rate) for clip in clips]
        words = rate([one.wrong for one in errors], [one.words for one in errors])
        return {"word error": words, "Distill-MOS": rate(scores, [1.0] * len(scores))}


def compared(sets: dict[str, list[Spoken]], codecs: Sequence[Path], judges: Judges) -> dict[str, Any]:
    """The figures of every set, before and after each codec."""
    voices = {name: [judges.voice(clip.audio, clip.rate) for clip in clips] for name, clips in sets.items()}
    typical = {name: np.mean(given, axis=0) for name, given in voices.items()}
    found: dict[str, Any] = {name: {"original": judges.figures(clips)} for name, clips in tqdm(sets.items(), "sets")}
    for folder in codecs:
        codec = Codec(folder)
        for name, clips in tqdm(sets.items(), folder.name):
            through = [codec(clip) for clip in clips]
            heard = [judges.voice(clip.audio, clip.rate) for clip in through]
            similar = [float(one @ other) for one, other in zip(heard, voices[name], strict=True)]
            own = [float(max(typical, key=lambda other: float(typical[other] @ one)) == name) for one in heard]
            figures = judges.figures(through)
            figures |= {"similarity": rate(similar, [1.0] * len(similar)), "own voice": rate(own, [1.0] * len(own))}
            found[name][f"through {folder.name}"] = figures
    return found


def named(found: dict[str, dict[str, dict[str, Figure]]]) -> dict[str, Figure]:
    """The figures with names such as "codec_person_word_error", of the last codec."""
    rows = ((clips, list(passed.values())[-1]) for clips, passed in found.items())
    return {
        f"codec_{clips.replace(' ', '_')}_{name.replace(' ', '_')}": figure
        for clips, figures in rows
        for name, figure in figures.items()
    }


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__, 40, "sentences of a set")
    parser.add_argument(
        "--codec", type=Path, nargs="+", default=[MINI], help="folders (default: the embedded model's codec)"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    texts, teachers = sentences(arguments.count), Teachers(arguments.packages, arguments.clips)
    sets = {f"{name} {voice}": list(teachers(name, voice, texts)) for name, voice in tqdm(TEACHERS, "speaking")}
    if arguments.people is not None:
        sets["person"] = list(prompts(arguments.people, arguments.count))
    found = compared(sets, arguments.codec, Judges(arguments.threads))
    for name, rows in found.items():
        for row, figures in rows.items():
            shown = ", ".join(f"{key} {one.shown(1, 3)}" for key, one in figures.items())
            print(f"{name:20} {row:18} {shown}")
    if arguments.json is not None:
        add_figures(arguments.json, named(found))


if __name__ == "__main__":
    main()
