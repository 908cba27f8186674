"""The model card of the embedded model: its text, the tables of measured figures and the plot of the losses.

The figures come from the JSON file that the benchmarks in `benchmarks/quality/` write together.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import DacModel

from dia.modeling_dia import DiaForConditionalGeneration
from dia.text.tags import SPEAKERS
from dia.training.mini.pretraining.composer import Mixture
from dia.training.mini.teacher.english import vocabulary
from dia.training.mini.teacher.natural.plan import HELD_OUT
from dia.training.mini.teacher.sounds import SOUNDS

CURVES, SPECTROGRAMS = PICTURES = ("curves.png", "spectrograms.png")
CARD = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-to-speech
tags: [dia, text-to-speech, dialogue]
---
# The embedded Dia

A small Dia ({parameters}) with a small codec of DAC's architecture ({codec_parameters}, {rate} Hz, {frames} frames a
second, {channels} codebooks of {codes}), trained from scratch on a CPU. It is part of the package so that everything
can be run and tested offline. It is not a distilled Dia-1.6B and shares no weights with it.

## What it can say
English. It reads phones: `pronunciations.txt.gz` holds the teacher's phones of 173,000 words. Other words are read by
their letters, less reliably. `{{n aa1 r iy0}}` in a text gives the phones of a word. A word with several
pronunciations, such as *read* and *live*, has only one of them in the file.
`vocabulary.txt` lists the {words:,} words of its measurements.
- **Voices**: `[S1]` is female, `[S2]` male, in dialogues of up to six turns. Training scripts were up to about
  {longest:.0f} s long.
- **Sounds**: {sounds}, before, between or after words. Other tags, such as `(coughs)`, are silent.
- **Cloning**: given a recording and its transcript, it continues in a voice of the same sex that is somewhat like it,
  and seldom in that voice itself; `Dia.match` and `dia voice make --match` bring the sound nearer to it. None of the
  voices that it was trained on is a real person's; {held_out} others were held out to measure this.

## Teacher and data
`[S1]` is the voice of hibari (Apache-2.0), a small synthesizer distilled from Kokoro-82M's voice `af_heart`. `[S2]` is
the same voice with the pitch and the formants of a man, made with the WORLD vocoder. The voices to clone are made of
hibari's in the same way, or are Kokoro's (weights Apache-2.0), also those of other languages, means of two or three of
these, some moved in a random direction, and changes of all of them. The makers of Kokoro say that it was
trained on permissively licensed and public-domain audio, and on synthetic speech of closed systems. The codec was also
trained on speech of flite. The sounds are synthesized. {data}
Texts are public-domain prose, addresses to Congress, examples of use from WordNet, lines with numbers, dates and
names, lines of modern life, short answers, words alone, and sentences of a grammar. 6 % are about Dia, with the words
of the dialogue from Dia's README that is measured below, but none of its sentences. 3 % of all texts,
chosen by a hash of their words, are held out.

## Recipe
`python -m dia.training.mini` builds this folder from scratch. Whisper tiny.en transcribes every clip of the teachers,
and clips with wrong words are left out. The codec is trained with its quantizer. The language model is trained on the
codes, with a loss that keeps attention near the spoken phones in two layers (the teachers tell when they speak each
phone), a second head that predicts codes from the encoder alone, random replacement of input codes, and 12 % of texts
dropped for guidance. Then the codec's decoder is trained alone, also on codes that the language model predicts.
{training}
![Loss with the right text and with another text, over the minutes of training](curves.png)
![Spectrograms of two sentences by the teacher and by the model](spectrograms.png)

## Figures
{figures}

{notes}## Limits
All its training speech is synthetic, and its sound ends at 8 kHz. It speaks only English.

## Responsible use
Do not imitate a real person without consent, and do not deceive: no fake news, nothing illegal or harmful. Files
written by this package carry a tag that marks the speech as synthetic.

## License
Apache-2.0, for weights and code. The file NOTICE of the package lists all sources of data, including the dictionary of
pronunciations, and their terms.
"""
_MEASURED = """
Brackets are 95 % intervals. Words are recognized by Whisper tiny.en, which guesses likely words from context;
Distill-MOS penalizes codecs, and ignores words. Measured with `naturalness.py`, `cloning.py` and `codec_quality.py` in
`benchmarks/quality/`, on sentences that are in no training data."""
_VOICES = {
    "word_error": "word error, everyday sentences",
    "word_error_digits": "… of those with digits",
    "opinion_score": "Distill-MOS, from 1 to 5",
    "realtime": "times faster than real time, one thread",
}
_SHARES = {
    "word_error_dialogue": "word error in the first dialogue of Dia's README, by seeds",
    "word_error_no_voices": "word error in six short dialogues",
    "word_error_two_voices": "… with the example voices",
    "whole_no_voices": "short dialogues without a fault, such as an early end",
    "whole_two_voices": "… with the example voices",
    "ended": "ends by itself",
    "ended_open": "… without a final stop in the text",
    "sounds": "sounds recognized",
    "sounds_fresh": "… after the codec alone",
    "own_voice": "cloning: of nine voices, the one recorded is the nearest to the new speech",
    "matched_own_voice": "… with the timbre matched to the recording",
    "own_voice_codec": "… to the recording after the codec alone",
    "cloned_word_error": "word error of the new speech in these voices",
    "matched_cloned_word_error": "… with the timbre matched to the recording",
    "codec_person_word_error": "word error of a recorded person's speech after the codec",
}
_NUMBERS = {
    "closer": "cloning a person: similarity to the voice recorded, less that to other women",
    "matched_closer": "… with the timbre matched to the recording",
    "closer_recording": "… of the recording itself",
    "codec_person_similarity": "similarity of a recorded person's voice before and after the codec",
}


