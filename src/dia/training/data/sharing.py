"""Encode a data set in several processes: each one encodes its share of the recordings into the same cache.

Independent of how processes exchange messages: the caller passes a function that does.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dia.processing_dia import DiaProcessor
from dia.text.prompt_format import Frontend
from dia.training.data import encoding
from dia.training.data.source import Row, as_spoken, fingerprint

Gather = Callable[[Callable[[], Any]], list[Any]]


def encode_share(
    rows: Sequence[Row],
    processor: DiaProcessor,
    folder: str | Path,
    number: int,
    count: int,
    gather: Gather,
    shifts: int = 1,
    *,
    frontend: Frontend = "en",
) -> int:
    """Encode this process's share of the recordings, see `dia.training.data.encoding.encode_rows`.

    Each process reads its share of the recordings to identify them; process 0 removes from the cache what is no longer
    wanted. After that nothing is exchanged. An interrupted run can be resumed by any number of processes.

    Args:
        rows: all rows, the same in all processes.
        processor: with the codec of the model to train.
        folder: of the cache, which all processes share.
        number: the number of this process, from 0.
        count: the number of processes.
        gather: calls a function in each process, waits for all, and returns all results in the order of processes.
        shifts: how many times each clip is encoded.
        frontend: the `text_frontend` of the model to train.

    Returns:
        The number of clips that this process has encoded.

    Raises:
        ValueError, TypeError, OSError: as `encode_rows`.
    """
    encoding.check_arguments(rows, processor, shifts)
    marks = gather(lambda: [fingerprint(row.audio) for row in rows[number::count]])
    by_row = [marks[index % count][index // count] for index in range(len(rows))]
    wanted = encoding.by_content(as_spoken(rows, frontend), by_row)
    kept = gather(lambda: encoding.prepare(Path(folder), wanted, processor, shifts, frontend) if number == 0 else None)
    missing, next_shard = kept[0]
    mine = missing[number::count]
    numbers = iter(range(next_shard + number, next_shard + count * (len(missing) + 1) + number, count))
    encoding.encode_missing(mine, wanted, processor, Path(folder), numbers, frontend)
    return len(mine)


__all__ = ["encode_share"]
