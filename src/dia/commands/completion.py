"""`dia completion`: print a shell completion script, generated from the argument parser."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dia.commands.options.parser import Parser

_GUIDE = """examples:
  dia completion bash > ~/.local/share/bash-completion/completions/dia
  dia completion fish > ~/.config/fish/completions/dia.fish
  dia completion zsh > ~/.zfunc/_dia
      with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc

Then open a new shell. The script contains the options of this version; print it again after an update.
"""
_VOICES = "dia voice list 2>/dev/null | sed 's/ .*//'"


@dataclass(frozen=True)
class Argument:
    """An option, or the positional argument of a command.

    Attributes:
        names: the spellings of an option; empty for a positional argument.
        kind: the type of its value: "nothing", "words", "voices", "files" or "value" for anything else.
        words: the allowed values, if there is a list.
        help: a one-line description.
    """

    names: tuple[str, ...]
    kind: str
    words: tuple[str, ...]
    help: str


Commands = dict[str, list[Argument]]  # keys are the words before the arguments: "" for `dia`, " voice make"


def add_command(parser: Parser, subparsers: Any, notice: str = "") -> None:
    """Add `completion` to the subparsers of `dia`, for whose parser it generates scripts; `notice` is unused."""
    completion = subparsers.add_parser(
        "completion",
        help="print a shell completion script",
        description="Print a shell completion script.",
        epilog=_GUIDE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    completion.add_argument("shell", metavar="SHELL", choices=tuple(_SHELLS), help=", ".join(_SHELLS))
    completion.set_defaults(run=partial(_print, parser))


def _print(parser: Parser, arguments: argparse.Namespace) -> int:
    print(_SHELLS[arguments.shell](dict(_commands(parser))))
    return 0


def _commands(parser: Parser, words: str = "") -> Iterator[tuple[str, list[Argument]]]:
    """All commands and subcommands with their arguments."""
    yield words, [_argument(action) for action in parser._actions]
    if parser.subcommands is not None:
        for name, subparser in parser.subcommands.choices.items():
            yield from _commands(subparser, f"{words} {name}")


def _argument(action: argparse.Action) -> Argument:
    words = tuple(map(str, action.choices or ()))
    if action.nargs == 0:
        kind = "nothing"
    elif words:
        kind = "words"
    elif action.dest == "voice":
        kind = "voices"
    else:
        kind = "files" if action.type in (None, Path) else "value"
    about = "" if action.help in (None, argparse.SUPPRESS) else str(action.help).replace("%%", "%")
    return Argument(tuple(action.option_strings), kind, words, about)


def _positional(arguments: list[Argument]) -> Argument:
    """The positional argument of a command."""
    return next((argument for argument in arguments if not argument.names), Argument((), "value", (), ""))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _known(commands: Commands, between: str) -> str:
    return between.join(_quoted(words) for words in commands if words)


def _bash(commands: Commands) -> str:
    after: dict[str, list[str]] = {}  # completions, and the options they follow
    options, positionals = [], []
    for words, arguments in commands.items():
        named = [argument for argument in arguments if argument.names]
        for argument in named:
            if argument.kind != "nothing":
                patterns = [_quoted(f"{words} {name}") for name in argument.names]
                after.setdefault(_bash_reply(argument), []).extend(patterns)
        names = " ".join(name for argument in named for name in argument.names)
        options.append(f'      {_quoted(words)}) COMPREPLY=($(compgen -W "{names}" -- "$cur")) ;;')
        positionals.append(f"      {_quoted(words)}) {_bash_reply(_positional(arguments))} ;;")
    replies = [f"    {'|'.join(patterns)}) {reply}; return ;;" for reply, patterns in after.items()]
    return _filled(_BASH, known=[_known(commands, "|")], after=replies, options=options, arguments=positionals)


def _bash_reply(argument: Argument) -> str:
    if argument.kind == "words":
        return f'COMPREPLY=($(compgen -W "{" ".join(argument.words)}" -- "$cur"))'
    if argument.kind == "voices":
        return f'COMPREPLY=($(compgen -W "$({_VOICES})" -- "$cur"))'
    return ":"  # bash completes files by default


def _zsh(commands: Commands) -> str:
    cases = []
    for words, arguments in commands.items():
        specs = [spec for argument in arguments if argument.names for spec in _zsh_specs(argument)]
        specs.append(_quoted(f"*: :{_zsh_action(_positional(arguments))}"))
        cases.append(f"    {_quoted(words)}) _arguments {' '.join(specs)} ;;")
    return _filled(_ZSH, known=[_known(commands, "|")], cases=cases)


def _zsh_specs(argument: Argument) -> Iterator[str]:
    about = argument.help.replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    follows = "" if argument.kind == "nothing" else f": :{_zsh_action(argument)}"
    for name in argument.names:
        yield _quoted(f"*{name}{'=' if follows and name.startswith('--') else ''}[{about}]{follows}")


def _zsh_action(argument: Argument) -> str:
    actions = {"words": f"({' '.join(argument.words)})", "voices": "_dia_voices", "files": "_files"}
    return actions.get(argument.kind, " ")


def _fish(commands: Commands) -> str:
    lines = []
    for words, arguments in commands.items():
        where = f"complete -c dia -n 'test (__dia_words) = \"{words}\"'"
        lines += [" ".join([where, *_fish_parts(argument)]) for argument in arguments]
    return _filled(_FISH, known=[_known(commands, " ")], lines=lines)


def _fish_parts(argument: Argument) -> Iterator[str]:
    for name in argument.names:
        yield f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
    if argument.names and argument.kind != "nothing":
        yield "-r"
    yield "-F" if argument.kind == "files" else "-f"
    if argument.kind == "words":
        yield f"-a {_quoted(' '.join(argument.words))}"
    if argument.kind == "voices":
        yield "-a '(__dia_voices)'"
    if argument.names:
        yield f"-d {_quoted(argument.help)}"


def _filled(script: str, **parts: Sequence[str]) -> str:
    for name, lines in {**parts, "voices": [_VOICES]}.items():
        script = script.replace(f"@{name}@", "\n".join(lines))
    return script


_BASH = """\
# Completes the command dia in bash.
_dia() {
  local cur=${COMP_WORDS[COMP_CWORD]} words="" word
  local -i before=COMP_CWORD-1  # index of the option; bash splits --voice S1=ann into four words
  [[ $cur == = ]] && cur="" || { [[ ${COMP_WORDS[before]} == = ]] && before=before-1; }
  [[ ${COMP_WORDS[before]} == [Ss][12] ]] && before=before-1
  COMPREPLY=()
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$words $word" in
      @known@) words="$words $word" ;;
    esac
  done
  case "$words ${COMP_WORDS[before]}" in
@after@
  esac
  if [[ $cur == -* ]]; then
    case "$words" in
@options@
    esac
  else
    case "$words" in
@arguments@
    esac
  fi
}
complete -o bashdefault -o default -F _dia dia"""
_ZSH = """\
#compdef dia
# Completes the command dia in zsh.
_dia_voices() {
  compadd -- ${(f)"$(@voices@)"}
}
_dia() {
  local called=""
  local -i at=1 i
  for (( i = 2; i < CURRENT; i++ )); do
    case "$called ${words[i]}" in
      @known@) called="$called ${words[i]}"; at=i ;;
    esac
  done
  shift $(( at - 1 )) words
  (( CURRENT -= at - 1 ))
  case "$called" in
@cases@
  esac
}
if [[ $funcstack[1] == _dia ]]; then _dia "$@"; else compdef _dia dia; fi"""
_FISH = """\
# Completes the command dia in fish.
function __dia_words
    set -l words ''
    for word in (commandline -opc)[2..-1]
        contains -- "$words $word" @known@; and set words "$words $word"
    end
    echo "$words"
end
function __dia_voices
    @voices@
end
complete -c dia -f
@lines@"""
_SHELLS: dict[str, Callable[[Commands], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}

__all__ = ["add_command"]
