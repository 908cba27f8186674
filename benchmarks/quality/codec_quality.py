"""Measure what a codec passes on: words, quality and voices of the teachers, and of recorded people.

    python benchmarks/quality/codec_quality.py --packages teacher-packages            the embedded model's codec
    python benchmarks/quality/codec_quality.py --codec OLD NEW --people PROMPTS --count 40 --json out.json

A set is measured as it is and through each codec: word error by Whisper tiny.en, errors capped per sentence;
Distill-MOS, which is harsh on codecs; similarity, the cosine of a speaker encoder between original and decoded clip;
and "own voice", the share of decoded clips that are closer to their own set's original voice than to that of any other
set. Intervals are 95 %, by bootstrap over sentences. The judges cannot hear: words that Whisper guesses from context,
noise outside of speech, pitch.

PROMPTS is a folder with the unpacked telephone prompts of Debian's packages asterisk-core-sounds-en-g722 and
asterisk-core-sounds-en (CC BY-SA 3.0; a woman who is in no training data), read by FFmpeg:

    apt-get download asterisk-core-sounds-en-g722 asterisk-core-sounds-en
    for package in *.deb; do dpkg-deb --extract $package PROMPTS; done
"""

import argparse
import gzip
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from evaluation.intervals import Figure, rate
from evaluation.judges import OpinionScore, Speakers, Whisper
from evaluation.results import add_figures
from naturalness import sentences
from tqdm import tqdm
from transformers import DacModel

from dia.audio.waveform import Waveform, as_array
from dia.codec.dac import decode, encode, hop_length
from dia.text.english.normalization import spoken_form
from dia.training.mini.teacher.natural.plan import HELD_OUT
from dia.training.mini.teacher.natural.teachers.teacher import open_teacher

MINI = Path(__file__).parents[2] / "src" / "dia" / "mini" / "audio_tokenizer"
# Sets of clips: teacher and voice. The last two Kokoro voices are in no training data.
TEACHERS = (
    ("hibari", "heart"),
    ("kokoro", "af_heart"),
    ("kokoro", "am_michael"),
    *(("kokoro", voice) for voice in HELD_OUT[:2]),
    ("flite", "slt"),
)
LONGEST, SHORTEST = 160, 40  # characters of a prompt


@dataclass(frozen=True)
class Spoken:
    """A sentence and its recording, mono [N]."""

    text: str
    audio: Waveform
    rate: int


def teacher_clips(name: str, voice: str, packages: Path, texts: Sequence[str]) -> Iterator[Spoken]:
    """Sentences spoken by a teacher."""
    teacher = open_teacher(name, packages)
    for text in texts:
        speech = teacher.say(spoken_form(text), voice)
        yield Spoken(text, speech.waveform, speech.rate)


def prompts(folder: Path, count: int) -> Iterator[Spoken]:
    """Recorded telephone prompts of some length, spread over the list."""
    (listed,) = folder.rglob("core-sounds-en.txt.gz")
    recordings = {path.stem: path for path in folder.rglob("*.g722")}
    found = []
    for line in gzip.decompress(listed.read_bytes()).decode("utf-8", "replace").splitlines():
        name, _, text = line.partition(":")
        text = text.strip()
        plain = re.fullmatch(r"[A-Za-z ,.'?!-]+", text)
        if plain and SHORTEST <= len(text) <= LONGEST and name.strip() in recordings:
            found.append((text, recordings[name.strip()]))
    if not found:
        raise SystemExit(f"{folder} holds no prompts; see --help for where they come from.")
    for text, path in found[:: max(1, len(found) // count)][:count]:
        command = ["ffmpeg", "-v", "error", "-f", "g722", "-i", str(path), "-f", "f32le", "-ac", "1", "-"]
        raw = subprocess.run(command, check=True, capture_output=True).stdout
        yield Spoken(text, np.frombuffer(raw, np.float32).copy(), 16_000)


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--codec", type=Path, nargs="+", default=[MINI], help="folders (default: the embedded model's codec)"
    )
    parser.add_argument("--packages", type=Path, default=Path("teacher-packages"), help="archives of the teachers")
    parser.add_argument("--people", type=Path, help="folder with the unpacked telephone prompts (default: none)")
    parser.add_argument("--count", type=int, default=40, help="sentences of a set (default: 40)")
    parser.add_argument("--threads", type=int, default=1, help="number of CPU threads (default: 1)")
    parser.add_argument("--json", type=Path, help="file of figures to add the results to")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    texts = sentences(arguments.count)
    sets = {
        f"{name} {voice}": list(teacher_clips(name, voice, arguments.packages, texts))
        for name, voice in tqdm(TEACHERS, "speaking")
    }
    if arguments.people is not None:
        sets["person"] = list(prompts(arguments.people, arguments.count))
    found = compared(sets, arguments.codec, Judges(arguments.threads))
    for name, rows in found.items():
        for row, figures in rows.items():
            shown = ", ".join(f"{key} {one.value:.3f} [{one.low:.3f}, {one.high:.3f}]" for key, one in figures.items())
            print(f"{name:20} {row:18} {shown}")
    if arguments.json is not None:
        add_figures(arguments.json, named(found))


if __name__ == "__main__":
    main()
