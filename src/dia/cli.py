"""The command `dia`. Knows its subcommands and what to answer to mistakes; the subcommands do the work."""

import argparse
import sys
from collections.abc import Sequence

from dia.commands.read import add_command as add_read
from dia.commands.say import add_command as add_say
from dia.commands.train import add_commands
from dia.commands.train_codec import add_command as add_train_codec
from dia.commands.voice import add_command as add_voice
from dia.runtime.interruption import described, exit_code, remarks_of, terminable
from dia.runtime.standard_streams import standard_streams, tell
from dia.version import __version__

_BROKEN_PIPE = 141  # what a shell sees of a program that SIGPIPE has ended
NOTICE = (
    "Do not imitate a real person without consent, and do not deceive: no fake news, nothing illegal or meant to "
    "harm. Written files carry a tag that says they are synthetic."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 2 wrong input, 130 interrupted, 141 broken pipe, 143 ended."""
    try:
        with terminable(), standard_streams():
            arguments = _parser().parse_args(argv)
            return int(arguments.run(arguments))
    except BrokenPipeError:
        return _BROKEN_PIPE
    except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        error.__traceback__ = None  # what it holds, such as a progress bar, is closed before the message
        tell(error, *remarks_of(error))
        return 2
    except KeyboardInterrupt as interrupt:
        interrupt.__traceback__ = None
        tell(described(interrupt))
        return exit_code(interrupt)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dia", description="Turns a dialogue script into speech.", epilog=NOTICE)
    parser.add_argument("--version", action="version", version=f"dia {__version__}")
    commands = parser.add_subparsers(metavar="command", required=True)
    add_say(commands, NOTICE)
    add_read(commands)
    add_commands(commands, NOTICE)
    add_train_codec(commands, NOTICE)
    add_voice(commands, NOTICE)
    return parser


if __name__ == "__main__":
    sys.exit(main())
