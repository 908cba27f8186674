"""A speaker of jobs without a model: its files say what it was asked to speak."""

from collections.abc import Sequence
from pathlib import Path
from threading import Event, Lock

from dia.jobs.results import Spoken
from dia.jobs.rows import Row
from dia.runtime.files.atomic import atomic_file
from dia.text.prompt_format import PromptFormat

# Rows with a voice, settings of their own, and a pause.
ROWS = [
    {"id": "one", "text": "[S1] Good morning."},
    {"id": "two", "text": "[S1] How are you? [S2] Fine."},
    {"id": "three", "text": "[S2] Yes.", "voice": "bruno"},
    {"id": "four", "text": "[S1] No.", "seed": 7, "temperature": 0.8},
    {"id": "five", "text": "[S1] One. [pause:200ms] [S2] Two."},
    {"id": "six", "text": "[S2] See you later."},
]


class StubSpeaker:
    """Writes id, seed and text in place of sound, and fails for texts with "fail"."""

    format, model, versions = PromptFormat(), "stub", {"stub": "1"}

    def __init__(self, at_once: int = 4, name: str = "one", durable: bool = True) -> None:
        self.at_once, self.name, self.durable = at_once, name, durable
        self.spoken: list[str] = []
        self._lock = Lock()

    def plan(self) -> dict[str, str]:
        return {"model": self.name}

    def speak(self, row: Row, seed: int, audio: Path, subtitles: Sequence[Path], stop: Event) -> Spoken:
        with self._lock:
            self.spoken.append(row.id)
        if "fail" in row.text:
            raise ValueError("it fails")
        for path in (*subtitles, audio):
            content = f"{row.id} {seed} {row.text} {dict(row.options)}"
            if self.durable:
                with atomic_file(path) as partial:
                    partial.write_text(content)
            else:
                path.write_text(content)
        return Spoken(2.0)
