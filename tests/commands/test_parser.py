"""What the command answers to too little and to what is misspelt: one line, the nearest word, two examples."""

import pytest

from dia.cli import build_parser, main


def refused(capsys, *arguments) -> str:
    """What standard error says; the exit code is 2 and standard output is empty."""
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
def test_too_little_is_answered_with_examples(capsys, arguments, missing, example):
    told = refused(capsys, *arguments)
    assert told.startswith(f"dia: {missing}.\nusage: dia")
    assert example in told
    assert told.endswith(f"More: {' '.join(['dia', *arguments])} --help\n")
    assert told.count("\n") < 20


def test_without_a_command_all_of_them_are_listed(capsys):
    told = refused(capsys)
    for command in build_parser().subcommands.choices:
        assert f"\n  {command} " in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["sya", "hello"], "there is no command 'sya'; did you mean 'say'? There are: say, "),
        (["qqqq"], "there is no command 'qqqq'. There are: say, "),
        (["voice", "lst"], "there is no action 'lst'; did you mean 'list'? There are: make, list, play, remove."),
        (["say", "hello", "--sede", "3"], "there is no option --sede; did you mean '--seed'? See dia say --help"),
        (["say", "hello", "--sede=3"], "there is no option --sede; did you mean '--seed'?"),
        (["voice", "list", "--qqqq"], "there is no option --qqqq. See dia voice list --help"),
        (["say", "[S1]", "Hello.", "-o", "a.wav"], "unrecognized arguments: Hello.; put quotes around a text"),
        (["say", "hello", "--dtype", "floot32"], "did you mean 'float32'?"),
        (["say", "hello", "--format", "mp3"], "--format: invalid choice: 'mp3' (choose from"),
    ],
)
def test_what_is_misspelt_is_answered_in_one_line_with_the_nearest_word(capsys, arguments, told):
    line = refused(capsys, *arguments)
    assert line.startswith("dia: ")
    assert told in line
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "value", "told"),
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
        ("--threads", "0", "must be 1 or more"),
        ("--seed", str(2**64), "must fit into 64 bits"),
    ],
)
def test_numbers_out_of_range_are_told_by_their_option(capsys, option, value, told):
    line = refused(capsys, "say", "hello", "-o", "a.wav", option, value)
    assert f"argument {option}: " in line
    assert told in line


def test_every_help_is_ascii_ends_well_and_knows_debug(capsys):
    """Whatever a terminal can show, it can show these."""

    def helped(parser):
        assert parser.format_help().isascii(), parser.prog
        assert "--debug" in parser.format_help()
        for subparser in (parser.subcommands.choices if parser.subcommands else {}).values():
            helped(subparser)

    helped(build_parser())


def test_the_help_of_the_command_groups_teaches_and_gives_codes_and_notice(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    told = capsys.readouterr().out
    for part in ("speech:\n  say ", "models:\n  convert ", "this installation:\n  env ", "examples:\n  dia say"):
        assert part in told
    codes = "0 success", "1 failed", "2 invalid input", "130 interrupted", "143 SIGTERM", "141 broken pipe"
    for part in (*codes, "consent"):
        assert part in told
