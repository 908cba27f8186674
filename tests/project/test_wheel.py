"""A wheel for Linux holds the C kernels ready built, and they are loaded without a compiler.

Everything is built from a source distribution of the kernels and what they import, since the whole package takes long.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from dia.kernels import codec, decoder, half, network, row, snake, sources
from dia.kernels import compile as compiling
from dia.quantization import products
from dia.version import __version__

ROOT = Path(__file__).parents[2]
FILES = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "NOTICE")
C_FILES = {path.name for path in network._SOURCE.parent.glob("*.c")}
HOOK = "import sys, setuptools.build_meta as backend; getattr(backend, sys.argv[1])(sys.argv[2])"
# Loads every library, although the CPU may lack the instructions of some, and multiplies: with layers of zeros, the
# logits of the network are a product with the normalized row.
PROGRAM = """
import json, torch
from dia.kernels import compile, network, sources

found = {"libraries": []}
for file, flags in sources.LIBRARIES:
    library = compile.compiled(network._SOURCE.with_name(file), *flags)
    found["libraries"].append(library._name)
sizes = (16,), (32, 16), (16, 16), (16,), (16, 16), (16, 16), (16,), (32, 16), (16, 16)
layer = network.LayerWeights(*map(torch.zeros, sizes))
weights = torch.randn(40, 16)
shape = network.Shape((2, 1, 8), (2, 1, 8), 16, 1.0, 1.0, 0.0)
packed = network.Weights([layer], torch.ones(16), weights, shape, network.load())
buffers = network.Buffers(*torch.zeros(2, 1, 1, 1, 4, 8), torch.zeros(16))
kernel = network.Network(packed, [buffers])
kernel.use([0], [[(torch.zeros(1, 1, 3, 8), torch.zeros(1, 1, 3, 8))]])
row = torch.randn(1, 16)
product = kernel(row, torch.zeros(1, 2, 8), [1], 1)
found["error"] = (product - torch.rms_norm(row, (16,)) @ weights.T).abs().max().item()
found["runtimes"] = sorted({line.split()[-1] for line in open("/proc/self/maps") if "libgomp" in line})
print(json.dumps(found))
"""

pytest.importorskip("setuptools", "77", reason="needs `pip install 'setuptools>=77'`")

PLATFORM = sysconfig.get_platform()
needs_linux = pytest.mark.skipif(
    PLATFORM not in ("linux-x86_64", "linux-aarch64"), reason="wheels hold libraries for Linux alone"
)
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, with these variables."""
    variables = {name: value for name, value in os.environ.items() if name not in ("DIA_NO_KERNEL", "PYTHONPATH")}
    done = subprocess.run(
        [sys.executable, *command], cwd=cwd, env={**variables, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """A source distribution."""
    folder = tmp_path_factory.mktemp("sdist")
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    for name in ("kernels", "runtime"):
        shutil.copytree(ROOT / "src/dia" / name, folder / "src/dia" / name)
    for file in (ROOT / "src/dia").glob("*.py"):
        shutil.copy(file, folder / "src/dia")
    run("-c", HOOK, "build_sdist", "out", cwd=folder)
    return folder / "out" / f"dia_tts-{__version__}.tar.gz"


@pytest.fixture(scope="module")
def unpacked(archive, tmp_path_factory) -> Path:
    """What the source distribution holds."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def wheel(unpacked, tmp_path_factory) -> Path:
    """The wheel that pip builds of the source distribution, with a compiler."""
    out = tmp_path_factory.mktemp("wheel")
    offline = ("--no-build-isolation", "--no-deps", "--no-index", "--disable-pip-version-check")
    run("-m", "pip", "wheel", *offline, "--wheel-dir", out, ".", cwd=unpacked)
    (built,) = out.iterdir()
    return built


@pytest.fixture
def installed(wheel, tmp_path) -> Path:
    """A folder with what the wheel holds, which is how a wheel of this kind is installed."""
    return unzipped(wheel, tmp_path)


def unzipped(wheel: Path, folder: Path) -> Path:
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "target")
    return folder / "target"


def test_a_source_distribution_holds_the_sources_of_the_kernels(unpacked):
    assert {path.name for path in (unpacked / "src/dia/kernels").glob("*.c")} == C_FILES
    assert (unpacked / "setup.py").is_file()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="some libraries are for x86-64 alone")
def test_a_wheel_holds_every_library_that_the_package_loads(monkeypatch):
    loaded = set()

    def load(source, flags, *_, **__):
        loaded.add((source.name, flags))

    for module in (compiling, decoder, half, row, snake, products):
        monkeypatch.setattr(module, "load_functions", load)
    modern = {"_is_avx512_bf16_supported", "_is_vnni_supported", "_is_amx_tile_supported"}
    for capability, supported in (("AVX2", set()), ("AVX512", modern)):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda capability=capability: capability)
        for name in modern:
            monkeypatch.setattr(torch.cpu, name, lambda there=name in supported: there, raising=False)
        loads = codec._load, decoder._kernel, half._kernel, network.load, row.load, snake._functions, products._library
        for load in loads:
            load.__wrapped__()
    assert loaded == set(sources.LIBRARIES)
    assert {file for file, _ in loaded} == C_FILES


@needs_linux
@needs_compiler
def test_a_wheel_with_libraries_is_for_the_platform_and_every_python(wheel):
    assert wheel.name == f"dia_tts-{__version__}-py3-none-{PLATFORM.replace('-', '_')}.whl"
    with zipfile.ZipFile(wheel) as packed:
        libraries = [name for name in packed.namelist() if name.endswith(".so")]
        assert b"Root-Is-Purelib: false" in packed.read(f"dia_tts-{__version__}.dist-info/WHEEL")
    found = sorted(name.partition("-")[0] for name in libraries)
    assert found == sorted(f"dia/kernels/{Path(file).stem}" for file, _ in sources.LIBRARIES)


@pytest.fixture(scope="module")
def found(wheel, tmp_path_factory) -> dict[str, Any]:
    """What `PROGRAM` prints of the installed wheel, in a process without a compiler and with an empty cache."""
    folder = tmp_path_factory.mktemp("program")
    target = unzipped(wheel, folder)
    variables = {"PATH": "/nonexistent", "PYTHONPATH": str(target), "XDG_CACHE_HOME": str(folder / "cache")}
    printed = run("-c", PROGRAM, cwd=folder, **variables).stdout
    assert not (folder / "cache").exists()
    return {"target": target, **json.loads(printed)}


@needs_linux
@needs_compiler
def test_the_libraries_of_a_wheel_are_loaded_without_a_compiler(found):
    assert {Path(name).parent for name in found["libraries"]} == {found["target"] / "dia" / "kernels"}
    assert len(set(found["libraries"])) == len(sources.LIBRARIES)


@needs_linux
@needs_compiler
def test_the_libraries_of_a_wheel_use_the_threads_of_torch(found):
    assert len(found["runtimes"]) == 1


@needs_linux
@needs_compiler
@pytest.mark.skipif(not compiling.runs_plain_kernels(), reason="the CPU lacks AVX2")
def test_a_library_of_a_wheel_multiplies(found):
    assert found["error"] < 1e-5


def damaged(library: Path) -> None:
    library.write_bytes(library.read_bytes()[:5000])


def of_other_sources(library: Path) -> None:
    with library.parent.joinpath("network.c").open("a") as source:
        source.write("// changed\n")


@needs_linux
@needs_compiler
@pytest.mark.parametrize("harm", [damaged, of_other_sources])
def test_a_library_that_does_not_match_is_compiled_on_first_use(installed, monkeypatch, tmp_path, harm):
    source = installed / "dia/kernels/network.c"
    (library,) = source.parent.glob(f"{sources.library_name(source, sources.PLAIN_FLAGS)}-*.so")
    good = library.read_bytes()
    harm(library)
    left = library.read_bytes()
    monkeypatch.delenv("DIA_NO_KERNEL", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiling, "compile_library", lambda source, flags, path: path.write_bytes(good))
    assert Path(compiling.compiled(source, *sources.PLAIN_FLAGS)._name).parent == tmp_path / "dia"
    assert library.read_bytes() == left, "files of a wheel are not removed"


@pytest.mark.parametrize("variables", [{"DIA_NO_KERNEL": "1"}, {"PATH": "/nonexistent"}])
def test_without_a_compiler_or_kernels_a_wheel_is_for_every_platform(unpacked, tmp_path, variables):
    done = run("-c", HOOK, "build_wheel", tmp_path, cwd=unpacked, **variables)
    (built,) = tmp_path.iterdir()
    assert built.name == f"dia_tts-{__version__}-py3-none-any.whl"
    assert "the wheel holds no C kernels" in done.stderr
    with zipfile.ZipFile(built) as packed:
        names = set(packed.namelist())
    assert "dia/kernels/network.c" in names
    assert [name for name in names if name.endswith(".so")] == []


def test_an_editable_installation_compiles_on_first_use(unpacked, tmp_path):
    run("-c", HOOK, "build_editable", tmp_path, cwd=unpacked)
    (built,) = tmp_path.iterdir()
    assert built.name.endswith("-py3-none-any.whl")
    assert list((unpacked / "src").rglob("*.so")) == []
