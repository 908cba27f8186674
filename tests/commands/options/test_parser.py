"""Errors for missing arguments and misspelled names: one line, a suggestion, two examples."""

import pytest

from dia.cli import build_parser, main


def refused(capsys, *arguments) -> str:
    """The contents of standard error; the exit code is 2 and standard output is empty."""
    with pytest.raises(SystemExit, match="2"):
        main(list(arguments))
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


@pytest.mark.parametrize(
    ("arguments", "missing", "example"),
    [
        ([], "command is missing", '  dia say "[S1] Hello. [S2] Hi! How are you?" -o hello.wav'),
        (["say"], "SCRIPT is missing", "  dia say script.txt -o dialogue.mp3 --seed 7"),
        (["voice"], "action is missing", "  dia voice list"),
        (["voice", "make"], "NAME, RECORDING are missing", "  dia voice make ann ann.wav"),
        (["convert"], "kind is missing", "  dia convert codec weights.pth dac_44khz"),
        (["convert", "model"], "SRC, DST are missing", "  dia convert model ./native dia-1.6b --dtype bfloat16"),
        (["train"], "--data is missing", "  dia train --data recordings/ --output my-voice --lora"),
        (["completion"], "SHELL is missing", "  dia completion bash"),
    ],
)
def test_missing_arguments_show_examples(capsys, arguments, missing, example):
    printed = refused(capsys, *arguments)
    assert printed.startswith(f"dia: {missing}.\nusage: dia")
    assert example in printed
    assert printed.endswith(f"More: {' '.join(['dia', *arguments])} --help\n")
    assert printed.count("\n") < 24  # a screen


def test_without_a_command_all_commands_are_listed(capsys):
    printed = refused(capsys)
    for command in build_parser().subcommands.choices:
        assert f"\n  {command} " in printed


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["sya", "hello"], "there is no command 'sya'; did you mean 'say'? There are: say, "),
        (["qqqq"], "there is no command 'qqqq'. There are: say, "),
        (["voice", "lst"], "there is no action 'lst'; did you mean 'list'? There are: make, list, play, remove."),
        (["say", "hello", "--sede", "3"], "there is no option --sede; did you mean '--seed'? See dia say --help"),
        (["say", "hello", "--sede=3"], "there is no option --sede; did you mean '--seed'?"),
        (["voice", "list", "--qqqq"], "there is no option --qqqq. See dia voice list --help"),
        (["say", "[S1]", "Hello.", "-o", "a.wav"], "unrecognized arguments: Hello.; put quotes around text"),
        (["say", "hello", "--dtype", "floot32"], "did you mean 'float32'?"),
        (["say", "hello", "--format", "mp3"], "--format: invalid choice: 'mp3' (choose from"),
    ],
)
def test_misspelled_names_give_one_line_with_a_suggestion(capsys, arguments, printed):
    line = refused(capsys, *arguments)
    assert line.startswith("dia: ")
    assert printed in line
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "value", "printed"),
    [
        ("--speaking-rate", "9", "must be a number from 0.5 to 2"),
        ("--temperature", "-1", "must be a number from 0 to 100 (0 is greedy)"),
        ("--temperature", "nan", "must be a number from 0 to 100 (0 is greedy)"),
        ("--cfg-scale", "-0.5", "must be a number from 0 to 100"),
        ("--top-p", "0", "must be a number above 0 and at most 1"),
        ("--top-k", "0", "must be a whole number from 1 to "),
        ("--max-tokens", "0", "must be a whole number from 1 to "),
        ("--max-tokens", "1.5", "invalid number value: '1.5'"),
        ("--retries", "-1", "must be 0 or more"),
        ("--best-of", "0", "must be 1 or more"),
        ("--threads", "0", "must be a whole number from 1 to 1024"),
        ("--threads", "100000", "must be a whole number from 1 to 1024"),
        ("--seed", str(2**64), "must fit in 64 bits"),
    ],
)
def test_numbers_out_of_range_are_reported_with_their_option(capsys, option, value, printed):
    line = refused(capsys, "say", "hello", "-o", "a.wav", option, value)
    assert f"argument {option}: " in line
    assert printed in line


def test_every_help_is_ascii_and_lists_debug(capsys):
    """Any terminal can display ASCII."""

    def helped(parser):
        assert parser.format_help().isascii(), parser.prog
        assert "--debug" in parser.format_help()
        for subparser in (parser.subcommands.choices if parser.subcommands else {}).values():
            helped(subparser)

    helped(build_parser())


def test_the_help_lists_groups_examples_exit_codes_and_notice(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    printed = capsys.readouterr().out
    for part in ("speech:\n  say ", "models:\n  convert ", "this installation:\n  env ", "examples:\n  dia say"):
        assert part in printed
    codes = "0 success", "1 failed", "2 invalid input", "130 interrupted", "143 SIGTERM", "141 broken pipe"
    for part in (*codes, "consent"):
        assert part in printed
