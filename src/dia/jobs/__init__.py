"""Jobs of many rows: read, checked, spoken side by side into a folder, and resumed."""

from typing import TYPE_CHECKING

from dia.runtime.lazy import lazy_names

if TYPE_CHECKING:
    from dia.jobs.audiobook import Audiobook
    from dia.jobs.batch import Batch
    from dia.jobs.report import Report
    from dia.jobs.results import RowResult
    from dia.jobs.settings import BatchSettings

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "audiobook": ("Audiobook",),
        "batch": ("Batch",),
        "report": ("Report",),
        "results": ("RowResult",),
        "settings": ("BatchSettings",),
    },
)

__all__ = ["Audiobook", "Batch", "BatchSettings", "Report", "RowResult"]