def card(
    model: DiaForConditionalGeneration,
    codec: DacModel,
    lines: Sequence[dict[str, Any]],
    measured: Mapping[str, Any] | None,
    data: str,
    remark: str,
    notes: str,
    pictures: Collection[str],
) -> str:
    """The text of the model card.

    Args:
        model: the language model.
        codec: its codec.
        lines: the lines of the language model's `log.jsonl`.
        measured: the figures of `benchmarks/quality/`; None if they have not run.
        data: a sentence on the amount of training data.
        remark: a sentence on how the run differs from the recipe.
        notes: sections on these weights, such as what failed, in Markdown.
        pictures: those of `PICTURES` that exist.
    """
    frames = codec.config.sampling_rate / codec.config.hop_length
    text = CARD.format(
        parameters=f"{model.num_parameters() / 1e6:.1f} million parameters",
        codec_parameters=f"{codec.num_parameters() / 1e6:.1f} million",
        rate=codec.config.sampling_rate,
        frames=f"{frames:.1f}",
        channels=codec.config.n_codebooks,
        codes=codec.config.codebook_size,
        words=len(vocabulary()),
        longest=Mixture().longest / frames,
        sounds=", ".join(f"`{tag}`" for tag in SOUNDS),
        held_out=len(HELD_OUT),
        data=data,
        training=_describe_run(lines) + (remark and f"{remark}\n"),
        figures="Not measured yet." if measured is None else figures_table(measured),
        notes=notes and f"{notes.strip()}\n\n",
    )
    missing = [f"({name})" for name in PICTURES if name not in pictures]
    return "".join(line for line in text.splitlines(keepends=True) if not any(name in line for name in missing))


def _describe_run(lines: Sequence[dict[str, Any]]) -> str:
    if not lines:
        return ""
    last = lines[-1]
    return (
        f"The language model ran {last['step']} steps in {last['minutes']:.0f} minutes; at the end channel 0 has a "
        f"validation loss of {last['validation'][0]:.2f} nat, and {last['gap']:.2f} more with another text.\n"
    )


def figures_table(measured: Mapping[str, Any]) -> str:
    """Markdown tables of the figures of the benchmarks; missing figures are left out."""
    figures = measured["figures"]
    rows = ["| | `[S1]` | `[S2]` |", "| --- | --- | --- |"]
    for name, title in _VOICES.items():
        shown = _percent if name.startswith("word_error") else _number
        both = [figures.get(f"{name}_{speaker}") for speaker in SPEAKERS]
        if any(both):
            rows.append(f"| {title} | {' | '.join(shown(figure) for figure in both)} |")
    rows += ["", "| what | figure | of |", "| --- | --- | --- |"]
    for titles, shown in ((_SHARES, _percent), (_NUMBERS, _number)):
        rows += [
            f"| {titles[name]} | {shown(figures[name])} | {figures[name]['of']} |"
            for name in titles
            if name in figures
        ]
    return "\n".join([*rows, _MEASURED])


def _percent(figure: Mapping[str, Any] | None) -> str:
    return _shown(figure, 100, 1, " %")


def _number(figure: Mapping[str, Any] | None) -> str:
    return _shown(figure, 1, 2, "")


def _shown(figure: Mapping[str, Any] | None, factor: float, digits: int, unit: str) -> str:
    if figure is None:
        return "not measured"
    value, low, high = (f"{factor * figure.get(name, math.nan):.{digits}f}" for name in ("value", "low", "high"))
    return f"{value}{unit}" + (f" [{low}, {high}]" if "low" in figure else "")


def draw_curves(lines: Sequence[dict[str, Any]], path: Path) -> bool:
    """Plot validation loss and gap over minutes to `path`; returns False without lines or without matplotlib."""
    if not lines:
        return False
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no curves in the model card: matplotlib is missing (pip install matplotlib)")
        return False
    figure = Figure(figsize=(5.0, 2.6), dpi=80, layout="constrained")
    axes = figure.subplots()
    minutes = [line["minutes"] for line in lines]
    axes.plot(minutes, [line["validation"][0] for line in lines], label="channel 0, right text")
    axes.plot(minutes, [line["validation"][0] + line["gap"] for line in lines], label="channel 0, another text")
    axes.set_xlabel("minutes")
    axes.set_ylabel("nat")
    axes.legend(frameon=False)
    figure.savefig(path)
    return True


__all__ = ["CURVES", "SPECTROGRAMS", "card", "draw_curves", "figures_table"]
