"""The parser of `dia` and of each subcommand: a mistake is one line, a missing argument is answered with examples."""

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from dia.runtime.spelling import did_you_mean

_MISSING = "the following arguments are required: "
_CHOICE = re.compile(r"invalid choice: '(.*?)' \(choose from (.*)\)", re.DOTALL)


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` for people: short errors that name the nearest word, examples, `--debug` everywhere.

    Subparsers are of the same class. The examples are the lines of the epilog that begin with the command's name.
    """

    subcommands: "argparse._SubParsersAction[Parser] | None" = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
        )

    def add_subparsers(self, **kwargs: Any) -> Any:
        """As argparse does; they are kept as `subcommands`."""
        self.subcommands = super().add_subparsers(**{"prog": self.prog, **kwargs})
        return self.subcommands

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does; what is not known is refused by the subcommand it was given to."""
        arguments, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.named(args or ()).refuse(unknown)
        return arguments

    def named(self, words: Sequence[str]) -> "Parser":
        """The parser of the subcommand that the words of a command line name, or this one."""
        parser = self
        for word in words:
            if parser.subcommands is not None and word in parser.subcommands.choices:
                parser = parser.subcommands.choices[word]
        return parser

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """End with what is wrong with arguments that nobody knows."""
        option = next((word for word in unknown if word.startswith("-") and word != "-"), None)
        if option is None:
            self.error(f"unrecognized arguments: {' '.join(unknown)}; put quotes around a text that has spaces.")
        name = option.partition("=")[0]
        self.error(f"there is no option {name}{did_you_mean(name, self._option_string_actions)}")

    def error(self, message: str) -> NoReturn:
        """End with one line, and with examples where something is missing; the exit code is 2."""
        if message.startswith(_MISSING):
            missing = message.removeprefix(_MISSING)
            self.exit(2, f"dia: {missing} {'are' if ',' in missing else 'is'} missing.\n{self.lesson()}")
        names = ", ".join(self.subcommands.choices) if self.subcommands is not None else ""
        if choice := _CHOICE.search(message):
            near = did_you_mean(choice[1], re.findall(r"[\w-]+", choice[2]))
            what = message.partition(":")[0].removeprefix("argument ")
            message = f"there is no {what} {choice[1]!r}{near or '.'} There are: {names}" if names else message + near
        end = "" if message.endswith(("?", ".")) else "."
        self.exit(2, f"dia: {message}{end} See {self.prog} --help\n")

    def lesson(self) -> str:
        """Usage, subcommands and two examples, for who gave too little."""
        lines = [self.format_usage().rstrip(), ""]
        if self.subcommands is not None:
            lines += [*self.listed(), ""]
        epilog = (self.epilog or "").splitlines()
        examples = [line for line in epilog if line.startswith(f"  {self.prog} ") and not line.endswith("\\")]
        if examples:
            lines += ["examples:", *examples[:2], ""]
        return "\n".join([*lines, f"More: {self.prog} --help\n"])

    def listed(self) -> list[str]:
        """A line about each subcommand: its name, and how its description begins."""
        parsers = {} if self.subcommands is None else self.subcommands.choices
        return [f"  {name:12} {re.split('[.:]', one.description or '')[0]}" for name, one in parsers.items()]


__all__ = ["Parser"]
