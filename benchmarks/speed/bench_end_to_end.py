"""Compare the stock classes with Dia's, from text to waveform with the embedded model, in one run on one machine.

    python benchmarks/speed/bench_end_to_end.py
    python benchmarks/speed/bench_end_to_end.py --model FOLDER --repeat 5 --json end_to_end.json
    python benchmarks/speed/bench_end_to_end.py --variants ours --seconds 1 --repeat 1 --no-commands  a quick trial

Every variant runs in its own process: it parses the text, generates codes with the checkpoint's sampling settings and
decodes them. `stock` is transformers' own Dia and DacModel, with Dia's tokenizer; `plain` is Dia's loop and codec
without the fast step and the folded decoder; `ours` is what `Dia.generate` does. All have the dtype that `Dia` chooses
on this machine, and all clips are cut at the same length. `codec` is the share of the time spent on decoding codes.
The command and the imports are then timed as a user experiences them, including the start of the interpreter; the
median of several runs is reported.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from apart import found_by_child
from torch import Tensor

from dia import MINI, DiaForConditionalGeneration, DiaProcessor, DiaTokenizer
from dia.checkpoints.placement import choose_dtype
from dia.codec import dac as codec
from dia.codec import fast_decoder as fast_codec

VARIANTS = ("stock", "plain", "ours")
TEXT = "[S1] Dia is an open weights text to dialogue model. [S2] You get full control over scripts and voices."
IMPORTS = {
    "import transformers, torch": "import transformers, torch",
    "import transformers, torch, dia": "import transformers, torch, dia",
    "import dia": "import dia",
    "import dia.model": "import dia.model",
}
COMMANDS = {
    "dia --help": ["--help"],
    "dia say --help": ["say", "--help"],
    "dia say": ["say", TEXT, "--seed", "7", "--device", "cpu"],
}


def load(variant: str, folder: Path) -> tuple[Any, Any]:
    """Model and processor."""
    chosen = {"dtype": choose_dtype(torch.device("cpu"), 0)}
    if variant != "stock":
        model = DiaForConditionalGeneration.from_pretrained(folder, **chosen).eval()
        return model, DiaProcessor.from_pretrained(folder)
    from transformers import DacModel
    from transformers.models.dia import feature_extraction_dia, modeling_dia, processing_dia

    model = modeling_dia.DiaForConditionalGeneration.from_pretrained(folder, **chosen).eval()
    extractor = feature_extraction_dia.DiaFeatureExtractor.from_pretrained(folder)
    tokenizer = DiaTokenizer.from_pretrained(folder)  # transformers' own does not read phones
    dac = DacModel.from_pretrained(folder / "audio_tokenizer").eval()
    return model, processing_dia.DiaProcessor(extractor, tokenizer, audio_tokenizer=dac)


def speaking(variant: str, model: Any, processor: Any, rows: int) -> Callable[[], tuple[Tensor, float]]:
    """A function: speaks once; returns the waveform [N] and the seconds that decoding took."""
    plain = {"max_time": 3600.0} if variant == "plain" else {}
    channels = {name: getattr(model.config.decoder_config, name) for name in ("bos_token_id", "eos_token_id")}
    channels |= {"pad_token_id": model.config.decoder_config.pad_token_id, "delay_pattern": model.config.delay_pattern}
    if variant == "plain":
        fast_codec.decoder_of = lambda *_: None

    def speak() -> tuple[Tensor, float]:
        torch.manual_seed(7)
        inputs = processor(text=[TEXT], padding=True, return_tensors="pt", **channels)
        grid = model.generate(**inputs, **plain, max_new_tokens=rows)
        started = time.perf_counter()
        (waveform,) = processor.batch_decode(grid, **channels)
        return waveform, time.perf_counter() - started

    return speak


def child(options: argparse.Namespace) -> dict[str, Any]:
    """One variant, measured in this process."""
    if options.threads:
        torch.set_num_threads(options.threads)
    started = time.perf_counter()
    model, processor = load(options.variant, options.model)
    loaded = time.perf_counter() - started
    dac = processor.audio_tokenizer
    rows = round(options.seconds * codec.frame_rate(dac.config)) + max(model.config.delay_pattern)
    speak, taken, lengths, decoding = speaking(options.variant, model, processor, rows), [], [], []
    for _ in range(options.repeat + 1):
        started = time.perf_counter()
        waveform, inside = speak()
        taken.append(time.perf_counter() - started)
        lengths.append(waveform.shape[-1] / dac.config.sampling_rate)
        decoding.append(inside)
    speeds = [length / seconds for length, seconds in zip(lengths[1:], taken[1:], strict=True)]  # the first warms up
    return {
        "variant": options.variant,
        "realtime": statistics.median(speeds),
        "best": max(speeds),
        "codec_share": sum(decoding[1:]) / sum(taken[1:]),
        "seconds": lengths[-1],
        "first": taken[0],
        "load_seconds": loaded,
    }


def measured(options: argparse.Namespace, variant: str) -> dict[str, Any] | None:
    """What a process of its own finds; None, and its last words printed, if it fails."""
    arguments = [
        *("--variant", variant, "--model", str(options.model), "--seconds", str(options.seconds)),
        *("--repeat", str(options.repeat), "--threads", str(options.threads)),
    ]
    return found_by_child(__file__, arguments, variant)


def wall_time(command: list[str], repeat: int) -> float:
    """Median seconds of a command, interpreter included."""
    taken = []
    for _ in range(repeat):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def waits(options: argparse.Namespace) -> dict[str, float]:
    """Seconds for imports and commands; what dia adds to transformers and torch comes last."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        output = ["--output", str(Path(folder) / "said.wav"), "--model", str(options.model)]
        commands = {name: [sys.executable, "-c", code] for name, code in IMPORTS.items()}
        for name, arguments in COMMANDS.items():
            commands[name] = [sys.executable, "-m", "dia.cli", *arguments, *(output if name == "dia say" else [])]
        for name, command in commands.items():
            found[name] = wall_time(command, options.repeat)
            print(f"| {name} | {found[name]:.2f} |", flush=True)
    beyond = found["import transformers, torch, dia"] - found["import transformers, torch"]
    print(f"| dia beyond transformers, torch | {beyond:.2f} |")
    return found | {"dia beyond transformers, torch": beyond}


