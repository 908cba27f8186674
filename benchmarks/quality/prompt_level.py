"""Compare speakers before and after the codec, by the level at which it encodes them.

    python benchmarks/quality/prompt_level.py --packages teacher-packages --people PROMPTS

"voices" are the nine reference voices of cloning.py, "person" is a recorded woman. similarity is that to the voice's
own recordings; for the person, closer is her similarity less that to the references that are women. PROMPTS is
described in evaluation/recordings.py. What the judge cannot hear is in evaluation/judges.py.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from cloning import closer, reference_names
from codec_quality import Codec
from evaluation.intervals import rate
from evaluation.judges import Speakers, typical
from evaluation.recordings import Spoken, Teachers, parser_of, prompts
from naturalness import sentences
from tqdm import tqdm

from dia import MINI
from dia.audio.waveform import Waveform
from dia.voices import recording

PROMPTS = 12  # of the person that are encoded; as many others represent her
LEVELS = -28.0, -26.0, -24.0, -22.0, -20.0, -18.0  # LUFS


def at(clip: Spoken, level: float) -> Spoken:
    """The clip at a level in LUFS."""
    gain = 10 ** ((level - recording.LOUDNESS) / 20)
    normal, _ = recording.normalized(clip.audio, clip.rate)
    return Spoken(clip.text, np.clip(gain * normal, -1, 1).astype(np.float32), clip.rate)


def passed(codec: Codec, judge: Speakers, clips: Sequence[Spoken], level: float) -> Iterator[Waveform]:
    """The voices of clips after the codec."""
    for clip in clips:
        coded = codec(at(clip, level))
        yield judge(coded.audio, coded.rate)


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__, 3, "sentences of each voice")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    judge, codec, texts = Speakers(), Codec(MINI / "audio_tokenizer"), sentences(arguments.count)
    teachers = Teachers(arguments.packages, arguments.clips)
    clips = {name: list(teachers("kokoro", name, texts)) for name in tqdm(reference_names(), "references")}
    voices = {name: typical([judge(clip.audio, clip.rate) for clip in of_voice]) for name, of_voice in clips.items()}
    people = [] if arguments.people is None else list(prompts(arguments.people, 2 * PROMPTS))
    women = [voice for name, voice in voices.items() if name[1] == "f"]
    own = typical([judge(clip.audio, clip.rate) for clip in people[PROMPTS:]]) if people else None
    for level in LEVELS:
        found = [
            float(voice @ voices[name])
            for name, of_voice in clips.items()
            for voice in passed(codec, judge, of_voice, level)
        ]
        line = f"{level:.0f} LUFS: voices, similarity {rate(found, [1.0] * len(found)).shown(1, 3)}"
        if own is not None:
            heard = list(passed(codec, judge, people[:PROMPTS], level))
            alike = rate([float(voice @ own) for voice in heard], [1.0] * len(heard))
            line += f"; person, similarity {alike.shown(1, 3)}, closer {closer(heard, own, women).shown(1, 3)}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
