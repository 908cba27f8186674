"""How a checkpoint likes to be spoken to."""

import pytest
from transformers import GenerationConfig

from dia.text.prompt_format import PromptFormat, closed, continued, stopped


def test_a_checkpoint_that_says_nothing_is_taken_for_dia():
    assert PromptFormat.of(GenerationConfig()) == PromptFormat(closing_tag=True, pass_seconds=20.0, carry="first")


def test_what_a_checkpoint_says_is_saved_with_its_sampling(tmp_path):
    GenerationConfig(closing_tag=False, pass_seconds=12).save_pretrained(tmp_path)
    assert PromptFormat.of(GenerationConfig.from_pretrained(tmp_path)) == PromptFormat(False, 12)


def test_the_conventions_of_a_folder_are_read_without_loading_it(tmp_path):
    assert PromptFormat.in_folder(tmp_path) == PromptFormat()
    GenerationConfig(closing_tag=False, text_frontend="none").save_pretrained(tmp_path)
    assert PromptFormat.in_folder(tmp_path) == PromptFormat(closing_tag=False, text_frontend="none")


@pytest.mark.parametrize("content", ["{", "[]", "7", '{"text_frontend": "de"}', '{"shortest_seconds": -1}', "\udcff"])
def test_a_damaged_folder_is_named(tmp_path, content):
    (tmp_path / "generation_config.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=r"generation_config\.json .*(Copy it from where|download it again)"):
        PromptFormat.in_folder(tmp_path)


@pytest.mark.parametrize(
    "wrong", [{"closing_tag": "yes"}, {"pass_seconds": 0}, {"pass_seconds": "long"}, {"carry": "all"}]
)
def test_what_makes_no_sense_is_named(wrong):
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
def test_the_tag_of_who_does_not_speak_last_closes_a_text(text, read):
    assert closed(text) == read
    assert PromptFormat(closing_tag=True).as_read(text) == read
    assert PromptFormat(closing_tag=False).as_read(text) == text


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
def test_a_tag_is_not_said_again_where_the_speaker_stays(transcript, text, whole):
    assert continued(transcript, text) == whole


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
def test_every_turn_ends_with_a_stop_where_the_model_needs_it(text, read):
    assert stopped(text) == read
    assert stopped(read) == read
    assert PromptFormat(final_stop=True, closing_tag=False).as_read(text) == read
    assert PromptFormat(final_stop=False).ended(text) == text


def test_the_closing_tag_follows_the_stop():
    assert PromptFormat(final_stop=True).as_read("[S1] Hello") == "[S1] Hello. [S2]"


@pytest.mark.parametrize("part", ["-", " -", ", ", "(", '")', " a"])
def test_a_stop_takes_no_longer_than_the_length_of_the_text(part):
    assert stopped(f"[S1] a{100_000 * part}b") == f"[S1] a{100_000 * part}b."
    assert stopped(f"[S1] a{100_000 * part}").startswith("[S1] a")
