"""`dia mcp`: tools for language models over standard input and output. Parses options and loads the model."""

import argparse
import asyncio
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from dia.commands.options.early_checks import check_model
from dia.commands.options.models import add_model_options, load_model
from dia.commands.options.numbers import count

_EXAMPLES = """examples:
  dia mcp
  dia mcp --output speech --voices voices

In the settings of the program that starts it: command `dia`, arguments `mcp`.
"""
_EXTRA = "pip install 'dia-tts[mcp]'"


def add_command(subparsers: Any, notice: str = "") -> None:
    """Add `mcp` to the subparsers of `dia`; `notice` is appended to its help."""
    mcp = subparsers.add_parser(
        "mcp",
        usage="dia mcp [options]",
        help="give language models tools that speak (Model Context Protocol)",
        description="Serve the Model Context Protocol on standard input and output.",
        epilog=f"{_EXAMPLES}\n{notice}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    mcp.set_defaults(run=_mcp)
    mcp.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FOLDER",
        help="folder to save audio in; answers have its paths (default: answers contain the audio)",
    )
    mcp.add_argument("--voices", type=Path, metavar="FOLDER", help="folder of voices (default: that of `dia voice`)")
    group = mcp.add_argument_group("model")
    add_model_options(group)
    group.add_argument(
        "--slots", type=count, metavar="N", help="clips to generate at once (default: 16 on a CPU, or 8)"
    )


def _mcp(arguments: argparse.Namespace) -> int:
    check_extra()
    check_model(arguments.model)
    for option in ("output", "voices"):
        folder = getattr(arguments, option)
        if folder is not None and folder.exists() and not folder.is_dir():
            raise ValueError(f"--{option}: {folder} is not a folder.")
    model = load_model(arguments, hints=True)
    from dia.runtime.warnings import DiaWarning
    from dia.serving.mcp import serve
    from dia.serving.service import Service

    warnings.filterwarnings("ignore", category=DiaWarning)  # they are for the client, whose answers have them
    asyncio.run(serve(Service(model, arguments.slots, arguments.voices), arguments.output))
    return 0


def check_extra() -> None:
    """Check that the packages of the extra are installed.

    Raises:
        ImportError: one is missing; the message has the install command.
    """
    for name in ("mcp.server.mcpserver", "fastapi", "prometheus_client"):
        try:
            import_module(name)
        except ImportError as error:
            raise ImportError(f"dia mcp needs {error.name}. Run: {_EXTRA}") from error


__all__ = ["add_command", "check_extra"]
