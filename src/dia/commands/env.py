"""`dia env`: print what to include in a bug report. Changes nothing and prints no folder names."""

import argparse
import contextlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

_NEEDED = ("torch", "transformers", "tokenizers", "huggingface_hub", "safetensors", "numpy", "soundfile", "soxr")
_OPTIONAL = ("accelerate", "datasets", "peft", "torchcodec", "sounddevice", "pocketsphinx", "torchao", "scipy")
# Variables that affect the package. Those in _FOLDERS contain paths, so their values are not printed.
_VARIABLES: tuple[str, ...] = (
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "MKL_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
    "DIA_NO_KERNEL",
)
_VARIABLES += ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "PYTHONIOENCODING", "LANG", "LC_ALL")
_FOLDERS = ("DIA_VOICES", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "XDG_DATA_HOME", "LD_LIBRARY_PATH")
_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "asimd", "bf16", "i8mm", "sve")
_GROUP = Path("/sys/fs/cgroup")
_LARGE = 1_611_160_576  # parameters of Dia-1.6B
_FOLDER = re.compile(r"(?<!\w)(?:[A-Za-z]:[\\/]|~?/)(?:[^\s/\\:'\"(),]+[/\\])+")


def add_command(subparsers: Any, notice: str = "") -> None:
    """Add `env` to the subparsers of `dia`; `notice` is unused."""
    parser = subparsers.add_parser(
        "env",
        help="print information for a bug report",
        description="Print information for a bug report: versions, hardware, kernels. Prints no folder names.",
    )
    parser.set_defaults(run=_env)


def _env(arguments: argparse.Namespace) -> int:
    for name, facts in _FACTS.items():
        print(f"{name + ':':16}{_described(facts)}")
    return 0


def _described(facts: Callable[[], Iterator[str]]) -> str:
    """The facts, with folder names removed; an error is printed instead of raised."""
    found: list[str] = []
    try:
        found.extend(facts())
    except Exception as error:
        found.append(f"unknown ({type(error).__name__}: {error})")
    return _FOLDER.sub("", " ".join(", ".join(found).split()))


def _dia() -> Iterator[str]:
    from dia.version import __version__

    yield __version__


def _python() -> Iterator[str]:
    yield f"{platform.python_version()} ({platform.python_implementation()})"
    yield f"output encoding {sys.stdout.encoding}"


def _platform() -> Iterator[str]:
    yield platform.platform()
    yield platform.machine()


def _packages() -> Iterator[str]:
    yield from (f"{name} {_version(name) or 'missing'}" for name in _NEEDED)
    import soundfile

    yield f"libsndfile {soundfile.__libsndfile_version__}"


def _optional() -> Iterator[str]:
    yield from (f"{name} {_version(name) or '-'}" for name in _OPTIONAL)


def _version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu() -> Iterator[str]:
    lines = _lines(Path("/proc/cpuinfo"))
    named = dict(line.replace("\t", "").split(":", 1) for line in lines if ":" in line)
    yield (named.get("model name") or platform.processor() or platform.machine()).strip()
    flags = (named.get("flags") or named.get("Features") or "").split()
    yield f"features {' '.join(flag for flag in _FEATURES if flag in flags) or 'unknown'}"
    import torch

    yield f"torch uses {torch.backends.cpu.get_cpu_capability()}"


def _cores() -> Iterator[str]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield f"{os.cpu_count()}, {usable} of them usable"
    quota = (_lines(_GROUP / "cpu.max") or ["max"])[0].split()
    yield "no cgroup limit" if quota[0] == "max" else f"cgroup limit {int(quota[0]) / int(quota[1]):g}"
    if hasattr(os, "getloadavg"):
        yield f"load {os.getloadavg()[0]:.2f}"
    import torch

    yield f"torch uses {torch.get_num_threads()} threads"


def _memory() -> Iterator[str]:
    from dia.runtime.resources.free_memory import free_memory

    total = next((line.split()[1] for line in _lines(Path("/proc/meminfo")) if line.startswith("MemTotal")), None)
    yield f"{int(total) * 1024 / 1e9:.1f} GB" if total else "size unknown"
    free = free_memory()
    yield f"{free / 1e9:.1f} GB free" if free is not None else "free memory unknown"


