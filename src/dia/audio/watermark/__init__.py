"""An inaudible watermark in speech: embedding it, finding it, and what it says."""

from typing import TYPE_CHECKING

from dia.runtime.lazy import lazy_names

if TYPE_CHECKING:
    from dia.audio.watermark.detection import Detection, detect
    from dia.audio.watermark.embedding import Watermarker, watermarked
    from dia.audio.watermark.payload import Payload

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "detection": ("Detection", "detect"),
        "embedding": ("Watermarker", "watermarked"),
        "payload": ("Payload",),
    },
)

__all__ = ["Detection", "Payload", "Watermarker", "detect", "watermarked"]
