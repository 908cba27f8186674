"""The `dia` command: its subcommands, error messages and exit codes.

Imports are deferred until they are needed, so that errors are reported at once.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from dia.runtime.interruption import exit_code, interrupt_message, remarks_of, terminable
from dia.runtime.standard_streams import print_lines, standard_streams

if TYPE_CHECKING:
    from dia.commands.options.parser import Parser

NOTICE = """\
Do not imitate a real person without consent, and do not deceive: no fake news, nothing illegal or meant to harm.
Written files are tagged as synthetic speech."""
_EPILOG = f"""`dia COMMAND --help` explains a command.

examples:
  dia say "[S1] Hello. [S2] Hi! How are you?" -o hello.wav
  dia say script.txt --stream

exit codes: 0 success, 1 failed, 2 invalid input, 129 SIGHUP, 130 interrupted (SIGINT), 141 broken pipe, 143 SIGTERM

{NOTICE}
"""
_EXPECTED = (ValueError, TypeError, OSError, ImportError, MemoryError)
_REPORT = "Please report it, with the output of `dia env` and the traceback that --debug prints."
_FAILED, _INVALID, _BROKEN_PIPE = 1, 2, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit code: 0 success, 1 failed, 2 invalid input, 129 SIGHUP, 130 interrupted, 141 broken pipe, 143 SIGTERM.

    Raises:
        SystemExit: for `--help` and `--version` (code 0) and invalid options (code 2), as in argparse.
    """
    arguments = argparse.Namespace()
    try:
        with terminable(), standard_streams():
            _prepare_output()
            arguments = build_parser().parse_args(sys.argv[1:] if argv is None else list(argv))
            return int(arguments.run(arguments))
    except BrokenPipeError:
        return _BROKEN_PIPE
    except KeyboardInterrupt as interrupt:
        interrupt.__traceback__ = None  # closes what its frames refer to, such as a progress bar, before the message
        print_lines(interrupt_message(interrupt))
        return exit_code(interrupt)
    except Exception as error:
        return _report(error, getattr(arguments, "debug", False))


def _report(error: Exception, debug: bool) -> int:
    """Print the error on one line, followed by its remarks, and return the exit code."""
    if debug:
        import traceback

        traceback.print_exception(error)
    error.__traceback__ = None  # as above
    out_of_memory = type(error).__name__ == "OutOfMemoryError"  # torch's; importing torch for its type takes seconds
    message, code = _one_line(error), _INVALID
    if not (out_of_memory or isinstance(error, _EXPECTED)):
        message, code = f"internal error: {type(error).__name__}: {message}. {_REPORT}", _FAILED
    print_lines(message, *remarks_of(error))
    return code


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and str(error).startswith("[Errno"):
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    lines = (line.strip() for line in str(error).splitlines())
    return " ".join(filter(None, lines)) or type(error).__name__


def _prepare_output() -> None:
    """Escape characters that a stream's encoding lacks, and disable download progress bars outside terminals."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def build_parser() -> "Parser":
    """Build the parser of the command with all its subcommands."""
    from dia.commands import batch, completion, convert, env, mcp, read, say, serve, verify, voice
    from dia.commands.options.parser import Parser
    from dia.commands.training import train, train_codec
    from dia.version import __version__

    form = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="dia", usage="dia COMMAND [options]", epilog=_EPILOG, formatter_class=form)
    parser.add_argument("--version", action="version", version=f"dia {__version__}")
    commands = parser.add_subparsers(metavar="command", required=True, help=argparse.SUPPRESS)
    groups: dict[str, tuple[Callable[[Any, str], None], ...]] = {
        "speech": (
            *(say.add_command, batch.add_command, read.add_command, voice.add_command, serve.add_command),
            *(mcp.add_command, verify.add_command),
        ),
        "models": (convert.add_command, train.add_commands, train_codec.add_command),
        "this installation": (env.add_command, partial(completion.add_command, parser)),
    }
    listed = ["Turn a dialogue script into speech."]
    for group, additions in groups.items():
        listed += ["", f"{group}:"]
        for add in additions:
            add(commands, NOTICE)
            listed.append(parser.command_lines()[-1])
    parser.description = "\n".join(listed)
    return parser


if __name__ == "__main__":
    sys.exit(main())