def report(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything and print tables line by line."""
    print("| variant | x realtime | best | x stock | codec | speech s | first call s | load s |")
    print("|---|---|---|---|---|---|---|---|")
    rows: list[dict[str, Any]] = []
    for variant in options.variants:
        if (found := measured(options, variant)) is None:
            continue
        rows.append(found)
        against = f"{found['realtime'] / rows[0]['realtime']:.2f}" if rows[0]["variant"] == "stock" else ""
        print(
            f"| {variant} | {found['realtime']:.2f} | {found['best']:.2f} | {against} "
            f"| {100 * found['codec_share']:.0f} % | {found['seconds']:.2f} | {found['first']:.2f} "
            f"| {found['load_seconds']:.2f} |",
            flush=True,
        )
    if options.no_commands:
        return {"variants": rows}
    print("\n| wait for | seconds |\n|---|---|")
    return {"variants": rows, "waits": waits(options)}


def main() -> None:
    """Read the command line; measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MINI, help="checkpoint folder (default: the embedded one)")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    parser.add_argument("--seconds", type=float, default=10.0, help="maximum length of the speech (default: 10)")
    parser.add_argument("--repeat", type=int, default=5, help="timed runs; the median is reported (default: 5)")
    parser.add_argument("--threads", type=int, default=0, help="number of CPU threads (default: chosen by torch)")
    parser.add_argument("--no-commands", action="store_true", help="skip imports and commands")
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--variant", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options)))
        return
    found = report(options)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
