"""Make the corpus with the real teachers, in one process or in several at once."""

from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from dia.runtime.files.locks import exclusive_writer
from dia.training.mini.teacher.natural.corpus import Studio, build, shard_numbers, summary
from dia.training.mini.teacher.natural.plan import REVOICED, Recipe, claim
from dia.training.mini.teacher.natural.recognition import Whisper
from dia.training.mini.teacher.natural.teachers.teacher import open_teacher
from dia.training.mini.teacher.natural.texts.mixture import Texts

# Sentences that no clip says: those of the benchmark, in a clone of the project.
NEVER = Path(__file__).parents[6] / "benchmarks" / "quality" / "everyday.txt"


def make(
    folder: Path, recipe: Recipe, packages: Path, clips: int, share: tuple[int, int] = (1, 1), never: Path = NEVER
) -> None:
    """Make the shards of `folder` that are missing, or one part of them.

    Args:
        folder: of the corpus.
        recipe: what is made. A recognizer hears the clips if its `limit` is not 0.
        packages: folder of archives.
        clips: of all parts, dropped ones included.
        share: (part, parts), see `corpus.build`.
        never: file of sentences to leave out.

    Raises:
        ImportError: a Python package is missing, or has another version.
        OSError: an archive or a program is missing, or the disk is full.
        ValueError: `folder` has clips of another recipe.
    """
    opened = {name: open_teacher(name, packages) for name in sorted({role.teacher for role in recipe.roles})}
    studio = Studio(opened.__getitem__, Whisper() if recipe.limit else None)
    build(folder, recipe, Texts(packages, never).stream(recipe.seed), clips, studio, share)


def make_in_parts(
    folder: Path, recipe: Recipe, packages: Path, clips: int, parts: int = 1, never: Path = NEVER
) -> None:
    """`make` in as many processes as there are parts, with a summary of the corpus at the end.

    A corpus that has enough shards is not made again. The teachers are not needed then.

    Raises:
        BlockingIOError: another process makes one of the parts.
        OSError, ValueError, ImportError: as `make`.
    """
    if sum(number < REVOICED for number in shard_numbers(folder)) >= -(-clips // recipe.shard_clips):
        claim(folder, recipe)
        print(summary(folder))
        return
    shares = [(part, parts) for part in range(1, parts + 1)]
    work = partial(_make_share, folder, recipe, packages, clips, never)
    with ExitStack() as stack:
        for share in shares:
            stack.enter_context(exclusive_writer(part_of(folder, *share), parents=True))
        if parts == 1:
            work(shares[0])
        else:
            pool = stack.enter_context(get_context("spawn").Pool(parts))
            pool.map(work, shares, chunksize=1)
    print(summary(folder))


def part_of(folder: Path, part: int, parts: int) -> Path:
    """The path that is locked while a part is made."""
    return folder / f"part-{part}-of-{parts}"


def _make_share(folder: Path, recipe: Recipe, packages: Path, clips: int, never: Path, share: tuple[int, int]) -> None:
    make(folder, recipe, packages, clips, share, never)


__all__ = ["NEVER", "make", "make_in_parts", "part_of"]
