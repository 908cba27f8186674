"""Compare the stock decoder with Dia's, plain, fast and quantized: frames per second, in one run on one machine.

    python benchmarks/speed/bench_decode.py                          random weights of Dia-1.6B's shape; 4 GB of disk
    python benchmarks/speed/bench_decode.py --mini --batches 1 8
    python benchmarks/speed/bench_decode.py --variants stock fast --batches 1 --profile
    python benchmarks/speed/bench_decode.py --device cuda --variants stock stock-compiled plain fast
    python benchmarks/speed/bench_decode.py --dtype default --runs stock:1 stock-float32:1 int8:8 --beside 1

Every variant runs in its own process, loads the same weights from the same file and speaks the same texts with the
published sampling settings and guidance 3. `x realtime` is relative to the published codec's 86.13 frames/s, or to the
embedded codec's rate. All variants are measured several times in turn, because the speed of a machine varies: results
are medians; `x stock` is the median, minimum and maximum over the turns, relative to the first variant whose name
begins with stock. Memory is the peak resident memory, including pages of the weight file; on a GPU, the peak of
allocated memory. `first row` is the time from a text to its first row, once the model is warm.

With `--dtype default` this package's variants choose their dtype themselves, and `stock` uses the checkpoint's.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from apart import Memory, found_by_child
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm
from transformers.generation.streamers import BaseStreamer

from dia import MINI, DiaConfig, DiaForConditionalGeneration, DiaTokenizer
from dia.decoding.sampling import PUBLISHED_SAMPLING, published_generation_config

VARIANTS = ("stock", "stock-float32", "stock-compiled", "plain", "fast", "fast-compiled", "int8", "int4")
DEFAULT = ("stock", "plain", "fast", "int8", "int4")
BITS = {"int8": 8.0, "int4": 4.5}
TEXT = (
    "[S1] Dia is an open weights text to dialogue model. [S2] You get full control over scripts and voices. (laughs)"
)
WARM_UP = 6  # rows


def tiny_config() -> DiaConfig:
    """The published proportions at an eighth of the width and two layers, for a quick trial."""
    encoder = {"num_hidden_layers": 2, "hidden_size": 128, "num_attention_heads": 2, "num_key_value_heads": 2}
    decoder = {"num_hidden_layers": 2, "hidden_size": 256, "intermediate_size": 1024, "cross_hidden_size": 128}
    return DiaConfig(encoder_config={**encoder, "intermediate_size": 512}, decoder_config=decoder)


def write_checkpoint(folder: Path, config: DiaConfig, dtype: torch.dtype) -> None:
    """Random weights in the Hugging Face layout, one block of noise repeated; EOS is never the best."""
    with torch.device("meta"):
        model = DiaForConditionalGeneration(config)
    noise = torch.randn(1 << 20, generator=torch.Generator().manual_seed(0)).mul_(0.02).to(dtype)
    weights: dict[str, Tensor] = {}
    for name, weight in model.state_dict().items():
        if weight.ndim == 1:
            weights[name] = torch.ones(weight.shape, dtype=dtype)
        else:
            weights[name] = noise.repeat(weight.numel() // len(noise) + 1)[: weight.numel()].view(weight.shape)
            # Attention has scale 1.0, so queries must be small.
            weights[name] = weights[name] * 0.1 if "q_proj" in name else weights[name].clone()
    weights["logits_dense.weight"][config.get_text_config().eos_token_id] = 0
    config.save_pretrained(folder)
    published_generation_config(config).save_pretrained(folder)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def add_size_options(parser: argparse.ArgumentParser) -> None:
    """`--mini`, `--tiny` and `--weights`: which checkpoint is measured."""
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--mini", action="store_true", help="the embedded model")
    size.add_argument("--tiny", action="store_true", help="a small model, for a quick trial")
    parser.add_argument("--weights", type=Path, help="folder for the random weights, written if missing")


@contextmanager
def checkpoint_asked(options: argparse.Namespace) -> Iterator[Path]:
    """The folder that these options ask for, written if it is not there; one that nobody named is removed again."""
    with tempfile.TemporaryDirectory() as folder:
        place = MINI if options.mini else options.weights or Path(folder)
        if not (place / "config.json").is_file():
            place.mkdir(parents=True, exist_ok=True)
            write_checkpoint(place, tiny_config() if options.tiny else DiaConfig(), torch.bfloat16)
        yield place


class Clock(BaseStreamer):
    """When each row was there."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def put(self, value: Tensor) -> None:
        self.times.append(time.perf_counter())

    def end(self) -> None:
        pass