def _devices() -> Iterator[str]:
    import torch

    from dia.checkpoints.placement import choose_device

    if torch.cuda.is_available():
        yield from (f"cuda:{index} {torch.cuda.get_device_name(index)}" for index in range(torch.cuda.device_count()))
        yield f"CUDA {torch.version.cuda or torch.version.hip}"
    if torch.backends.mps.is_available():
        yield "mps"
    yield "cpu"
    yield f"chosen {choose_device()}"


def _dtype() -> Iterator[str]:
    from dia.checkpoints.placement import choose_device, resolve_dtypes

    dtypes = resolve_dtypes(None, choose_device(), _LARGE)
    compute, matrices = (str(dtype).removeprefix("torch.") for dtype in (dtypes.compute, dtypes.matrices))
    yield f"{compute} for Dia-1.6B" + (f" with matrices in {matrices}" if matrices != compute else "")


def _kernels() -> Iterator[str]:
    from dia.kernels import codec, decoder, half, network, row, snake
    from dia.kernels.compile import runs_plain_kernels, tiled_flags
    from dia.kernels.sources import BFLOAT16_FLAGS, PLAIN_FLAGS, UNFUSED_FLAGS
    from dia.quantization import products
    from dia.runtime.resources.processor import multiplies_bfloat16

    native, plain = multiplies_bfloat16(), (PLAIN_FLAGS,) if runs_plain_kernels() else ()
    quantized = products.library_flags()
    for source, choices in (
        (decoder._SOURCE, (BFLOAT16_FLAGS,) if native else ()),
        (half._SOURCE, (PLAIN_FLAGS,) if half.fits() else ()),
        (codec.SOURCE, tiled_flags()),
        (network._SOURCE, tiled_flags()),
        (row._SOURCE, (UNFUSED_FLAGS,) if plain else ()),
        (snake._SOURCE, (BFLOAT16_FLAGS,) if native else plain),
        (products.SOURCE, () if quantized is None else (quantized,)),
    ):
        yield f"{source.name} {_state_of(source, choices)}"
    yield _compiler()


def _state_of(source: Path, choices: Sequence[tuple[str, ...]]) -> str:
    """Where the library of a C file comes from; the first of the choices that can be compiled is used."""
    from dia.kernels.compile import compiled
    from dia.kernels.sources import INSTRUCTIONS

    state = "not for this CPU"
    for flags in choices:
        try:
            library = Path(compiled(source, *flags)._name)
        except (OSError, subprocess.SubprocessError) as error:
            state = f"not compiled ({error})"
        else:
            instructions = INSTRUCTIONS.get(flags) if len(choices) > 1 else None
            built = "built in" if library.parent == source.parent else "compiled"
            return f"{built} for {instructions}" if instructions else built
    return state


def _compiler() -> str:
    found = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if found is None:
        return "no C compiler"
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        printed = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=5).stdout
        return printed.partition("\n")[0]
    return f"{Path(found).name}, which fails to run"


def _ffmpeg() -> Iterator[str]:
    yield "program found" if shutil.which("ffmpeg") else "program not found"
    if _version("torchcodec") is None:
        yield "libraries not checked: torchcodec is not installed"
        return
    try:
        import torchcodec  # noqa: F401

        yield "libraries found by torchcodec"
    except (ImportError, RuntimeError, OSError):
        yield "no suitable libraries found by torchcodec"


def _sound() -> Iterator[str]:
    from dia.audio.playback import check_device

    try:
        check_device()
    except (ImportError, OSError) as error:
        yield str(error)
        return
    import sounddevice

    yield str(sounddevice.query_devices(kind="output")["name"])


def _environment() -> Iterator[str]:
    yield from (f"{name}={os.environ[name]}" for name in _VARIABLES if name in os.environ)
    yield from (f"{name} is set" for name in _FOLDERS if name in os.environ)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


_FACTS: dict[str, Callable[[], Iterator[str]]] = {
    "dia": _dia,
    "Python": _python,
    "platform": _platform,
    "packages": _packages,
    "optional": _optional,
    "CPU": _cpu,
    "cores": _cores,
    "memory": _memory,
    "devices": _devices,
    "dtype": _dtype,
    "kernels": _kernels,
    "FFmpeg": _ffmpeg,
    "sound device": _sound,
    "environment": _environment,
}

__all__ = ["add_command"]
