"""Compare the stock codec with Dia's: speed, accuracy and memory of decoding, in one run on one machine.

    python benchmarks/speed/bench_codec.py                  random weights of the published 44.1 kHz codec's shape
    python benchmarks/speed/bench_codec.py --mini           the embedded codec, on speech if flite is installed
    python benchmarks/speed/bench_codec.py --long 600       also the memory for ten minutes of audio; slow
    python benchmarks/speed/bench_codec.py --tiny --long 20 a small codec, for a quick trial
    python benchmarks/speed/bench_codec.py --mini --pieces 1 4 13 33                in pieces, as streams are decoded

Every variant runs in its own process with the same weights and codes. `stock` is `DacModel.decode` on the whole clip;
`windows` decodes in exact windows, as `dia.codec.dac` does on accelerators; `fast` is what it does on a CPU.
The signal-to-noise ratio is relative to the stock samples in float32. Memory is the peak of the process itself.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from apart import Memory, found_by_child
from torch import Tensor
from transformers import DacConfig, DacModel

from dia import MINI
from dia.codec import dac as codec
from dia.codec import fast_decoder as fast_codec

VARIANTS = ("stock", "stock-bfloat16", "windows", "fast", "fast-bfloat16")


def model_of(size: str) -> DacModel:
    """The same codec in every process."""
    if size == "mini":
        return DacModel.from_pretrained(MINI / "audio_tokenizer").eval()
    width = {"published": (64, 1536), "tiny": (4, 64)}[size]
    torch.manual_seed(0)
    config = DacConfig(encoder_hidden_size=width[0], decoder_hidden_size=width[1], sampling_rate=44_100)
    return DacModel(config).eval()


def codes_of(model: DacModel, size: str, seconds: float) -> Tensor:
    """Codes [T, C]: of speech, repeated, for the embedded codec; else at random."""
    frames = max(1, round(seconds * codec.frame_rate(model.config)))
    noise = torch.Generator().manual_seed(0)
    spoken = torch.randint(model.config.codebook_size, (frames, model.config.n_codebooks), generator=noise)
    if size == "mini":
        from dia.training.mini.teacher.voices import performs

        try:
            samples = performs("You get full control over scripts and voices.", "S1")
        except FileNotFoundError:
            return spoken
        spoken = codec.encode(model, [torch.as_tensor(samples / 32768).float()])[0]
        spoken = spoken.repeat(frames // len(spoken) + 1, 1)[:frames]
    return spoken


def decoder_of(variant: str, model: DacModel) -> Callable[[Tensor], Tensor]:
    """Codes [T, C] to samples [N], as the variant does it."""
    if variant.startswith("stock"):
        model.to(torch.bfloat16 if variant.endswith("bfloat16") else torch.float32)
        return lambda codes: model.decode(audio_codes=codes.T[None]).audio_values[0].float()
    if variant == "windows":
        fast_codec.decoder_of = lambda *_: None
    dtype = torch.bfloat16 if variant.endswith("bfloat16") else torch.float32
    return lambda codes: codec.decode(model, [codes.cpu()], dtype=dtype)[0]


@torch.no_grad()
def child(options: argparse.Namespace) -> dict[str, Any]:
    """One variant and one length, measured in this process; the samples go to a file."""
    if options.threads:
        torch.set_num_threads(options.threads)
    model = model_of(options.size).to(options.device)
    codes = codes_of(model, options.size, options.seconds).to(options.device)
    run = decoder_of(options.variant, model)
    length = codec.decoded_length(model, len(codes)) / model.config.sampling_rate
    memory, times = Memory(), []
    memory.start()
    for _ in range(options.repeat):
        started = time.perf_counter()
        samples = run(codes).cpu()
        times.append(time.perf_counter() - started)
    torch.save(samples, options.samples)
    if options.profile:
        _profile(run, codes)
    held = torch.cuda.max_memory_allocated() if options.device == "cuda" else memory.most * 1024
    return {"variant": options.variant, "seconds": length, "times": times, "memory": held}


def _profile(run: Callable[[Tensor], Tensor], codes: Tensor) -> None:
    with torch.profiler.profile() as taken:
        run(codes)
    print(taken.key_averages().table(sort_by="self_cpu_time_total", row_limit=15), file=sys.stderr)


def measured(options: argparse.Namespace, variant: str, seconds: float, repeat: int) -> dict[str, Any] | None:
    """What a process of its own finds; None, and its last words printed, if it fails."""
    arguments = [
        *("--size", options.size, "--variant", variant, "--seconds", str(seconds)),
        *("--repeat", str(repeat), "--samples", str(options.samples / f"{variant}.pt")),
        *("--device", options.device, "--threads", str(options.threads)),
        *(["--profile"] if options.profile else []),
    ]
    return found_by_child(__file__, arguments, f"{variant}, {seconds:g} s", options.profile)


def signal_to_noise(folder: Path, variant: str) -> float:
    """Decibels of the stock samples above the difference to the variant's."""
    wanted, got = (torch.load(folder / f"{name}.pt", weights_only=True) for name in ("stock", variant))
    return float(10 * torch.log10(wanted.square().sum() / (wanted - got).square().sum()))


