"""Measure voice cloning: make voices from recordings, speak with them, and compare speakers.

    python benchmarks/quality/cloning.py --packages teacher-packages
    python benchmarks/quality/cloning.py --packages teacher-packages --people PROMPTS --count 20 --json cloning.json
    python benchmarks/quality/cloning.py --packages teacher-packages --voices af_bella bf_emma bf_lily am_adam

Nine voices of Kokoro are references, four of which nothing was trained on. The model continues a recording of each of
the four; own_voice is the share of new clips whose nearest reference is the voice recorded, a ninth by chance. With
--voices, it continues these, and they are the references.
With --people, it also continues a recording of a woman; closer is the similarity of the new speech to her voice less
that to the references that are women. Similarity is the cosine of a speaker encoder, which hears little besides the
voice. Rows of the codec and of the recordings themselves show what can be reached. PROMPTS is described in
evaluation/recordings.py. Intervals are 95 %, by bootstrap over clips.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from codec_quality import Codec
from evaluation.intervals import Figure, rate
from evaluation.judges import Speakers, typical
from evaluation.recordings import Spoken, Teachers, parser_of, prompts
from evaluation.results import report
from naturalness import sentences
from tqdm import tqdm

from dia import MINI
from dia.audio.waveform import Waveform
from dia.model import Dia
from dia.training.mini.teacher.natural.plan import HELD_OUT, ROLES
from dia.training.mini.teacher.natural.teachers.kokoro import ENGLISH, Blend
from dia.voices.voice import Voice

REFERENCES = 9
REFERENCE_CLIPS = 4
SENTENCES = 2  # of a recording
CONSENT = "synthetic, or a recording under CC BY-SA that is used for measuring alone"


def trained_voices() -> list[str]:
    """The English voices of Kokoro that are trained on, without blends."""
    cloned = [role.voice for role in ROLES if role.teacher == "kokoro" and role.voice.startswith(ENGLISH)]
    return [voice for voice in cloned if Blend.of(voice) == Blend((voice,))]


def reference_names() -> list[str]:
    """The held-out voices, and as many of the trained ones of Kokoro as make nine, spread over the list.

    Blends are left out, since one may have another reference in it.
    """
    trained = trained_voices()
    wanted = REFERENCES - len(HELD_OUT)
    return [*HELD_OUT, *trained[:: len(trained) // wanted][:wanted]]


def joined(clips: Sequence[Spoken]) -> Spoken:
    """Clips one after another, a fifth of a second apart."""
    gap = np.zeros(clips[0].rate // 5, np.float32)
    audio = np.concatenate([part for clip in clips for part in (clip.audio, gap)])
    return Spoken(" ".join(clip.text for clip in clips), audio, clips[0].rate)


def continued(model: Dia, recording: Spoken, texts: Sequence[str], seed: int) -> Iterator[Waveform]:
    """New speech of `texts` in the voice of a recording."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of short recordings
        voice = Voice.from_audio(
            recording.audio,
            f"[S1] {recording.text}",
            processor=model.processor,
            consent=CONSENT,
            sampling_rate=recording.rate,
        )
    for index, text in enumerate(texts):
        yield model.generate(f"[S1] {text}", voice=voice, seed=seed + index)


def own_voice(heard: Sequence[tuple[str, Waveform]], references: Mapping[str, Waveform]) -> Figure:
    """The share of voices whose nearest reference has their name."""
    nearest = [max(references, key=lambda name: float(references[name] @ voice)) for _, voice in heard]
    right = [float(name == found) for (name, _), found in zip(heard, nearest, strict=True)]
    return rate(right, [1.0] * len(right))


def closer(heard: Sequence[Waveform], own: Waveform, others: Sequence[Waveform]) -> Figure:
    """Similarity to a voice less that to other voices."""
    found = [float(voice @ own) - float(np.mean([voice @ other for other in others])) for voice in heard]
    return rate(found, [1.0] * len(found))


class Bench:
    """The model, its codec, the judge and the reference voices.

    Args:
        folder: of the model.
        teachers: that speak the recordings.
        count: number of new clips for each recording.
        voices: to continue; None for those held out.
    """

    def __init__(self, folder: Path, teachers: Teachers, count: int, voices: Sequence[str] | None = None) -> None:
        self.continued = voices or HELD_OUT
        self.model, self.codec, self.judge = Dia.from_pretrained(folder), Codec(folder / "audio_tokenizer"), Speakers()
        texts = sentences(None)
        self.texts = texts[:count]
        said = texts[-REFERENCE_CLIPS:]
        self.clips = {
            name: list(teachers("kokoro", name, [*said, *texts[-REFERENCE_CLIPS - SENTENCES :][:SENTENCES]]))
            for name in tqdm(voices or reference_names(), "references")
        }
        self.references = {
            name: typical([self.voice(clip) for clip in clips[:REFERENCE_CLIPS]]) for name, clips in self.clips.items()
        }

    def voice(self, clip: Spoken) -> Waveform:
        """The voice of a clip."""
        return self.judge(clip.audio, clip.rate)

    def new(self, recording: Spoken, seed: int) -> list[Waveform]:
        """The voices of new clips that continue a recording."""
        said = continued(self.model, recording, self.texts, seed)
        return [self.judge(audio, self.model.sample_rate) for audio in tqdm(said, "speaking", len(self.texts))]

    def kept(self) -> dict[str, Figure]:
        """How often the nearest of the references is the own one."""
        prompts_of = {name: self.clips[name][REFERENCE_CLIPS:] for name in self.continued}
        made = [
            (name, voice)
            for number, (name, clips) in enumerate(prompts_of.items())
            for voice in self.new(joined(clips), 1000 * number)
        ]
        alone = [(name, clip) for name, clips in prompts_of.items() for clip in clips]
        return {
            "own_voice": own_voice(made, self.references),
            "own_voice_codec": own_voice(
                [(name, self.voice(self.codec(clip))) for name, clip in alone], self.references
            ),
            "own_voice_recording": own_voice([(name, self.voice(clip)) for name, clip in alone], self.references),
            **{
                f"own_voice_{name}": own_voice([one for one in made if one[0] == name], self.references)
                for name in self.continued
            },
        }

    def person(self, folder: Path) -> dict[str, Figure]:
        """How much closer new speech is to a person than to other women."""
        recorded = list(prompts(folder, 3 * SENTENCES))
        own = typical([self.voice(clip) for clip in recorded[SENTENCES:]])
        women = [voice for name, voice in self.references.items() if name[1] == "f"]
        made = self.new(joined(recorded[:SENTENCES]), 9000)
        passed = [self.voice(self.codec(clip)) for clip in recorded[:SENTENCES]]
        return {
            "closer": closer(made, own, women),
            "closer_codec": closer(passed, own, women),
            "closer_recording": closer([self.voice(clip) for clip in recorded[:SENTENCES]], own, women),
        }


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__, 20, "new clips of each recording")
    parser.add_argument("--model", type=Path, default=MINI, help="checkpoint folder (default: the embedded one)")
    parser.add_argument("--voices", nargs="+", help="voices of Kokoro (default: those held out, among nine)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    teachers = Teachers(arguments.packages, arguments.clips)
    bench = Bench(arguments.model, teachers, arguments.count, arguments.voices)
    found = bench.kept()
    if arguments.people is not None:
        found |= bench.person(arguments.people)
    report(found, arguments.json)


if __name__ == "__main__":
    main()
