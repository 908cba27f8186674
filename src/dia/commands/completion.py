"""`dia completion`: a script with which a shell completes the command, made of the parser."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dia.commands.parser import Parser

_GUIDE = """examples:
  dia completion bash > ~/.local/share/bash-completion/completions/dia
  dia completion fish > ~/.config/fish/completions/dia.fish
  dia completion zsh > ~/.zfunc/_dia
      with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc

Open a new shell afterwards. The script knows the options of this version: print it again after an update.
"""
_VOICES = "dia voice list 2>/dev/null | sed 's/ .*//'"


@dataclass(frozen=True)
class Choice:
    """An option, or what stands in its place: the arguments of a command without options of their own.

    Attributes:
        names: the option's spellings; none for arguments.
        kind: what follows: "nothing", "words", "voices", "files", or "value" where nobody can know.
        words: what may follow, where that is known.
        help: a line about it.
    """

    names: tuple[str, ...]
    kind: str
    words: tuple[str, ...]
    help: str


Commands = dict[str, list[Choice]]  # by the words that lead to a command: "" is `dia`, " voice make" a subcommand


def add_command(parser: Parser, subparsers: Any, notice: str = "") -> None:
    """Add `completion` to the subparsers of `dia`, whose parser it describes; `notice` is not for it."""
    completion = subparsers.add_parser(
        "completion",
        help="print a script that completes the command in a shell",
        description="Print a script that completes the command in a shell.",
        epilog=_GUIDE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    completion.add_argument("shell", metavar="SHELL", choices=tuple(_SHELLS), help=", ".join(_SHELLS))
    completion.set_defaults(run=partial(_print, parser))


def _print(parser: Parser, arguments: argparse.Namespace) -> int:
    print(_SHELLS[arguments.shell](dict(_commands(parser))))
    return 0


def _commands(parser: Parser, words: str = "") -> Iterator[tuple[str, list[Choice]]]:
    """Every command and subcommand, with what may follow it."""
    yield words, [_choice(action) for action in parser._actions]
    if parser.subcommands is not None:
        for name, subparser in parser.subcommands.choices.items():
            yield from _commands(subparser, f"{words} {name}")


def _choice(action: argparse.Action) -> Choice:
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
    return Choice(tuple(action.option_strings), kind, words, about)


def _argument(choices: list[Choice]) -> Choice:
    """What stands where no option does."""
    return next((choice for choice in choices if not choice.names), Choice((), "value", (), ""))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _known(commands: Commands, between: str) -> str:
    return between.join(_quoted(words) for words in commands if words)


def _bash(commands: Commands) -> str:
    after: dict[str, list[str]] = {}  # what is replied, and after which options
    options, arguments = [], []
    for words, choices in commands.items():
        named = [choice for choice in choices if choice.names]
        for choice in named:
            if choice.kind != "nothing":
                after.setdefault(_bash_reply(choice), []).extend(_quoted(f"{words} {name}") for name in choice.names)
        names = " ".join(name for choice in named for name in choice.names)
        options.append(f'      {_quoted(words)}) COMPREPLY=($(compgen -W "{names}" -- "$cur")) ;;')
        arguments.append(f"      {_quoted(words)}) {_bash_reply(_argument(choices))} ;;")
    replies = [f"    {'|'.join(patterns)}) {reply}; return ;;" for reply, patterns in after.items()]
    return _filled(_BASH, known=[_known(commands, "|")], after=replies, options=options, arguments=arguments)


def _bash_reply(choice: Choice) -> str:
    if choice.kind == "words":
        return f'COMPREPLY=($(compgen -W "{" ".join(choice.words)}" -- "$cur"))'
    if choice.kind == "voices":
        return f'COMPREPLY=($(compgen -W "$({_VOICES})" -- "$cur"))'
    return ":"  # files are what bash completes by itself


def _zsh(commands: Commands) -> str:
    cases = []
    for words, choices in commands.items():
        specs = [spec for choice in choices if choice.names for spec in _zsh_specs(choice)]
        specs.append(_quoted(f"*: :{_zsh_action(_argument(choices))}"))
        cases.append(f"    {_quoted(words)}) _arguments {' '.join(specs)} ;;")
    return _filled(_ZSH, known=[_known(commands, "|")], cases=cases)


def _zsh_specs(choice: Choice) -> Iterator[str]:
    about = choice.help.replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    follows = "" if choice.kind == "nothing" else f": :{_zsh_action(choice)}"
    for name in choice.names:
        yield _quoted(f"*{name}{'=' if follows and name.startswith('--') else ''}[{about}]{follows}")


def _zsh_action(choice: Choice) -> str:
    actions = {"words": f"({' '.join(choice.words)})", "voices": "_dia_voices", "files": "_files"}
    return actions.get(choice.kind, " ")


def _fish(commands: Commands) -> str:
    lines = []
    for words, choices in commands.items():
        where = f"complete -c dia -n 'test (__dia_words) = \"{words}\"'"
        lines += [" ".join([where, *_fish_parts(choice)]) for choice in choices]
    return _filled(_FISH, known=[_known(commands, " ")], lines=lines)


def _fish_parts(choice: Choice) -> Iterator[str]:
    for name in choice.names:
        yield f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
    if choice.names and choice.kind != "nothing":
        yield "-r"
    yield "-F" if choice.kind == "files" else "-f"
    if choice.kind == "words":
        yield f"-a {_quoted(' '.join(choice.words))}"
    if choice.kind == "voices":
        yield "-a '(__dia_voices)'"
    if choice.names:
        yield f"-d {_quoted(choice.help)}"


def _filled(script: str, **parts: Sequence[str]) -> str:
    for name, lines in {**parts, "voices": [_VOICES]}.items():
        script = script.replace(f"@{name}@", "\n".join(lines))
    return script


_BASH = """\
# Completes the command dia in bash.
_dia() {
  local cur=${COMP_WORDS[COMP_CWORD]} words="" word
  local -i before=COMP_CWORD-1  # where the option stands: bash takes --voice S1=ann for four words
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
