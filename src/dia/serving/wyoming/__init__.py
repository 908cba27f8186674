"""The Wyoming protocol of Home Assistant, for the same service as HTTP."""

from typing import TYPE_CHECKING

from dia.runtime.lazy import lazy_names

if TYPE_CHECKING:
    from dia.serving.wyoming.server import WyomingServer
    from dia.serving.wyoming.sockets import listen

__getattr__, __dir__ = lazy_names(__name__, {"server": ("WyomingServer",), "sockets": ("listen",)})

__all__ = ["WyomingServer", "listen"]
