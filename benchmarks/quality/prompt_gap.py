"""Measure how much of a voice a language model takes from its prompt: the loss with the right prompt and a wrong one.

    python benchmarks/quality/prompt_gap.py mini-work/codes --model mini
    python benchmarks/quality/prompt_gap.py mini-work/codes --model mini --new-texts

Each clip follows a prompt in its own voice, then one of another voice of the same sex. The decoder reads the previous
frames of the clip itself ("plain"), or of the same speech in another voice ("disguised"), where only the prompt tells
the voice. If the model reads descriptions of voices, they are those of the right voice or of the wrong one, too.
Losses are in nats, per channel. With --new-texts, the clips are those whose texts are held out from training; they
have no disguised history. What they cost more than the others is what the model has learned by heart. CODES is a code
cache whose corpus has changed copies of its clips (`python -m dia.training.mini`); the voices are those that the model
was trained on.
"""

import argparse
import random
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from dia import MINI
from dia.codec.speaker_encoder import SPEAKER_ENCODER, SpeakerEncoder
from dia.decoding.grid import IGNORED, Channels
from dia.modeling_dia import DiaForConditionalGeneration
from dia.text.lexicon import Pronunciations
from dia.tokenization_dia import PRONUNCIATIONS
from dia.training.data.collator import DiaCollator
from dia.training.data.dialogues import Clip, compose, described
from dia.training.mini.pretraining.aligned_clips import read_clips
from dia.training.mini.pretraining.composer import retagged

Voices = dict[str, list[Clip]]
INPUTS = ("input_ids", "attention_mask", "decoder_input_ids", "decoder_attention_mask")


def voices_of(clips: Sequence[Clip]) -> Voices:
    """The clips of each voice that has at least two, and one in other voices."""
    voices: Voices = {}
    for clip in clips:
        voices.setdefault(clip.speaker, []).append(clip)
    return {name: own for name, own in voices.items() if len(own) > 1 and any(clip.disguised for clip in own)}


def sex(voice: str) -> str:
    """The second letter of the names of Kokoro's voices."""
    return voice[1:2]


@torch.no_grad()
def loss(model: DiaForConditionalGeneration, prompt: Clip, clip: Clip, marks: str, *, disguised: bool) -> Tensor:
    """The loss of a clip after a prompt, in nats, [C]; `marks` describe its voice, empty for no description."""
    clips = [described(retagged(prompt, "S1")._replace(marks=marks)), retagged(clip, "S1")]
    script = compose(clips, random.Random(0), disguised_from=1 if disguised else None)
    batch = DiaCollator(Channels.of(model.config))([script._replace(prompt=len(prompt.codes[0]))])
    logits = model(**{name: batch[name] for name in INPUTS}).logits.float()  # [C, R, V]
    lost = cross_entropy(logits.transpose(1, 2), batch["labels"], reduction="none", ignore_index=IGNORED)
    return lost.sum(1) / (batch["labels"] != IGNORED).sum(1)


def compare(
    model: DiaForConditionalGeneration, voices: Voices, count: int, seed: int, new: Sequence[Clip] = ()
) -> dict[tuple[str, str, str], Tensor]:
    """Mean losses [C] by the kind of history, the prompt and the marks; `new` clips, if any, follow the prompts."""
    followed: Voices = {}
    for clip in new or (one for clips in voices.values() for one in clips if one.disguised):
        if clip.speaker in voices:
            followed.setdefault(clip.speaker, []).append(clip)
    rng = random.Random(seed)
    found: dict[tuple[str, str, str], list[Tensor]] = {}
    for name in tqdm(rng.sample(sorted(followed), min(count, len(followed)))):
        clip = rng.choice(followed[name])
        own = rng.choice([one for one in voices[name] if one.text != clip.text])
        others = [other for other in voices if other != name and sex(other) == sex(name)]
        wrong = rng.choice(voices[rng.choice(others)])
        for history in ("plain", "disguised") if clip.disguised else ("plain",):
            for (which, prompt), (whose, marks) in product(
                {"right": own, "wrong": wrong}.items(), {"right": own.marks, "wrong": wrong.marks}.items()
            ):
                if marks or whose == which:
                    lost = loss(model, prompt, clip, marks, disguised=history == "disguised")
                    found.setdefault((history, which, whose if marks else "none"), []).append(lost)
    return {key: torch.stack(losses).mean(0) for key, losses in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("codes", type=Path, help="folder of a code cache")
    parser.add_argument("--model", type=Path, default=MINI, help="checkpoint folder (default: the embedded one)")
    parser.add_argument("--new-texts", action="store_true", help="clips of held-out texts follow the prompts")
    parser.add_argument("--count", type=int, default=60, help="number of voices (default: 60)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="number of CPU threads (default: 1)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    lexicon, speakers = arguments.model / PRONUNCIATIONS, arguments.model / SPEAKER_ENCODER
    encoder = SpeakerEncoder.load(speakers) if speakers.is_file() else None
    clips, held_out, _ = read_clips(arguments.codes, Pronunciations.load(lexicon), encoder)
    voices = voices_of(clips)
    if len(voices) < 2:
        parser.error(f"{arguments.codes} has no clips in several voices. Encode a corpus with changed copies.")
    model = DiaForConditionalGeneration.from_pretrained(arguments.model, dtype=torch.float32).eval()
    print("history    prompt marks  loss of each channel")
    new = held_out if arguments.new_texts else ()
    for (history, which, whose), losses in compare(model, voices, arguments.count, arguments.seed, new).items():
        print(f"{history:10} {which:6} {whose:6}", *(f"{one:5.2f}" for one in losses.tolist()))


if __name__ == "__main__":
    main()
