"""Measure the peak memory of speech by weight format, including model, codec and libraries.

    python benchmarks/speed/peak_memory.py                         random weights of Dia-1.6B's shape; 4 GB of disk
    python benchmarks/speed/peak_memory.py --tiny --formats int4   a small model, for a quick trial

Every format runs in its own process, which loads the checkpoint, generates some rows and decodes them. Memory is the
peak resident memory on Linux.
"""

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from apart import found_by_child
from bench_decode import TEXT, tiny_config, write_checkpoint
from transformers import DacConfig, DacModel

from dia import DiaConfig, DiaProcessor

FORMATS = ("bfloat16", "int8", "int4")


def write_all(folder: Path, tiny: bool) -> None:
    """A checkpoint with a codec, random weights."""
    config = tiny_config() if tiny else DiaConfig()
    write_checkpoint(folder, config, torch.bfloat16)
    shape: dict[str, Any] = {"encoder_hidden_size": 8, "decoder_hidden_size": 64} if tiny else {}
    codec = DacModel(DacConfig(sampling_rate=44_100, **shape)).eval()
    DiaProcessor.for_config(config, codec).save_pretrained(folder)


def peak() -> int:
    """Bytes of this process at its largest."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found is not None
    return 1024 * int(found[1])


def speak(folder: Path, form: str, rows: int) -> dict[str, float]:
    """What one process found."""
    from dia.model import Dia

    imported = peak()
    dia = Dia.from_pretrained(folder, "cpu", "bfloat16", quantization=None if form == "bfloat16" else form)
    loaded = peak()
    delays = max(dia.model.config.delay_pattern)
    sound = dia.generate(TEXT, max_tokens=rows + 2 * delays + 3, seed=1)
    return {"imported": imported, "loaded": loaded, "spoken": peak(), "samples": len(sound)}


def main() -> None:
    """Measure every format, or as a child one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--rows", type=int, default=172, help="number of generated rows, 86 per second (default: 172)")
    parser.add_argument("--tiny", action="store_true", help="a small model, for a quick trial")
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--child", nargs=2, metavar=("FOLDER", "FORMAT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(speak(Path(given.child[0]), given.child[1], given.rows)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_all(Path(folder), given.tiny)
        found = {
            form: found_by_child(__file__, [folder, form, "--rows", str(given.rows)], form) for form in given.formats
        }
    print("| weights | GB after import | after loading | peak |\n|---|---|---|---|")
    for form, sizes in found.items():
        if sizes is not None:
            told = " | ".join(f"{sizes[name] / 1e9:.2f}" for name in ("imported", "loaded", "spoken"))
            print(f"| {form} | {told} |")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    sys.exit(any(sizes is None for sizes in found.values()))


if __name__ == "__main__":
    main()
