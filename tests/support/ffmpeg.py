"""Whether programs that read sound start here, and whether `datasets` decodes it, with torchcodec and FFmpeg."""

import shutil
import subprocess


def runs(program: str) -> bool:
    """Whether a program is installed and starts: ffprobe does not where FFmpeg's libraries are missing."""
    if shutil.which(program) is None:
        return False
    return (
        subprocess.run([program, "--version" if program == "sox" else "-version"], capture_output=True).returncode == 0
    )


def why_data_sets_are_mute() -> str | None:
    """Why `datasets` cannot decode sound; None where it can."""
    try:
        import torchcodec  # noqa: F401
    except (ImportError, RuntimeError, OSError) as error:
        return f"torchcodec or FFmpeg's libraries are missing: {str(error).strip().partition(chr(10))[0]}"
    return None
