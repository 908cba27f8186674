"""A text that arrives in pieces is handed out in whole sentences. Needs no model."""

import asyncio

import pytest

from dia.serving.errors import ServingError
from dia.serving.wyoming.incoming import IncomingText


def groups(*pieces, frontend="en", whole=False, at_once=False):
    """The groups of a text; unless `at_once`, they are asked for after every piece."""

    async def run():
        text, found = IncomingText(frontend, 1000, whole), []

        async def take():
            async for group in text.groups():
                found.append(group)

        taking = asyncio.create_task(take())
        for piece in pieces:
            text.add(piece)
            if not at_once:
                await asyncio.sleep(0)
                await asyncio.sleep(0)
        text.end()
        await taking
        return found

    return asyncio.run(run())


def test_a_sentence_is_ready_once_the_next_has_begun():
    assert groups("One is", " one. Tw", "o is two. And") == ["One is one. ", "Two is two. ", "And"]


def test_sentences_that_have_waited_are_one_group():
    assert groups("One. ", "Two. ", "Three.", at_once=True) == ["One. Two. Three."]


@pytest.mark.parametrize("frontend", ["en", "none"])
def test_nothing_is_lost_however_a_text_is_divided(frontend):
    text = "Dr. Lee paid $3.50. “Really?” she asked. Yes! [S2] Hm… well. " * 3
    for size in (1, 2, 7, 50):
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        found = groups(*pieces, frontend=frontend)
        spoken = " ".join(" ".join(found).split())
        assert spoken.replace("[S2] ", "") == " ".join(text.split()).replace("[S2] ", "")
        assert len(found) > 3
        assert not any(group.rstrip().endswith("Dr.") for group in found) or frontend == "none"


def test_a_group_goes_on_with_its_speaker():
    found = groups("[S2] One. Two", ". [S1] Three. Fo", "ur.")
    assert [group.strip() for group in found] == ["[S2] One.", "[S2] Two. [S1] Three.", "[S1] Four."]


def test_what_has_no_words_is_spoken_with_the_rest_or_not_at_all():
    assert groups("- ", "One. ", "😊 ", "Two.") == ["- One. ", "😊 Two."]
    assert groups("One. ", "Two. ", "😊") == ["One. ", "Two. "]
    assert groups("…") == ["…"]
    assert groups(" ") == groups() == []


def test_markup_is_not_divided():
    assert groups("<p>One. Two.", "</p> Three.", whole=True) == ["<p>One. Two.</p> Three."]


def test_a_text_that_is_too_long_is_refused():
    with pytest.raises(ServingError) as caught:
        groups("a" * 600, "b" * 600)
    assert caught.value.code.name == "input_too_long"


def test_the_work_is_linear_in_the_length(monkeypatch):
    read = []
    monkeypatch.setattr(
        "dia.serving.wyoming.incoming.english_sentences", lambda text: read.append(len(text)) or [text]
    )
    groups(*["a."] * 500, at_once=True)
    assert sum(read) < 12 * 1000
