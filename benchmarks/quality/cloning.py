"""Measure voice cloning: make voices from recordings, speak with them, and compare speakers.

    python benchmarks/quality/cloning.py --packages teacher-packages
    python benchmarks/quality/cloning.py --packages teacher-packages --people PROMPTS --count 20 --json cloning.json
    python benchmarks/quality/cloning.py --packages teacher-packages --voices af_bella bf_emma bf_lily am_adam
    python benchmarks/quality/cloning.py --packages teacher-packages --match
    python benchmarks/quality/cloning.py --packages teacher-packages -- --cpu --steps 100 --prompts 0.5

Nine voices of Kokoro are references, four of which nothing was trained on. The model continues a recording of each of
the four; own_voice is the share of new clips whose nearest reference is the voice recorded, a ninth by chance,
cloned_word_error their word error, and cloned_opinion_score their Distill-MOS. With --voices, it continues these, and
they are the references. With --people, it also continues a recording of a woman; closer is the similarity of the new
speech to her voice less that to the references that are women. Similarity is the cosine of a speaker encoder, which
hears little besides the voice. With --match, `Dia.match` corrects the timbre of the new speech, and its figures are
named matched_. With options after --, `dia train --lora` with these options first fine-tunes the model on the two
sentences of each recording, and the figures of the new speech are named tuned_. Rows of the codec and of the
recordings themselves show what can be reached. PROMPTS is described in evaluation/recordings.py. Intervals are 95 %,
by bootstrap over clips.
"""

import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from codec_quality import Codec
from evaluation.intervals import Figure, rate
from evaluation.judges import Errors, OpinionScore, Speakers, Whisper, typical
from evaluation.recordings import Spoken, Teachers, parser_of, prompts
from evaluation.results import report
from lora_voice import fine_tune, write_data
from naturalness import sentences, word_error
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


def continued(
    model: Dia, recording: Spoken, texts: Sequence[str], seed: int, matched: bool = False
) -> Iterator[Waveform]:
    """New speech of `texts` in the voice of a recording, `matched` to its timbre or not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of short recordings
        voice = Voice.from_audio(
            recording.audio,
            f"[S1] {recording.text}",
            processor=model.processor,
            consent=CONSENT,
            sampling_rate=recording.rate,
        )
    voice = model.match(voice, recording.audio, recording.rate) if matched else voice
    for index, text in enumerate(texts):
        yield model.generate(f"[S1] {text}", voice=voice, seed=seed + index)


def tuned(folder: Path, clips: Sequence[Spoken], options: Sequence[str]) -> Dia:
    """The model in `folder`, fine-tuned on some clips by `dia train --lora` with `options`."""
    with tempfile.TemporaryDirectory() as name:
        data, output = Path(name, "data"), Path(name, "model")
        write_data(data, [clip.text for clip in clips], [clip.audio for clip in clips], clips[0].rate)
        fine_tune(folder, data, output, options)
        return Dia.from_pretrained(output)


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
        options: of `dia train`, to fine-tune the model on each recording; empty for the model as it is.
        matched: whether the timbre of voices is matched to their recordings.
    """

    def __init__(
        self,
        folder: Path,
        teachers: Teachers,
        count: int,
        voices: Sequence[str] | None = None,
        options: Sequence[str] = (),
        matched: bool = False,
    ) -> None:
        self.continued, self.folder, self.options, self.matched = voices or HELD_OUT, folder, options, matched
        self.model, self.codec, self.judge = Dia.from_pretrained(folder), Codec(folder / "audio_tokenizer"), Speakers()
        self.recognizer, self.opinion = Whisper(), OpinionScore()
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

    def new(self, clips: Sequence[Spoken], seed: int) -> tuple[list[Waveform], list[Errors], list[float]]:
        """The voices, word errors and opinion scores of new clips that continue a recording of several clips."""
        model = tuned(self.folder, clips, self.options) if self.options else self.model
        speech = continued(model, joined(clips), self.texts, seed, self.matched)
        said = list(tqdm(speech, "speaking", len(self.texts)))
        errors = [
            self.recognizer.errors(text, audio, model.sample_rate)
            for text, audio in zip(self.texts, said, strict=True)
        ]
        scores = [self.opinion(audio, model.sample_rate) for audio in said]
        return [self.judge(audio, model.sample_rate) for audio in said], errors, scores

    def named(self, figures: Mapping[str, Figure]) -> dict[str, Figure]:
        """Figures of new speech, with names that tell whether the model was fine-tuned and the timbre matched."""
        kind = ("matched_" if self.matched else "") + ("tuned_" if self.options else "")
        return {kind + name: figure for name, figure in figures.items()}

    def kept(self) -> dict[str, Figure]:
        """How often the nearest of the references is the own one."""
        prompts_of = {name: self.clips[name][REFERENCE_CLIPS:] for name in self.continued}
        made, errors, scores = list[tuple[str, Waveform]](), list[Errors](), list[float]()
        for number, (name, clips) in enumerate(prompts_of.items()):
            heard, wrong, scored = self.new(clips, 1000 * number)
            made += [(name, voice) for voice in heard]
            errors += wrong
            scores += scored
        new = {
            "own_voice": own_voice(made, self.references),
            "cloned_word_error": word_error(errors),
            "cloned_opinion_score": rate(scores, [1.0] * len(scores)),
            **{
                f"own_voice_{name}": own_voice([one for one in made if one[0] == name], self.references)
                for name in self.continued
            },
        }
        alone = [(name, clip) for name, clips in prompts_of.items() for clip in clips]
        passed = [(name, self.voice(self.codec(clip))) for name, clip in alone]
        return self.named(new) | {
            "own_voice_codec": own_voice(passed, self.references),
            "own_voice_recording": own_voice([(name, self.voice(clip)) for name, clip in alone], self.references),
        }

    def person(self, folder: Path) -> dict[str, Figure]:
        """How much closer new speech is to a person than to other women."""
        recorded = list(prompts(folder, 3 * SENTENCES))
        own = typical([self.voice(clip) for clip in recorded[SENTENCES:]])
        women = [voice for name, voice in self.references.items() if name[1] == "f"]
        made, *_ = self.new(recorded[:SENTENCES], 9000)
        passed = [self.voice(self.codec(clip)) for clip in recorded[:SENTENCES]]
        return self.named({"closer": closer(made, own, women)}) | {
            "closer_codec": closer(passed, own, women),
            "closer_recording": closer([self.voice(clip) for clip in recorded[:SENTENCES]], own, women),
        }


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__, 20, "new clips of each recording")
    parser.add_argument("--model", type=Path, default=MINI, help="checkpoint folder (default: the embedded one)")
    parser.add_argument("--voices", nargs="+", help="voices of Kokoro (default: those held out, among nine)")
    parser.add_argument("--match", action="store_true", help="match the timbre of each voice to its recording")
    parser.add_argument("options", nargs="*", metavar="OPTIONS", help="options of dia train --lora, after --")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    teachers = Teachers(arguments.packages, arguments.clips)
    bench = Bench(arguments.model, teachers, arguments.count, arguments.voices, arguments.options, arguments.match)
    found = bench.kept()
    if arguments.people is not None:
        found |= bench.person(arguments.people)
    report(found, arguments.json)


if __name__ == "__main__":
    main()
