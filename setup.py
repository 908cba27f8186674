"""Compiles the C kernels into wheels for Linux; everything else about a build is in pyproject.toml.

The libraries have a plain C interface, so a wheel with them is for one platform and every Python. Elsewhere, without a
working C compiler, or with DIA_NO_KERNEL=1, the wheel is for every platform; its kernels are compiled on first use, as
those of an editable installation are.
"""

import os
import subprocess
import sysconfig
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import ClassVar

from setuptools import Command, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build import build

KERNELS = Path("src/dia/kernels")
PLATFORMS = ("linux-x86_64", "linux-aarch64")


def kernel_sources() -> ModuleType:
    """`dia.kernels.sources`, without the package, whose dependencies are not there while it is built."""
    spec = spec_from_file_location("kernel_sources", KERNELS / "sources.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class BuildKernels(Command):
    """Compiles the C files for this processor into the folder of the build, or none of them."""

    description = "compile the C kernels (Linux on x86-64 and arm64)"
    user_options: ClassVar = [("build-lib=", "d", "folder of the build")]
    editable_mode = False

    def initialize_options(self) -> None:
        """Set the defaults."""
        self.build_lib = None
        self.libraries: list[Path] = []

    def finalize_options(self) -> None:
        """Take the folder of `build_py`, so that a library lies beside its source."""
        self.set_undefined_options("build_py", ("build_lib", "build_lib"))

    def run(self) -> None:
        """Compile. A failure is reported, and leaves a build without libraries."""
        if self.editable_mode:
            return
        folder = Path(self.build_lib) / KERNELS.relative_to("src")
        for library in folder.glob("*.so"):  # of an earlier build in this folder, perhaps of other sources
            library.unlink()
        try:
            compiled = self.compiled()
        except (OSError, subprocess.SubprocessError) as error:
            details = getattr(error, "stderr", None) or b""
            self.warn(f"the wheel holds no C kernels: {error}\n{details.decode(errors='replace')}")
            return
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in compiled.items():
            self.libraries.append(folder / name)
            self.libraries[-1].write_bytes(content)

    def compiled(self) -> dict[str, bytes]:
        """The libraries by name."""
        if os.environ.get("DIA_NO_KERNEL"):
            raise OSError("DIA_NO_KERNEL is set")
        if sysconfig.get_platform() not in PLATFORMS:
            raise OSError(f"they are not built for {sysconfig.get_platform()}")
        sources, libraries = kernel_sources(), {}
        with TemporaryDirectory(prefix="dia-") as folder:
            library = Path(folder) / "library.so"
            for file, flags in sources.LIBRARIES:
                sources.compile_library(KERNELS / file, flags, library)
                name, content = sources.library_name(KERNELS / file, flags), library.read_bytes()
                libraries[sources.checked_name(name, content)] = content
        return libraries

    def get_source_files(self) -> list[str]:
        """What a source distribution needs for this command."""
        return [path.as_posix() for path in sorted(KERNELS.glob("*.[ch]"))]

    def get_outputs(self) -> list[str]:
        """The libraries."""
        return [str(path) for path in self.libraries]

    def get_output_mapping(self) -> dict[str, str]:
        """No output is a copy of a source."""
        return {}


class Build(build):
    """`build` with the kernels."""

    sub_commands: ClassVar = [*build.sub_commands, ("build_kernels", None)]


class BuildWheel(bdist_wheel):
    """Names the platform in the tag of a wheel that holds libraries, but no version of Python."""

    def run(self) -> None:
        """Compile first, because what is built decides what the wheel is for."""
        self.run_command("build_kernels")
        if self.get_finalized_command("build_kernels").get_outputs():
            self.root_is_pure = False
            self.distribution.has_ext_modules = lambda: True  # the package goes where libraries may be
        super().run()

    def get_tag(self) -> tuple[str, str, str]:
        """py3-none with the platform, or any."""
        return (self.python_tag, "none", super().get_tag()[2])


setup(cmdclass={"build": Build, "build_kernels": BuildKernels, "bdist_wheel": BuildWheel})
