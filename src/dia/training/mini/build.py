"""The embedded model from nothing in one command: `python -m dia.training.mini --help`.

Knows the order of the stages and where each leaves its work. The work itself is in the modules beside this one.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch.multiprocessing.spawn import ProcessException
from transformers import DacModel

from dia.processing_dia import DiaProcessor
from dia.runtime.interruption import described, exit_code, terminable
from dia.runtime.locks import only_writer
from dia.tokenization_dia import PRONUNCIATIONS
from dia.training import distributed
from dia.training.codec.recipe import CodecRecipe
from dia.training.data.encoding import CodeCache
from dia.training.mini.codec_stages import mini_recipes, save_codec, train_codec
from dia.training.mini.encoding import encode_teacher
from dia.training.mini.example_voices import make_examples
from dia.training.mini.packaging import assemble
from dia.training.mini.pretraining.trainer import Recipe, pretrain
from dia.training.mini.teacher.lexicon import english_words, pronounce
from dia.training.mini.teacher.speech import synthesise

_GUIDE = """stages, in order; each goes on where it stopped, and is skipped where its work is done:
  speech    flite speaks the repertoire, in many voices              WORK/speech
  codec     a codec learns to pass it on                             WORK/codec, WORK/codec-frozen
  codes     every clip is encoded                                    WORK/codes
  words     flite says how English words are pronounced              WORK/pronunciations.txt.gz
  language  a small Dia learns the codes from the phones             WORK/language
  decoder   the codec's decoder alone is refined, codes stay valid   WORK/codec, WORK/codec-final
  assemble  everything goes into one folder                          OUT
  voices    two example voices speak through the new codec           OUT/voices

examples:
  python -m dia.training.mini                          all stages, about nine hours on 2 CPU cores
  python -m dia.training.mini --stages language,assemble,voices --minutes-language 180
  python -m dia.training.mini --utterances 500 --minutes-codec 2 --minutes-language 2 --minutes-decoder 1
                                                       a rehearsal: it will babble

Needs flite (apt-get install flite). Measure the result with: python benchmarks/quality/mini_quality.py --model OUT
"""


@dataclass(frozen=True)
class Plan:
    """Folders, amounts and minutes of one run."""

    work: Path
    out: Path
    utterances: int
    shifts: int
    minutes_codec: float
    minutes_language: float
    minutes_decoder: float
    workers: int
    compiled: bool
    figures: Path | None
    remark: str


def speech(plan: Plan) -> None:
    """flite speaks the repertoire."""
    synthesise(plan.work / "speech", plan.utterances, plan.workers)


def codec(plan: Plan) -> None:
    """Encoder, quantiser and decoder together, then frozen."""
    if not (plan.work / "codec-frozen").exists():
        train_codec(plan.work / "speech", plan.work / "codec", _recipes(plan)[:2], plan.workers)
        save_codec(plan.work / "codec", plan.work / "codec-frozen")


def codes(plan: Plan) -> None:
    """Every clip through the frozen encoder."""
    frozen = DacModel.from_pretrained(plan.work / "codec-frozen").float()
    encode_teacher(frozen, plan.work / "speech", plan.work / "codes", plan.shifts, plan.compiled)


def pronouncing(plan: Plan) -> None:
    """flite's phones of English words."""
    if not (plan.work / PRONUNCIATIONS).exists():
        pronounce(english_words()).save(plan.work / PRONUNCIATIONS)


def language(plan: Plan) -> None:
    """A small Dia from nothing."""
    work, recipe = plan.work, Recipe(minutes=plan.minutes_language)
    given = work / "codes", work / "language", recipe, work / PRONUNCIATIONS, plan.compiled
    distributed.run(pretrain, plan.workers, *given)


def decoder(plan: Plan) -> None:
    """The decoder alone, codes frozen."""
    train_codec(plan.work / "speech", plan.work / "codec", _recipes(plan)[2:], plan.workers)
    save_codec(plan.work / "codec", plan.work / "codec-final")


def _recipes(plan: Plan) -> list[CodecRecipe]:
    return mini_recipes(plan.minutes_codec, plan.minutes_decoder, plan.compiled)


