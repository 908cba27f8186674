"""The argument parser of `dia`: one-line errors, suggestions for misspelled names, examples for missing arguments."""

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from dia.runtime.spelling import did_you_mean

_MISSING = "the following arguments are required: "
_CHOICE = re.compile(r"invalid choice: '(.*?)' \(choose from (.*)\)", re.DOTALL)


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` with short errors that suggest the closest name, and with a `--debug` option.

    Subparsers have the same class. Examples are the lines of the epilog that begin with the command's name.
    """

    subcommands: "argparse._SubParsersAction[Parser] | None" = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
        )

    def add_subparsers(self, **kwargs: Any) -> Any:
        """Like the method of argparse; also stores the result as `subcommands`."""
        self.subcommands = super().add_subparsers(**{"prog": self.prog, **kwargs})
        return self.subcommands

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Like the method of argparse, but the subcommand reports unknown arguments."""
        arguments, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.subparser_for(args or ()).reject(unknown)
        return arguments

    def subparser_for(self, words: Sequence[str]) -> "Parser":
        """The parser of the subcommand named on a command line, or this one."""
        parser = self
        for word in words:
            if parser.subcommands is not None and word in parser.subcommands.choices:
                parser = parser.subcommands.choices[word]
        return parser

    def reject(self, unknown: Sequence[str]) -> NoReturn:
        """Exit with an error message about unknown arguments."""
        option = next((word for word in unknown if word.startswith("-") and word != "-"), None)
        if option is None:
            self.error(f"unrecognized arguments: {' '.join(unknown)}; put quotes around text that contains spaces.")
        name = option.partition("=")[0]
        self.error(f"there is no option {name}{did_you_mean(name, self._option_string_actions)}")

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """Reject the empty value that a shell passes for an unset variable, as in `--model "$MODEL"`."""
        if not arg_string and action.option_strings:
            raise argparse.ArgumentError(action, "the value is empty; pass a value, or omit the option")
        return super()._get_value(action, arg_string)

    def error(self, message: str) -> NoReturn:
        """Exit with code 2 and a one-line message, followed by examples if an argument is missing."""
        if message.startswith(_MISSING):
            missing = message.removeprefix(_MISSING)
            self.exit(2, f"dia: {missing} {'are' if ',' in missing else 'is'} missing.\n{self.short_help()}")
        names = ", ".join(self.subcommands.choices) if self.subcommands is not None else ""
        if choice := _CHOICE.search(message):
            near = did_you_mean(choice[1], re.findall(r"[\w-]+", choice[2]))
            what = message.partition(":")[0].removeprefix("argument ")
            message = f"there is no {what} {choice[1]!r}{near or '.'} There are: {names}" if names else message + near
        end = "" if message.endswith(("?", ".")) else "."
        self.exit(2, f"dia: {message}{end} See {self.prog} --help\n")

    def short_help(self) -> str:
        """Usage, subcommands and two examples."""
        lines = [self.format_usage().rstrip(), ""]
        if self.subcommands is not None:
            lines += [*self.command_lines(), ""]
        epilog = (self.epilog or "").splitlines()
        examples = [line for line in epilog if line.startswith(f"  {self.prog} ") and not line.endswith("\\")]
        if examples:
            lines += ["examples:", *examples[:2], ""]
        return "\n".join([*lines, f"More: {self.prog} --help\n"])

    def command_lines(self) -> list[str]:
        """One line per subcommand: its name and the first sentence of its description."""
        parsers = {} if self.subcommands is None else self.subcommands.choices
        return [f"  {name:12} {re.split('[.:]', one.description or '')[0]}" for name, one in parsers.items()]


__all__ = ["Parser"]