def load(variant: str, folder: Path, device: str, dtype: torch.dtype | None) -> Any:
    """The model of a variant; without a dtype, in the default one."""
    if variant.startswith("stock"):
        from transformers.models.dia import modeling_dia

        dtype = torch.float32 if variant == "stock-float32" else dtype or torch.bfloat16
        return modeling_dia.DiaForConditionalGeneration.from_pretrained(folder, dtype=dtype).to(device).eval()
    from dia.model import Dia

    quantization = variant if variant in BITS else None
    return Dia.from_pretrained(folder, device, dtype, load_dac=False, quantization=quantization).model


def settings_of(variant: str) -> dict[str, Any]:
    """How `generate` is called for a variant."""
    from transformers import CompileConfig

    return {
        "stock-compiled": {"cache_implementation": "static"},
        "plain": {"max_time": 3600.0},  # only the plain loop watches the time
        "fast-compiled": {"compile_config": CompileConfig()},
    }.get(variant, {})


def row_times(model: Any, inputs: dict[str, Tensor], settings: dict[str, Any], rows: int) -> list[float]:
    """Seconds for each row after the warm-up; on a GPU, where looking stops it, their mean from two lengths."""
    if model.device.type == "cpu":
        clock = Clock()
        model.generate(**inputs, **settings, max_new_tokens=rows + WARM_UP, streamer=clock)
        return [after - before for before, after in zip(clock.times, clock.times[1:], strict=False)][WARM_UP:]

    def whole(length: int) -> float:
        torch.cuda.synchronize()
        start = time.perf_counter()
        model.generate(**inputs, **settings, max_new_tokens=length)
        torch.cuda.synchronize()
        return time.perf_counter() - start

    short = 2 * max(model.config.delay_pattern)
    whole(short + rows)  # compiles and records what the second call needs
    return [(whole(short + rows) - whole(short)) / rows]


def first_row(model: Any, inputs: dict[str, Tensor], settings: dict[str, Any]) -> float:
    """Seconds until the first row is there, the better of two calls."""
    best = float("inf")
    for _ in range(2):
        start = time.perf_counter()
        model.generate(**inputs, **settings, max_new_tokens=1)
        if model.device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return best


