"""Compare sampling settings by word error, on dialogues that nothing else is measured with.

    python benchmarks/quality/sampling.py                                       the published settings and eight others
    python benchmarks/quality/sampling.py --guidance 2 3 --temperature 0.3 0.4 --takes 4

Each take of a dialogue has another seed, the same ones for all settings. Word error is that of Whisper tiny.en;
"whole" is the share of takes without a fault, such as an early end. "better" and "worse" count the takes with fewer
and with more errors than the same take has with the published settings. Intervals are 95 %, by bootstrap over takes.

Needs what evaluation/judges.py lists.
"""

import argparse
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from evaluation.intervals import share
from evaluation.judges import Errors, Whisper
from naturalness import sentences, word_error
from tqdm import tqdm

from dia import MINI
from dia.model import Dia

DIALOGUES = Path(__file__).with_name("dialogues.txt")


class Setting(NamedTuple):
    """Guidance scale, temperature and number of candidates."""

    guidance: float
    temperature: float
    candidates: int


class Heard(NamedTuple):
    """The errors in each take with a setting, and the number of takes that ended by themselves."""

    errors: list[Errors]
    whole: int

    def row(self, setting: Setting, first: "Heard") -> str:
        """A line of the table."""
        wrong, ended = word_error(self.errors), share(self.whole, len(self.errors))
        better = sum(one.wrong < other.wrong for one, other in zip(self.errors, first.errors, strict=True))
        worse = sum(one.wrong > other.wrong for one, other in zip(self.errors, first.errors, strict=True))
        name = f"{setting.guidance:8g} {setting.temperature:11g} {setting.candidates:10d}"
        return f"{name} {wrong.shown():>20} {100 * ended.value:8.0f} {better:7d} {worse:6d}"


def heard(model: Dia, setting: Setting, scripts: Sequence[str], whisper: Whisper) -> Heard:
    """Speak the scripts with a setting, each with another seed, and transcribe them."""
    errors, whole = list[Errors](), 0
    for index, script in enumerate(tqdm(scripts, str(tuple(setting)), leave=False)):
        take = model.speak(
            script,
            seed=index,
            cfg_scale=setting.guidance,
            temperature=setting.temperature,
            cfg_filter_top_k=setting.candidates,
        )
        errors.append(whisper.errors(re.sub(r"\[S[12]\] |\([^)]*\) ?", "", script), take.audio, model.sample_rate))
        whole += not take.warnings
    return Heard(errors, whole)


def settings(published: Setting, grid: Sequence[Sequence[float]]) -> list[Setting]:
    """The published setting, then every other combination."""
    others = [Setting(guidance, warmth, int(count)) for guidance, warmth, count in itertools.product(*grid)]
    return [published, *(one for one in others if one != published)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MINI, help="checkpoint folder (default: the embedded one)")
    parser.add_argument("--guidance", nargs="+", type=float, default=[2.0, 3.0, 4.0])
    parser.add_argument("--temperature", nargs="+", type=float, default=[0.25, 0.4, 0.55])
    parser.add_argument("--candidates", nargs="+", type=int, help="of guidance (default: as published)")
    parser.add_argument("--takes", type=int, default=2, help="takes of each dialogue (default: 2)")
    parser.add_argument("--threads", type=int, default=1, help="number of CPU threads (default: 1)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model, whisper = Dia.from_pretrained(arguments.model), Whisper(arguments.threads)
    chosen = model.model.generation_config
    published = Setting(chosen.guidance_scale, chosen.temperature, chosen.top_k)
    grid = arguments.guidance, arguments.temperature, arguments.candidates or [published.candidates]
    scripts = sentences(None, DIALOGUES) * arguments.takes
    first = None
    print("guidance temperature candidates        word error, % whole, %  better  worse")
    for setting in settings(published, grid):
        found = heard(model, setting, scripts, whisper)
        first = first or found
        print(found.row(setting, first), flush=True)


if __name__ == "__main__":
    main()
