"""From scripts to speech: requests, jobs, takes, checks, joining, alignment and subtitles."""

from typing import TYPE_CHECKING

from dia.runtime.lazy import lazy_names

if TYPE_CHECKING:
    from dia.synthesis.job import SynthesisJob
    from dia.synthesis.subtitles import srt, vtt
    from dia.synthesis.takes.recognition import pocketsphinx_recognizer
    from dia.synthesis.takes.take import Take

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "job": ("SynthesisJob",),
        "takes.recognition": ("pocketsphinx_recognizer",),
        "subtitles": ("srt", "vtt"),
        "takes.take": ("Take",),
    },
)

__all__ = ["SynthesisJob", "Take", "pocketsphinx_recognizer", "srt", "vtt"]
