"""Judge voices of the teachers that are made from others: words, Distill-MOS, and how much they are like known ones.

    python benchmarks/quality/teacher_voices.py --packages teacher-packages                    ten that Kokoro lacks
    python benchmarks/quality/teacher_voices.py --teacher hibari --like heart "heart*0.6/0.88" "heart*1.2/1.08"

"likeness" is the similarity to the nearest of the voices after --like, by default those of Kokoro that are trained on,
each represented by the mean of its sentences. What the judges cannot hear is in evaluation/judges.py. Needs
`pip install -e '.[teacher]'` and what evaluation/judges.py lists.
"""

import sys

import numpy as np
import torch
from cloning import trained_voices
from evaluation.intervals import rate
from evaluation.judges import OpinionScore, Speakers, Whisper, typical
from evaluation.recordings import Spoken, Teachers, parser_of
from naturalness import sentences, word_error
from tqdm import tqdm

from dia.audio.waveform import Waveform
from dia.training.mini.teacher.natural.plan import ROLES
from dia.training.mini.teacher.natural.teachers.kokoro import Blend

SHOWN = 10  # of the voices of the plan


def made_voices() -> list[str]:
    """The voices in the plan of the corpus that do not lie between Kokoro's own."""
    cloned = [role.voice for role in ROLES if role.teacher == "kokoro"]
    return [voice for voice in cloned if Blend.of(voice).away or Blend.of(voice).variation]


def voice_of(judge: Speakers, clips: list[Spoken]) -> Waveform:
    """The voice of several clips."""
    return typical([judge(clip.audio, clip.rate) for clip in clips])


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__, 6, "sentences of each voice")
    parser.add_argument("voices", nargs="*", help=f"names of voices (default: {SHOWN} of the plan)")
    parser.add_argument("--teacher", default="kokoro", help="that speaks (default: kokoro)")
    parser.add_argument("--like", nargs="+", help="voices to compare with (default: Kokoro's own that are trained on)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    made = made_voices()
    voices = arguments.voices or made[:: len(made) // SHOWN][:SHOWN]
    texts, teachers = sentences(arguments.count), Teachers(arguments.packages, arguments.clips)
    whisper, score, judge = Whisper(arguments.threads), OpinionScore(), Speakers()
    known = {
        voice: voice_of(judge, list(teachers(arguments.teacher, voice, texts[:2])))
        for voice in tqdm(arguments.like or trained_voices(), "known")
    }
    errors, scores, likeness = [], [], []
    for voice in tqdm(voices, "voices"):
        clips = list(teachers(arguments.teacher, voice, texts))
        errors.append([whisper.errors(clip.text, clip.audio, clip.rate) for clip in clips])
        scores.append([score(clip.audio, clip.rate) for clip in clips])
        heard = voice_of(judge, clips)
        nearest = max(known, key=lambda name: float(known[name] @ heard))
        likeness.append(float(known[nearest] @ heard))
        row = f"{word_error(errors[-1]).shown():22} {np.mean(scores[-1]):.2f} {likeness[-1]:.2f} {nearest}"
        tqdm.write(f"{voice:36} {row}", file=sys.stdout)
    every = [one for of_voice in errors for one in of_voice]
    opinions = np.concatenate(scores)
    print(f"{'all':36} {word_error(every).shown():22} {rate(opinions, np.ones(len(opinions))).shown(1, 2)}", end=" ")
    print(f"{np.mean(likeness):.2f}")


if __name__ == "__main__":
    main()