def report(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure everything and print the table line by line."""
    print(
        f"| variant | x realtime | best | x stock | signal to noise dB | memory GB at {options.seconds:g} s "
        f"| at {options.long:g} s |\n|---|---|---|---|---|---|---|"
    )
    rows: list[dict[str, Any]] = []
    for variant in options.variants:
        found = measured(options, variant, options.seconds, options.repeat + 1)
        if found is None:
            continue
        times = sorted(found["times"][1:])  # the first one warms up
        found["realtime"] = found["seconds"] / times[len(times) // 2]
        found["best"] = found["seconds"] / times[0]
        if rows and rows[0]["variant"] == "stock":
            found["against_stock"] = found["realtime"] / rows[0]["realtime"]
            found["signal_to_noise"] = signal_to_noise(options.samples, variant)
        if options.long and not variant.startswith("stock"):
            long = measured(options, variant, options.long, 1)
            found["memory_long"] = long and long["memory"]
        rows.append(found)
        print(_line(found), flush=True)
    return rows


@torch.no_grad()
def pieces(options: argparse.Namespace) -> list[dict[str, float]]:
    """CPU milliseconds for a second of sound, decoded in pieces of so many frames as streams are, in this process."""
    torch.set_num_threads(options.threads or 1)
    model, rows = model_of(options.size), []
    codes = codes_of(model, options.size, options.seconds)
    seconds = codec.decoded_length(model, len(codes)) / model.config.sampling_rate
    print("| frames at once | ms |\n|---|---|")
    for size in options.pieces:
        times = [_time_of_pieces(model, codes, size) for _ in range(options.repeat + 1)][1:]  # the first one warms up
        rows.append({"frames": size, "ms": 1e3 * sorted(times)[len(times) // 2] / seconds})
        print(f"| {size} | {rows[-1]['ms']:.0f} |", flush=True)
    return rows


def _time_of_pieces(model: DacModel, codes: Tensor, size: int) -> float:
    stream, began = codec.ClipStream(model, torch.float32), time.process_time()
    for start in range(0, len(codes), size):
        stream.push(codes[start : start + size], last=start + size >= len(codes))
    return time.process_time() - began


def _line(found: dict[str, Any]) -> str:
    numbers = (
        (found.get("against_stock"), ".2f", 1),
        (found.get("signal_to_noise"), ".1f", 1),
        (found["memory"], ".2f", 1e9),
        (found.get("memory_long"), ".2f", 1e9),
    )
    cells = [f"{number / unit:{form}}" if number is not None else "" for number, form, unit in numbers]
    return f"| {found['variant']} | {found['realtime']:.2f} | {found['best']:.2f} | {' | '.join(cells)} |"


def main() -> None:
    """Read the command line; measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--mini", dest="size", action="store_const", const="mini", help="the embedded codec")
    size.add_argument(
        "--tiny", dest="size", action="store_const", const="tiny", help="a small codec, for a quick trial"
    )
    size.add_argument("--size", help=argparse.SUPPRESS)
    parser.set_defaults(size="published")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the decoded audio (default: 10)")
    parser.add_argument(
        "--long", type=float, default=60.0, help="seconds of audio for the last column, 0 for none (default: 60)"
    )
    parser.add_argument(
        "--repeat", type=int, default=3, help="timed runs after a warm-up; the median is reported (default: 3)"
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="number of CPU threads (default: chosen by torch)")
    parser.add_argument("--profile", action="store_true", help="also print a profile")
    parser.add_argument(
        "--pieces", nargs="+", type=int, help="instead, decode in pieces of so many frames, such as 1 4 13 33"
    )
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--variant", help=argparse.SUPPRESS)
    parser.add_argument("--samples", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options)))
        return
    if options.pieces:
        rows = pieces(options)
    else:
        with tempfile.TemporaryDirectory() as folder:
            options.samples = Path(folder)
            rows = report(options)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
