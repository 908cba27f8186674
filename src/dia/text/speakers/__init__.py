"""Labels of speakers become tags: `JOHN: Hello.` is read as `[S1] Hello.`, and the name is not spoken."""

from dia.text.speakers.mapping import by_speaker, checked_speakers
from dia.text.speakers.stage import Labeled, tagged

__all__ = ["Labeled", "by_speaker", "checked_speakers", "tagged"]
