"""Measure the embedded model beside its teachers and other small synthesizers, in one table.

    python benchmarks/quality/peers.py --packages teacher-packages                        200 everyday sentences each
    python benchmarks/quality/peers.py --packages teacher-packages --count 40 --only model hibari

Every system says the same sentences: word error by Whisper tiny.en, Distill-MOS, and how many times faster than real
time it is, with --threads threads; the programs flite and espeak-ng include their start. "through codec" is the
teacher's speech, encoded and decoded by the embedded codec: what the model could reach at best. What the judges cannot
hear is in evaluation/judges.py. Intervals are 95 %, by bootstrap over sentences.

Needs `pip install -e '.[teacher]'`, what evaluation/judges.py lists, and `apt-get install flite espeak-ng`.
"""

import argparse
import io
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import soundfile
import torch
from codec_quality import Codec
from evaluation.intervals import Figure
from evaluation.judges import OpinionScore, Whisper
from evaluation.recordings import Spoken
from evaluation.results import add_figures
from naturalness import Clip, judged, sentences, spoken
from tqdm import tqdm

from dia import MINI, Dia
from dia.audio.waveform import Waveform
from dia.text.english.normalization import spoken_form
from dia.training.mini.teacher.natural.teachers.teacher import open_teacher

Say = Callable[[str], tuple[Waveform, int]]  # returns the speech of a text, mono [N], and its rate

TEACHERS = {  # teacher and voice of each system
    "hibari": ("hibari", "heart"),
    "kokoro": ("kokoro", "af_heart"),
    "kokoro man": ("kokoro", "am_michael"),
    "flite": ("flite", "slt"),
    "flite man": ("flite", "rms"),
}
THROUGH_CODEC = " through codec"
MODEL = {"model": "S1", "model man": "S2"}
SYSTEMS = (*MODEL, *TEACHERS, "hibari" + THROUGH_CODEC, "kokoro man" + THROUGH_CODEC, "espeak-ng")
ROW = "{:26} {:24} {:24} {:22} {:>10}"


def espeak(text: str) -> tuple[Waveform, int]:
    """The speech of espeak-ng."""
    command = ["espeak-ng", "-v", "en-us", "--stdout", text]
    audio, rate = soundfile.read(io.BytesIO(subprocess.run(command, check=True, capture_output=True).stdout))
    return audio.astype("float32"), rate


def teacher(name: str, packages: Path) -> Say:
    """A teacher, which gets the text as the embedded model's normalizer writes it."""
    kind, voice = TEACHERS[name.removesuffix(THROUGH_CODEC)]
    speaker = open_teacher(kind, packages)

    def say(text: str) -> tuple[Waveform, int]:
        speech = speaker.say(spoken_form(text), voice)
        return speech.waveform, speech.rate

    return say


def through(codec: Codec, say: Say) -> Say:
    """A system whose speech is encoded and decoded."""

    def coded(text: str) -> tuple[Waveform, int]:
        said = codec(Spoken(text, *say(text)))
        return said.audio, said.rate

    return coded


def timed(say: Say, texts: Sequence[str]) -> Iterator[Clip]:
    """The speech of each text; the first is said once more, because the first call may load something."""
    say(texts[0])
    for text in texts:
        started = time.perf_counter()
        audio, rate = say(text)
        yield Clip(audio, rate, time.perf_counter() - started)


def clips_of(name: str, texts: Sequence[str], model: Path, packages: Path) -> Iterator[Clip]:
    """The speech of a system."""
    if name in MODEL:
        return spoken(Dia.from_pretrained(model), texts, MODEL[name], 1)
    say = espeak if name == "espeak-ng" else teacher(name, packages)
    return timed(through(Codec(model / "audio_tokenizer"), say) if name.endswith(THROUGH_CODEC) else say, texts)


def row(name: str, found: dict[str, Figure]) -> str:
    """A line of the table."""

    def shown(what: str, factor: float, digits: int) -> str:
        one = found.get(what)
        return "-" if one is None else one.shown(factor, digits)

    cells = shown("word_error", 100, 1), shown("word_error_digits", 100, 1), shown("opinion_score", 1, 2)
    return ROW.format(name, *cells, f"{found['realtime'].value:.1f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MINI, help="checkpoint folder (default: the embedded one)")
    parser.add_argument("--packages", type=Path, default=Path("teacher-packages"), help="archives of the teachers")
    parser.add_argument("--only", nargs="+", choices=SYSTEMS, default=SYSTEMS, help="systems (default: all)")
    parser.add_argument("--count", type=int, help="number of sentences (default: all)")
    parser.add_argument("--threads", type=int, default=2, help="number of CPU threads (default: 2)")
    parser.add_argument("--json", type=Path, help="file of figures to add the results to")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    texts, judges = sentences(arguments.count), (Whisper(arguments.threads), OpinionScore())
    print(ROW.format("", "word error, %", "with digits, %", "Distill-MOS", "real time"))
    for name in arguments.only:
        clips = tqdm(clips_of(name, texts, arguments.model, arguments.packages), name, len(texts), leave=False)
        found = judged(texts, clips, *judges)
        print(row(name, found), flush=True)
        if arguments.json is not None:
            add_figures(arguments.json, {f"peer_{name}_{what}": figure for what, figure in found.items()})


if __name__ == "__main__":
    main()
