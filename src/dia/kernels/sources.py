"""The C files: with which compiler flags, the command that compiles one, and the name of its library.

Uses the standard library alone, because `setup.py` runs this file without the package. Loads no library and has no
cache: see `compile.py`.
"""

import platform
import shutil
import subprocess
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

Flags = tuple[str, ...]

_MACHINE = platform.machine().replace("AMD64", "x86_64")
_AVX512 = ("-mavx512f", "-mavx512bw", "-mavx512vl", "-fno-math-errno")
BFLOAT16_FLAGS: Flags = (*_AVX512, "-mavx512bf16")
BYTES_FLAGS: Flags = (*_AVX512, "-mavx512vnni", "-fno-trapping-math")  # for products of 8-bit numbers
# For C without intrinsics, which the compiler turns into vectors.
PLAIN_FLAGS: Flags = ("-mavx2", "-mfma", "-fno-math-errno") if _MACHINE == "x86_64" else ()
WORDS_FLAGS: Flags = (*PLAIN_FLAGS, "-fno-trapping-math")  # for products of 16-bit numbers, with AVX2
AVX512_FLAGS: Flags = (*_AVX512, "-mfma")  # the same C, for wider vectors
AMX_FLAGS: Flags = (*AVX512_FLAGS, "-mavx512bf16", "-mamx-tile", "-mamx-bf16")
UNFUSED_FLAGS: Flags = (*PLAIN_FLAGS, "-ffp-contract=off")  # rounds products before they are added

# What code that may be compiled for several kinds of CPU is compiled for.
INSTRUCTIONS = {AMX_FLAGS: "AMX", AVX512_FLAGS: "AVX-512", PLAIN_FLAGS: "AVX2"}

_FOR_X86: tuple[tuple[str, Flags], ...] = (
    ("decoder.c", BFLOAT16_FLAGS),
    ("quantized.c", BYTES_FLAGS),
    ("quantized.c", WORDS_FLAGS),
    ("codec.c", AVX512_FLAGS),
    ("codec.c", AMX_FLAGS),
    ("network.c", AVX512_FLAGS),
    ("network.c", AMX_FLAGS),
    ("half.c", PLAIN_FLAGS),
    ("snake.c", BFLOAT16_FLAGS),
)
# The libraries that can be used on this kind of processor, by C file and flags. The modules of this folder choose from
# them by what the CPU supports; a wheel holds all.
LIBRARIES = (
    *(("codec.c", PLAIN_FLAGS), ("network.c", PLAIN_FLAGS), ("row.c", UNFUSED_FLAGS)),
    *(_FOR_X86 if _MACHINE == "x86_64" else ()),
)

_SHARED: Flags = ("-O3", "-fopenmp", "-shared", "-fPIC")
if sys.platform == "linux":
    # libgomp and libm only where they are used. The libgomp is the one that torch has loaded by then.
    _SHARED += ("-Wl,--as-needed",)
_TIMEOUT = 60  # seconds; the compiler needs about one


def library_name(source: Path, flags: Sequence[str]) -> str:
    """The first part of the name of a library: of what it is made, and for which machine."""
    headers = b"".join(path.read_bytes() for path in sorted(source.parent.glob("*.h")))
    version = checksum(source.read_bytes() + headers + " ".join((*_SHARED, *flags)).encode())
    return f"{source.stem}-{_MACHINE}-{version}"


def checked_name(name: str, content: bytes) -> str:
    """The whole name of a library with this content; it ends in a checksum, see `is_whole`."""
    return f"{name}-{checksum(content)}.so"


def is_whole(library: Path) -> bool:
    """Whether a library has the content that its name promises.

    Raises:
        OSError: it cannot be read.
    """
    return library.stem.endswith(checksum(library.read_bytes()))


def checksum(content: bytes) -> str:
    """Eight digits, against damage, not against forgery."""
    return f"{zlib.crc32(content):08x}"


def compile_library(source: Path, flags: Sequence[str], library: Path) -> None:
    """Compile a C file to a shared library.

    Raises:
        FileNotFoundError: there is no compiler.
        subprocess.SubprocessError: the compiler fails, or takes longer than a minute.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise FileNotFoundError("no C compiler found")
    command = [compiler, *_SHARED, *flags, str(source), "-lm", "-o", str(library)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT)


__all__ = [
    "AMX_FLAGS",
    "AVX512_FLAGS",
    "BFLOAT16_FLAGS",
    "BYTES_FLAGS",
    "INSTRUCTIONS",
    "LIBRARIES",
    "PLAIN_FLAGS",
    "UNFUSED_FLAGS",
    "WORDS_FLAGS",
    "checked_name",
    "checksum",
    "compile_library",
    "is_whole",
    "library_name",
]
