"""The model card of the embedded model: its text, the tables of measured figures and the plot of the losses.

The figures come from the JSON file that `benchmarks/quality/mini_quality.py` writes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import DacModel

from dia.modeling_dia import DiaForConditionalGeneration
from dia.text.tags import SPEAKERS
from dia.training.mini.pretraining.composer import Mixture
from dia.training.mini.teacher.english import vocabulary
from dia.training.mini.teacher.natural.plan import HELD_OUT, ROLES
from dia.training.mini.teacher.natural.teachers.changed_voice import SEPARATOR
from dia.training.mini.teacher.sounds import SOUNDS

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
- **Cloning**: given a recording and its transcript, it continues in that voice if the voice is similar to one of the
  {trained} training voices, none of which is a real person's. {held_out} other voices were held out to measure this.

## Teacher and data
`[S1]` is the voice of hibari (Apache-2.0), a small synthesizer distilled from Kokoro-82M's voice `af_heart`. `[S2]` is
the same voice with the pitch and the formants of a man, made with the WORLD vocoder, and so are {made} of the other
voices; the rest are Kokoro's (weights Apache-2.0). The makers of Kokoro say that it was trained on permissively
licensed and public-domain audio, and on synthetic speech of closed systems. The codec was also trained on speech of
flite. The sounds are synthesized. {data} Whisper tiny.en heard every clip, and clips with wrong words were left out.
Texts are public-domain prose, addresses to Congress, examples of use from WordNet, lines with numbers, dates and
names, short answers, words alone, and sentences of a grammar. 3 % of all texts, chosen by a hash of their words, are
held out.

## Recipe
`python -m dia.training.mini` builds this folder from scratch. The codec is trained with its quantizer, then its
decoder alone. The language model is trained on the codes, with a loss that keeps attention near the spoken phones in
two layers (the teachers tell when they speak each phone), a second head that predicts codes from the encoder alone,
random replacement of input codes, and 12 % of texts dropped for guidance.
{training}
![Loss with the right text and with another text, over the minutes of training](curves.png)

## Figures
{figures}

## Limits
All its training speech is synthetic. It misses words, mostly short ones, and it cannot clone most real voices. It
speaks only English.

## Responsible use
Do not imitate a real person without consent, and do not deceive: no fake news, nothing illegal or harmful. Files
written by this package carry a tag that marks the speech as synthetic.

## License
Apache-2.0, for weights and code. The file NOTICE of the package lists all sources of data, including the dictionary of
pronunciations, and their terms.
"""
_MEASURED = """
Brackets are 95 % intervals. `python benchmarks/quality/mini_quality.py` repeats the measurement, on held-out
texts{fresh}. Words are recognized by pocketsphinx, with the same probability for all words of the
vocabulary. Words with the same pronunciation count as equal."""
_SHARES = {
    "ended": "ends by itself",
    "duration": "length within 25 % of the teacher's",
    "voice": "right pitch of the voice, turns of dialogues",
    "cloned": "pitch of an unknown voice kept, within 10 %",
    "cloned_teacher": "… by the teacher itself",
    "cloned_chance": "… if the recording were ignored",
    "sounds": "sounds recognized",
    "sounds_fresh": "… after the codec alone",
    "seed_dialogue": "word error in the first dialogue of Dia's README",
}


def card(
    model: DiaForConditionalGeneration,
    codec: DacModel,
    lines: Sequence[dict[str, Any]],
    measured: Mapping[str, Any] | None,
    data: str,
    remark: str,
    curves_drawn: bool,
) -> str:
    """The text of the model card.

    Args:
        model: the language model.
        codec: its codec.
        lines: the lines of the language model's `log.jsonl`.
        measured: the results of `benchmarks/quality/mini_quality.py`; None if it has not run.
        data: a sentence on the amount of training data.
        remark: a sentence on how the run differs from the recipe.
        curves_drawn: whether the plot `curves.png` exists.
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
        trained=sum(role.teacher != "flite" for role in ROLES),
        held_out=len(HELD_OUT),
        made=sum(SEPARATOR in role.voice for role in ROLES if role.speaker not in SPEAKERS),
        data=data,
        training=_describe_run(lines) + (remark and f"{remark}\n"),
        figures="Not measured yet." if measured is None else figures_table(measured),
    )
    return text if curves_drawn else "\n".join(line for line in text.splitlines() if "curves.png" not in line) + "\n"


def _describe_run(lines: Sequence[dict[str, Any]]) -> str:
    if not lines:
        return ""
    last = lines[-1]
    return (
        f"The language model ran {last['step']} steps in {last['minutes']:.0f} minutes; at the end channel 0 has a "
        f"validation loss of {last['validation'][0]:.2f} nat, and {last['gap']:.2f} more with another text.\n"
    )


def figures_table(measured: Mapping[str, Any]) -> str:
    """Markdown tables of the results of `benchmarks/quality/mini_quality.py`; missing figures are left out."""
    figures = measured["figures"]
    rows = ["| word error rate | sentences | random words |", "| --- | --- | --- |"]
    for title, who in (("the model", "model"), ("the teacher through the codec", "codec"), ("the teacher", "teacher")):
        rates = [_percent(figures.get(f"{kind}_{who}")) for kind in ("sentence", "sequence")]
        rows.append(f"| {title} | {' | '.join(rates)} |")
    rows += ["", "| what | figure | of |", "| --- | --- | --- |"]
    for name, title in _SHARES.items():
        if name in figures:
            rows.append(f"| {title} | {_percent(figures[name])} | {figures[name]['of']} |")
    return "\n".join([*rows, *_numbers(figures), _MEASURED.format(fresh=_describe_freshness(measured))])


def _percent(figure: Mapping[str, Any] | None) -> str:
    if figure is None:
        return "not measured"
    interval = f" [{100 * figure['low']:.1f}, {100 * figure['high']:.1f}]" if "low" in figure else ""
    return f"{100 * figure['value']:.1f} %{interval}"


def _numbers(figures: Mapping[str, Any]) -> list[str]:
    """Table rows of the figures that are not shares."""
    rows = []
    if "gap" in figures:
        gap = figures["gap"]
        rows.append(f"| gap: rise of the loss of channel 0 with another text | {gap['value']:.2f} nat | {gap['of']} |")
    if "realtime" in figures:
        rows.append(f"| speed on 2 CPU cores | {figures['realtime']['value']:.1f} times realtime | |")
    if "command" in figures:
        seconds, speech = figures["command"]["value"], figures["command_speech"]["value"]
        rows.append(f"| `dia say` from start to file, {speech:.1f} s of speech | {seconds:.1f} s | |")
    return rows


def _describe_freshness(measured: Mapping[str, Any]) -> str:
    texts = measured.get("training_texts")
    return "" if texts is None else f" that share no four consecutive words with any of the {texts:,} training texts"


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


__all__ = ["card", "draw_curves", "figures_table"]
