"""Memory of a job with many rows: a stub in place of the model, everything else as `dia batch` does it.

    python benchmarks/jobs/many_rows.py --rows 100000 --layout webdataset

Prints the highest memory of the process (resident, so including its libraries) after each tenth of the rows. It should
not grow. Rows are flushed to disk only with --flush, which takes most of the time.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event

from dia.jobs.batch import Batch
from dia.jobs.results import Spoken
from dia.jobs.rows import Row
from dia.jobs.settings import BatchSettings
from dia.text.prompt_format import PromptFormat


class Stub:
    """Writes a few bytes in place of sound."""

    format, model, at_once = PromptFormat(), "stub", 4
    versions = {"stub": "1"}  # noqa: RUF012 - read only

    def plan(self) -> dict[str, str]:
        """The same for each run."""
        return {"model": "stub"}

    def speak(
        self, row: Row, seed: int, audio: Path, subtitles: Sequence[Path], stop: Event, codes: Path | None = None
    ) -> Spoken:
        """Write a file."""
        audio.write_bytes(b"sound of " + row.id.encode())
        return Spoken(1.0)


def rows(count: int) -> Iterator[str]:
    """Lines of JSON."""
    return (json.dumps({"id": f"row-{number:08}", "text": "[S1] Hello."}) + "\n" for number in range(count))


def megabytes() -> float:
    """The highest memory of the process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Run the job and print its memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--layout", default="webdataset", choices=("files", "webdataset", "dataset"))
    parser.add_argument("--flush", action="store_true")
    arguments = parser.parse_args()
    if not arguments.flush:
        os.fsync = lambda file: None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        with open(path, "w") as file:
            file.writelines(rows(arguments.rows))
        batch = Batch(path, Path(folder) / "out", BatchSettings(layout=arguments.layout))
        started, tenth = time.process_time(), max(1, arguments.rows // 10)
        report = batch.check(PromptFormat())
        print(f"checked {report.good} rows: {megabytes():.0f} MB, {time.process_time() - started:.0f} CPU seconds")
        for number, result in enumerate(batch.run(Stub()), 1):
            assert not result.error, result.error
            if number % tenth == 0:
                print(f"{number} rows: {megabytes():.0f} MB, {time.process_time() - started:.0f} CPU s", flush=True)
        print(f"end: {megabytes():.0f} MB, {time.process_time() - started:.0f} CPU seconds")


if __name__ == "__main__":
    main()