def text_of(size: int) -> str:
    """A text of about so many bytes."""
    return TEXT if not size else ((TEXT + " ") * (size // len(TEXT) + 1))[:size].rstrip()


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """So many processes that compute all the time."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def step_weights(model: Any) -> int:
    """Weights that one step reads: the decoder's without those of the text's keys and values, and the head."""
    config = DiaConfig(**model.config.to_dict())
    with torch.device("meta"):
        whole = DiaForConditionalGeneration(config)
    once = ("cross_attention.k_proj", "cross_attention.v_proj", "embeddings")
    named = [*whole.model.decoder.named_parameters(), *whole.logits_dense.named_parameters(prefix="logits_dense")]
    return sum(weight.numel() for name, weight in named if not any(part in name for part in once))


def bandwidth(device: str) -> float:
    """Bytes per second of reading, the best of ten sums over 1 GB."""
    block, best = torch.ones(1 << 28, device=device), 0.0
    for _ in range(10):
        start = time.perf_counter()
        block.sum().item()
        best = max(best, block.numel() * 4 / (time.perf_counter() - start))
    return best


def child(options: argparse.Namespace) -> dict[str, Any]:
    """One variant at one batch, measured in this process."""
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.variant == "bandwidth":
        return {"bandwidth": bandwidth(options.device)}
    memory, dtype, start = Memory(), getattr(torch, options.dtype, None), time.perf_counter()
    memory.start()
    model = load(options.variant, options.weights, options.device, dtype)
    loaded = time.perf_counter() - start
    if options.variant == "stock-compiled":
        model.forward = torch.compile(model.forward)
    text = DiaTokenizer()([text_of(options.text_bytes)] * options.batch, return_tensors="pt")
    inputs = {name: text[name].to(options.device) for name in ("input_ids", "attention_mask")}
    config = model.config.decoder_config
    bos = torch.full((options.batch, 1, config.num_channels), config.bos_token_id, device=options.device)
    inputs |= {"decoder_input_ids": bos, "decoder_attention_mask": torch.ones_like(bos[..., 0])}
    settings = {**PUBLISHED_SAMPLING, **settings_of(options.variant)}
    del settings["max_length"]
    torch.manual_seed(0)
    if options.profile:
        profile(model, inputs, settings)
    seconds = row_times(model, inputs, settings, options.rows)
    step = statistics.median(seconds)
    itemsize = 4 if options.variant == "stock-float32" else (dtype or torch.bfloat16).itemsize
    bits = BITS.get(options.variant, 8.0 * itemsize)
    return {
        "variant": options.variant,
        "batch": options.batch,
        "dtype": str(model.dtype).removeprefix("torch."),
        "first_row_seconds": first_row(model, inputs, settings),
        "ms_per_frame": 1000 * step,
        "best_ms_per_frame": 1000 * min(seconds),
        "frames_per_second": options.batch / step,
        "bytes_per_second": step_weights(model) * bits / 8 / step,
        "memory": torch.cuda.max_memory_allocated() if options.device == "cuda" else memory.most * 1024,
        "load_seconds": loaded,
    }


def profile(model: Any, inputs: dict[str, Tensor], settings: dict[str, Any]) -> None:
    """Print where the time of 20 rows goes."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiler

    rows = max(model.config.delay_pattern) + 20
    model.generate(**inputs, **settings, max_new_tokens=rows)
    both = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if model.device.type == "cuda" else [])
    with profiler(activities=both) as taken:
        model.generate(**inputs, **settings, max_new_tokens=rows)
    key = "self_cuda_time_total" if model.device.type == "cuda" else "self_cpu_time_total"
    print(taken.key_averages().table(sort_by=key, row_limit=25, max_name_column_width=50), file=sys.stderr)


def measured(options: argparse.Namespace, variant: str, batch: int) -> dict[str, Any] | None:
    """What a process of its own finds; None, and its last words printed, if it fails."""
    arguments = [
        *("--variant", variant, "--batch", str(batch), "--weights", str(options.weights)),
        *("--rows", str(options.rows), "--dtype", options.dtype, "--device", options.device),
        *("--threads", str(options.threads), "--text-bytes", str(options.text_bytes)),
        *(["--profile"] if options.profile and variant != "bandwidth" else []),
    ]
    return found_by_child(__file__, arguments, f"{variant}, batch {batch}", options.profile)


def runs_of(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every variant at every batch, in turns; each turn has a stock model of its own to be compared with."""
    for turn in range(options.turns):
        stock = None
        for variant, batch in tqdm(options.runs, f"turn {turn + 1} of {options.turns}", leave=False):
            found = measured(options, variant, batch)
            if found is None:
                continue
            speed = found["frames_per_second"]
            stock = speed if variant.startswith("stock") and stock is None else stock
            yield {**found, "turn": turn, "x_stock": stock and speed / stock}


def row_of(runs: Sequence[dict[str, Any]], rate: float, reading: float) -> str:
    """One line of the table: the medians of a variant's turns."""
    middle = {
        name: statistics.median(run[name] for run in runs)
        for name in ("frames_per_second", "ms_per_frame", "bytes_per_second", "load_seconds", "first_row_seconds")
    }
    ratios = [run["x_stock"] for run in runs if run["x_stock"]]
    against = f"{statistics.median(ratios):.2f}" if ratios else ""
    spread = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 and runs[0]["variant"] != "stock" else ""
    return (
        f"| {runs[0]['variant']} | {runs[0]['batch']} | {middle['frames_per_second']:.1f} "
        f"| {middle['frames_per_second'] / rate:.2f} | {against}{spread} | {middle['ms_per_frame']:.2f} "
        f"| {min(run['best_ms_per_frame'] for run in runs):.2f} | {100 * middle['bytes_per_second'] / reading:.0f} % "
        f"| {max(run['memory'] for run in runs) / 1e9:.2f} | {middle['load_seconds']:.1f} "
        f"| {middle['first_row_seconds']:.2f} |"
    )


def report(options: argparse.Namespace, rate: float) -> None:
    """Measure everything and print the table."""
    reading = (measured(options, "bandwidth", 1) or {"bandwidth": float("nan")})["bandwidth"]
    results: dict[str, Any] = {"bandwidth": reading, "threads": options.threads, "dtype": options.dtype, "runs": []}
    runs = results["runs"]
    with busy_processes(options.beside):
        for run in runs_of(options):
            runs.append(run)
            if options.json:
                options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"{options.dtype}, {options.device}, memory is read at {reading / 1e9:.1f} GB/s\n")
    print(
        "| variant | batch | frames/s | x realtime | x stock | ms/frame | best | bandwidth | memory GB | load s "
        "| first row s |\n|---|---|---|---|---|---|---|---|---|---|---|"
    )
    for variant, batch in options.runs:
        if own := [run for run in runs if (run["batch"], run["variant"]) == (batch, variant)]:
            print(row_of(own, rate, reading))


def run_of(text: str) -> tuple[str, int]:
    """A variant and a batch, `VARIANT:BATCH`."""
    variant, _, batch = text.partition(":")
    if variant not in VARIANTS or not batch.isdecimal() or int(batch) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not VARIANT:BATCH with one of {', '.join(VARIANTS)}")
    return variant, int(batch)


def main() -> None:
    """Read the command line; measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_size_options(parser)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=DEFAULT)
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8, 32])
    parser.add_argument("--runs", nargs="+", type=run_of, metavar="VARIANT:BATCH", help="instead of all combinations")
    parser.add_argument("--text-bytes", type=int, default=0, help="length of the text (default: 112 bytes)")
    parser.add_argument("--beside", type=int, default=0, help="number of busy processes beside each measurement")
    parser.add_argument("--rows", type=int, default=48, help="number of timed rows (default: 48)")
    parser.add_argument(
        "--turns", type=int, default=3, help="number of measurements per variant, in turn (default: 3)"
    )
    parser.add_argument("--dtype", choices=("bfloat16", "float16", "float32", "default"), default="bfloat16")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="number of CPU threads (default: chosen by torch)")
    parser.add_argument("--profile", action="store_true", help="also print a profile")
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--variant", help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rows < 12:
        parser.error(f"--rows is {options.rows}; the delay alone takes 12 or more.")
    if options.turns < 1:
        parser.error(f"--turns is {options.turns}; use 1 or more.")
    options.runs = options.runs or [(variant, batch) for batch in options.batches for variant in options.variants]
    if options.child:
        print(json.dumps(child(options)))
        return
    with checkpoint_asked(options) as options.weights:
        report(options, 40.0 if options.mini else 44_100 / 512)


if __name__ == "__main__":
    main()
