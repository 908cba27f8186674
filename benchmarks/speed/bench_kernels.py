"""Compare the C kernels of the embedded model as compiled for tiles, wide and narrow vectors, in one run on one CPU.

    python benchmarks/speed/bench_kernels.py

A step is a new row of 1, 4 or 16 clips, with guidance, after 20 or 160 rows and a text of 60 ids. The codec decodes
two seconds in pieces of 8 and 64 frames. Kernels take turns, on one thread; a figure is the median, with the least.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch

from dia import MINI, DiaForConditionalGeneration
from dia.codec import fast_decoder
from dia.decoding.step import narrow
from dia.kernels import codec, network
from dia.kernels import compile as compiling
from dia.kernels.sources import INSTRUCTIONS, PLAIN_FLAGS, Flags
from dia.processing_dia import DiaProcessor

ROWS, TEXT = 160, 60
FRAMES = 66
Run = Callable[[], object]


def kernels() -> list[Flags]:
    """The flags whose code this CPU runs, best first."""
    flags = list(compiling.tiled_flags())
    return flags if PLAIN_FLAGS in flags else [*flags, PLAIN_FLAGS]


def steps(model: DiaForConditionalGeneration, flags: Flags, clips: int, rows: int) -> Run:
    """A step of `clips` clips after `rows` rows, on random keys and values."""
    decoder = model.model.decoder
    shape = narrow._shape(decoder)
    with mock.patch.object(compiling, "tiled_flags", return_value=(flags,)):
        library = network.load.__wrapped__()
    layers = list(map(narrow._layer_weights, decoder.layers))
    weights = network.Weights(layers, decoder.norm.weight, model.logits_dense.weight, shape, library)
    (_, groups, head), (_, text_groups, text_head) = shape.heads, shape.text_heads
    kept = [torch.randn(2, clips, 2, groups, ROWS, head) for _ in layers]
    step = network.Network(weights, [network.Buffers(*pair, torch.zeros(weights.width)) for pair in kept])
    texts = [[tuple(torch.randn(2, 1, text_groups, TEXT, text_head)) for _ in range(clips)] for _ in layers]
    step.use(range(clips), texts)
    embedded, angles = torch.randn(clips, weights.width), torch.randn(clips, 2, head)
    return lambda: step(embedded, angles, [rows] * clips, 2)


def pieces(folder: Path, flags: Flags, size: int) -> Run:
    """Decoding of random codes in pieces of `size` frames."""
    with mock.patch.object(compiling, "tiled_flags", return_value=(flags,)):
        library = codec._load.__wrapped__()
    model = DiaProcessor.from_pretrained(folder).audio_tokenizer
    codes = torch.randint(model.config.codebook_size, (1, FRAMES, model.config.n_codebooks))
    with mock.patch.object(codec, "_load", return_value=library):
        decoder = fast_decoder.FastDecoder(model, torch.float32)

    def decode() -> None:
        stream, parts = fast_decoder.Stream(decoder), codes.split(size, dim=1)
        with mock.patch.object(codec, "_load", return_value=library):
            for at, part in enumerate(parts):
                stream.push(part, at == len(parts) - 1)

    return decode


def measured(runs: dict[Flags, Run], repeat: int) -> list[str]:
    """The median and the least of the milliseconds of each, taken in turns."""
    taken: dict[Flags, list[float]] = {flags: [] for flags in runs}
    for _ in range(repeat):
        for flags, run in runs.items():
            started = time.perf_counter()
            run()
            taken[flags].append(1000 * (time.perf_counter() - started))
    return [f"{sorted(found)[repeat // 2]:.2f} ({min(found):.2f})" for found in taken.values()]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MINI, help="checkpoint folder (default: the embedded one)")
    parser.add_argument("--repeat", type=int, default=60, help="runs of each kernel (default: 60)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, flags = DiaForConditionalGeneration.from_pretrained(arguments.model), kernels()
    titles = ["milliseconds", *(INSTRUCTIONS[one] for one in flags)]
    table = [titles, ["---"] * len(titles)]
    with torch.no_grad():
        for clips, rows in ((1, 20), (1, 160), (4, 20), (4, 160), (16, 20), (16, 160)):
            runs = {one: steps(model, one, clips, rows) for one in flags}
            table.append([f"a step of {clips}, row {rows}", *measured(runs, arguments.repeat)])
        for size in (8, 64):
            runs = {one: pieces(arguments.model, one, size) for one in flags}
            table.append([f"codec, pieces of {size} frames", *measured(runs, arguments.repeat)])
    print("\n".join(f"| {' | '.join(row)} |" for row in table))


if __name__ == "__main__":
    main()
