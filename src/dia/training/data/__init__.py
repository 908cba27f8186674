"""From recordings and transcripts to batches: read, check, encode, compose, collate."""

from typing import TYPE_CHECKING

from dia.runtime.lazy import lazy_names

if TYPE_CHECKING:
    from dia.training.data.code_cache import CodeCache
    from dia.training.data.compatibility import length_limits
    from dia.training.data.dataset import hold_out
    from dia.training.data.encoding import encode_rows
    from dia.training.data.report import Report, check
    from dia.training.data.source import Row, read_source

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "code_cache": ("CodeCache",),
        "compatibility": ("length_limits",),
        "dataset": ("hold_out",),
        "encoding": ("encode_rows",),
        "report": ("Report", "check"),
        "source": ("Row", "read_source"),
    },
)

__all__ = ["CodeCache", "Report", "Row", "check", "encode_rows", "hold_out", "length_limits", "read_source"]
