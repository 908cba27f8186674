"""Whether `datasets` can decode sound here, which it does through torchcodec and FFmpeg's libraries."""


def why_data_sets_are_mute() -> str | None:
    """Why `datasets` cannot decode sound; None where it can."""
    try:
        import torchcodec  # noqa: F401
    except (ImportError, RuntimeError, OSError) as error:
        return f"torchcodec or FFmpeg's libraries are missing: {str(error).strip().partition(chr(10))[0]}"
    return None