def assembling(plan: Plan) -> None:
    """One folder that speaks."""
    final = plan.work / "codec-final"
    log = plan.work / "language" / "log.jsonl"
    assemble(
        plan.work / "language" / "model",
        final if final.exists() else plan.work / "codec-frozen",
        plan.out,
        pronunciations=plan.work / PRONUNCIATIONS,
        log=log if log.exists() else None,
        figures=plan.figures,
        data=_describe_data(plan.work),
        remark=plan.remark,
    )


def voices(plan: Plan) -> None:
    """The example voices, in the new codec's codes."""
    make_examples(DiaProcessor.from_pretrained(plan.out), plan.out / "voices")


def _describe_data(work: Path) -> str:
    """How much speech was learnt from, in a sentence."""
    rows = CodeCache(work / "codes").rows
    texts = {(row.speaker, row.text): row.seconds for row in rows}
    hours = sum(texts.values()) / 3600
    return (
        f"{len(texts):,} utterances, {hours:.1f} hours, were spoken, and encoded {len(rows) / len(texts):.1f} times."
    )


STAGES: dict[str, Callable[[Plan], None]] = {
    "speech": speech,
    "codec": codec,
    "codes": codes,
    "words": pronouncing,
    "language": language,
    "decoder": decoder,
    "assemble": assembling,
    "voices": voices,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stages; returns the exit code."""
    arguments = _parser().parse_args(argv)
    stages = [stage.strip() for stage in arguments.stages.split(",")]
    unknown = [stage for stage in stages if stage not in STAGES]
    if unknown:
        print(f"unknown stages: {', '.join(unknown)}; there are {', '.join(STAGES)}", file=sys.stderr)
        return 2
    values = {name: value for name, value in vars(arguments).items() if name != "stages"}
    plan = Plan(**values)
    plan.work.mkdir(parents=True, exist_ok=True)
    try:
        with terminable(), only_writer(plan.work):
            return _run(plan, stages)
    except KeyboardInterrupt as interrupt:
        print(f"\n{described(interrupt)}; the same command continues with what {plan.work} holds", file=sys.stderr)
        return exit_code(interrupt)
    except BlockingIOError as error:
        print(error, file=sys.stderr)
        return 2


def _run(plan: Plan, stages: Sequence[str]) -> int:
    """Run stages in order; returns the exit code."""
    for stage in (name for name in STAGES if name in stages):
        print(f"== {stage}", flush=True)
        began = time.monotonic()
        try:
            STAGES[stage](plan)
        except (OSError, ValueError, ProcessException) as error:
            print(f"{stage}: {error}", file=sys.stderr)
            return 1
        line = {"stage": stage, "minutes": round((time.monotonic() - began) / 60, 1)}
        with (plan.work / "stages.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dia.training.mini",
        description="Train the embedded model from nothing.",
        epilog=_GUIDE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--work", type=Path, default=Path("mini-work"), help="where stages leave their work")
    parser.add_argument("--out", type=Path, default=Path("mini"), help="the finished folder; it is replaced whole")
    parser.add_argument("--stages", default=",".join(STAGES), help="which stages to run, separated by commas")
    parser.add_argument("--utterances", type=int, default=60_000, help="how many clips flite speaks")
    parser.add_argument("--shifts", type=int, default=1, help="at how many frame shifts each is encoded")
    parser.add_argument("--minutes-codec", type=float, default=120, help="encoder, quantiser and decoder together")
    parser.add_argument("--minutes-language", type=float, default=240, help="the language model")
    parser.add_argument("--minutes-decoder", type=float, default=150, help="the decoder alone")
    parser.add_argument(
        "--workers", type=int, default=2, help="processes of teacher and language model, threads of the codec"
    )
    parser.add_argument("--no-compile", dest="compiled", action="store_false", help="do not compile (no C++ compiler)")
    parser.add_argument("--figures", type=Path, help="JSON of benchmarks/quality/mini_quality.py for the model card")
    parser.add_argument("--remark", default="", help="a sentence for the card: what was done otherwise than by recipe")
    return parser


if __name__ == "__main__":
    sys.exit(main())
