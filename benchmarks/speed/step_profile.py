"""Profile a decoder step on a CPU: matrices, attention, norms, sampling, and the rest.

    python benchmarks/speed/step_profile.py                      random weights of Dia-1.6B's shape; 4 GB of disk
    python benchmarks/speed/step_profile.py --mini --formats bfloat16
    python benchmarks/speed/step_profile.py --tiny --rows 12             a quick trial

The fast step runs as in `generate()`, one clip with guidance. Timers around its parts cost about a microsecond each.
The time of a part excludes the parts inside it. `GB/s` is the rate at which a part reads its weights; the bandwidth of
the memory is printed above the table.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from apart import found_by_child
from bench_decode import BITS, TEXT, add_size_options, bandwidth, checkpoint_asked, load

from dia import DiaTokenizer
from dia.decoding.sampling import PUBLISHED_SAMPLING
from dia.decoding.step import layer as fast_layer
from dia.decoding.step import step as fast_decode
from dia.quantization.linear import QuantizedLinear

FORMATS = ("bfloat16", "int8", "int4")
LAYER_PARTS = {
    "self-attention: matrices": ("own_in", "own_out"),
    "cross-attention: matrices": ("text_in", "text_out"),
    "MLP: matrices": ("gate_up", "down"),
    "self-attention: keys and values": ("attend", "attend_row"),
    "cross-attention: keys and values": ("attend_text", "attend_text_row"),
    "activation": ("gate",),
    "norms": ("own_norm", "text_norm", "mlp_norm"),
}
MATRICES = (
    *(("self-attention: matrices", f"self_attention.{name}_proj") for name in "qkvo"),
    *(("cross-attention: matrices", f"cross_attention.{name}_proj") for name in "qo"),
    *(("MLP: matrices", f"mlp.{name}_proj") for name in ("gate_up", "down")),
    ("head", "logits_dense"),
)
SKIPPED = 6  # rows, until all is warm


class Clocks:
    """Seconds of each part, without what is measured within it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._within = [0.0]

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, with its time noted under `name`."""

        def timed(*arguments: Any, **named: Any) -> Any:
            self._within.append(0.0)
            began = time.perf_counter()
            found = function(*arguments, **named)
            taken = time.perf_counter() - began
            self.seconds[name] += taken - self._within.pop()
            self._within[-1] += taken
            return found

        return timed


def instrument(clocks: Clocks) -> list[float]:
    """Put clocks around the parts of every step made from now on; returns where the steps' own seconds will stand."""
    steps: list[float] = []
    layer_made, step_made, run = fast_layer.FastLayer.__init__, fast_decode.Step.__init__, fast_decode.Step.__call__

    def layer(self: Any, *arguments: Any, **named: Any) -> None:
        layer_made(self, *arguments, **named)
        for name, parts in LAYER_PARTS.items():
            for part in parts:
                if getattr(self, part) is not None:
                    setattr(self, part, clocks.around(name, getattr(self, part)))

    def step(self: Any, *arguments: Any, **named: Any) -> None:
        step_made(self, *arguments, **named)
        self.head, self._write = clocks.around("head", self.head), clocks.around("guidance and draw", self._write)
        self.norm = clocks.around("norms", self.norm)

    def called(self: Any, span: int = 0) -> None:
        began = time.perf_counter()
        run(self, span)
        steps.append(time.perf_counter() - began)
        if len(steps) == SKIPPED:
            clocks.seconds.clear()

    fast_layer.FastLayer.__init__, fast_decode.Step.__init__ = layer, step  # type: ignore[method-assign]
    fast_decode.Step.__call__ = called  # type: ignore[method-assign]
    return steps


def bytes_of(model: Any) -> dict[str, float]:
    """What a step reads of the weights in each part."""
    read: dict[str, float] = defaultdict(float)
    for name, module in model.named_modules():
        part = next((part for part, end in MATRICES if name.endswith(end) and "encoder" not in name), None)
        if part and isinstance(module, QuantizedLinear):
            bits = 8 if module.format == "int8" else 4 + 32 / module.group_size
            read[part] += module.in_features * module.out_features * bits / 8
        elif part:
            read[part] += sum(weight.nbytes for weight in module.parameters())
    return read


def profile(folder: Path, form: str, rows: int, dtype: str) -> str:
    """The table of one format of weights."""
    clocks = Clocks()
    steps = instrument(clocks)
    model = load(form if form in BITS else "fast", folder, "cpu", getattr(torch, dtype, None))
    inputs = DiaTokenizer()([TEXT], return_tensors="pt")
    settings = {name: value for name, value in PUBLISHED_SAMPLING.items() if name != "max_length"}
    torch.manual_seed(0)
    model.generate(**inputs, **settings, max_new_tokens=rows + SKIPPED + 1)
    counted = len(steps) - SKIPPED
    parts = {name: seconds / counted for name, seconds in clocks.seconds.items()}
    whole = sum(steps[SKIPPED:]) / counted
    parts["embedding, rotation, sums, Python"] = whole - sum(parts.values())
    read, lines = bytes_of(model), [f"\n{form}: {1e3 * whole:.2f} ms a step\n"]
    lines += ["| part | ms | share | weights GB | GB/s |", "|---|---|---|---|---|"]
    for name, seconds in sorted(parts.items(), key=lambda part: -part[1]):
        size = read.get(name, 0.0) / 1e9
        lines.append(
            f"| {name} | {1e3 * seconds:.2f} | {100 * seconds / whole:.0f} % "
            f"| {f'{size:.2f} | {size / seconds:.0f}' if size else '|'} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Every format in a process of its own."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_size_options(options)
    options.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    options.add_argument("--rows", type=int, default=40, help="number of timed rows (default: 40)")
    options.add_argument(
        "--dtype",
        choices=("bfloat16", "float32", "default"),
        default="bfloat16",
        help="default: this package's choice",
    )
    options.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.child:
        print(json.dumps({"table": profile(arguments.weights, arguments.formats[0], arguments.rows, arguments.dtype)}))
        return
    with checkpoint_asked(arguments) as place:
        print(f"memory is read at {bandwidth('cpu') / 1e9:.1f} GB/s")
        for form in arguments.formats:
            asked = ["--weights", str(place), "--formats", form, "--rows", str(arguments.rows)]
            asked += ["--dtype", arguments.dtype]
            found = found_by_child(__file__, asked, form)
            if found is None:
                sys.exit(1)
            print(found["table"], flush=True)


if __name__ == "__main__":
    main()
