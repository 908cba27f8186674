"""Events of threads that are combined."""

from typing import Protocol


class Flag(Protocol):
    """What tells whether work should stop, such as a `threading.Event`."""

    def is_set(self) -> bool:
        """Whether it should stop."""


class AnyEvent:
    """Set if any of several flags is set."""

    def __init__(self, *flags: Flag) -> None:
        self._flags = flags

    def is_set(self) -> bool:
        """Whether a flag is set."""
        return any(flag.is_set() for flag in self._flags)


__all__ = ["AnyEvent", "Flag"]
