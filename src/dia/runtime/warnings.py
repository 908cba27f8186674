"""The one category of warnings that this package raises about a user's input."""


class DiaWarning(UserWarning):
    """Something in a script, a recording or a take that is probably not as its author wants it.

    Filter it as any other: `warnings.simplefilter("ignore", dia.DiaWarning)`.
    """


__all__ = ["DiaWarning"]
