"""The prompt conventions of a checkpoint."""

import pytest
from transformers import GenerationConfig

from dia.text.prompt_format import PromptFormat, continue_transcript, with_closing_tag, with_final_stops


def test_a_checkpoint_without_conventions_has_those_of_dia():
    assert PromptFormat.of(GenerationConfig()) == PromptFormat(closing_tag=True, pass_seconds=20.0, carry="first")


def test_conventions_are_saved_in_the_generation_config(tmp_path):
    GenerationConfig(closing_tag=False, pass_seconds=12).save_pretrained(tmp_path)
    assert PromptFormat.of(GenerationConfig.from_pretrained(tmp_path)) == PromptFormat(False, 12)


def test_the_conventions_of_a_folder_are_read_without_loading_it(tmp_path):
    assert PromptFormat.in_folder(tmp_path) == PromptFormat()
    GenerationConfig(closing_tag=False, text_frontend="none").save_pretrained(tmp_path)
    assert PromptFormat.in_folder(tmp_path) == PromptFormat(closing_tag=False, text_frontend="none")


@pytest.mark.parametrize("content", ["{", "[]", "7", '{"text_frontend": "de"}', '{"shortest_seconds": -1}', "\udcff"])
def test_a_damaged_folder_is_named(tmp_path, content):
    (tmp_path / "generation_config.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=r"generation_config\.json .*([Dd]ownload (the file|it) again)"):
        PromptFormat.in_folder(tmp_path)


@pytest.mark.parametrize(
    "wrong", [{"closing_tag": "yes"}, {"pass_seconds": 0}, {"pass_seconds": "long"}, {"carry": "all"}]
)
def test_an_invalid_value_is_named(wrong):
    with pytest.raises(ValueError, match=f"generation_config.{next(iter(wrong))}"):
        PromptFormat.of(GenerationConfig(**wrong))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("[S1] Hello.", "[S1] Hello. [S2]"),
        ("[S1] Hello. [S2] Hi.", "[S1] Hello. [S2] Hi. [S1]"),
        ("[S1] Hello. [S2]", "[S1] Hello. [S2]"),
        ("Hello.", "Hello."),
    ],
)
def test_the_closing_tag_is_that_of_the_speaker_who_does_not_speak_last(text, read):
    assert with_closing_tag(text) == read
    assert PromptFormat(closing_tag=True).model_text(text) == read
    assert PromptFormat(closing_tag=False).model_text(text) == text


@pytest.mark.parametrize(
    ("transcript", "text", "whole"),
    [
        ("", "[S1] Hello.", "[S1] Hello."),
        ("[S1] Hello. ", "[S2] Hi.", "[S1] Hello. [S2] Hi."),
        ("[S1] Hello.", "[S1] And bye.", "[S1] Hello. And bye."),
        ("[S1] Hello.", "And bye.", "[S1] Hello. And bye."),
        ("[S1] Hello. [S2] Hi.", "", "[S1] Hello. [S2] Hi."),
    ],
)
def test_a_tag_is_not_repeated_for_the_same_speaker(transcript, text, whole):
    assert continue_transcript(transcript, text) == whole


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("[S1] Hello world", "[S1] Hello world."),
        ("[S1] Hello world.", "[S1] Hello world."),
        ("[S1] Really? [S2] Yes!", "[S1] Really? [S2] Yes!"),
        ("[S1] Hello [S2] Hi", "[S1] Hello. [S2] Hi."),
        ("[S1] As follows:", "[S1] As follows."),
        ("[S1] Well, --", "[S1] Well."),
        ('[S1] He said "hello"', '[S1] He said "hello."'),
        ('[S1] He said "hello!"', '[S1] He said "hello!"'),
        ("[S1] And so…", "[S1] And so…"),
        ("[S1] Er sagte „Hallo“", "[S1] Er sagte „Hallo.“"),
        ("[S1] 你好。 [S2] 「好！」", "[S1] 你好。 [S2] 「好！」"),
        ("[S1] Wow. (laughs)", "[S1] Wow. (laughs)"),
        ("[S1] (laughs)", "[S1] (laughs)"),
        ("[S1] I went (perhaps)", "[S1] I went (perhaps.)"),
        ("[S1] {hh ax0 l ow1}", "[S1] {hh ax0 l ow1}."),
        ("Hello", "Hello."),
        ("[S1] Hello [S2]", "[S1] Hello. [S2]"),
    ],
)
def test_every_turn_ends_with_a_full_stop_if_the_model_needs_it(text, read):
    assert with_final_stops(text) == read
    assert with_final_stops(read) == read
    assert PromptFormat(final_stop=True, closing_tag=False).model_text(text) == read
    assert PromptFormat(final_stop=False).end_turns(text) == text


def test_the_closing_tag_follows_the_full_stop():
    assert PromptFormat(final_stop=True).model_text("[S1] Hello") == "[S1] Hello. [S2]"


@pytest.mark.parametrize("part", ["-", " -", ", ", "(", '")', " a"])
def test_adding_full_stops_takes_linear_time(part):
    assert with_final_stops(f"[S1] a{100_000 * part}b") == f"[S1] a{100_000 * part}b."
    assert with_final_stops(f"[S1] a{100_000 * part}").startswith("[S1] a")
