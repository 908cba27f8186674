"""Sounds and pauses in any notation."""

import pytest

from dia.text.script import parse
from dia.text.sounds import sound_of
from dia.text.tags import NON_VERBAL_TAGS


@pytest.mark.parametrize("tag", NON_VERBAL_TAGS)
@pytest.mark.parametrize("marks", ["[{}]", "*{}*", "**{}**", "~{}~", "<{}>", "({})", "{{{}}}", "（{}）"])
def test_a_listed_sound_is_known_in_any_marks(tag, marks):
    written = marks.format(tag.strip("()"))
    if written == "<clears throat>":
        written = "<clears_throat>"
    assert parse(f"[S1] Well {written} yes.").spoken == f"[S1] Well {tag} yes."


@pytest.mark.parametrize(
    ("written", "sound"),
    [
        ("(Laughing)", "(laughs)"),
        ("(laughs softly)", "(laughs)"),
        ("(she laughs)", "(laughs)"),
        ("(nervous laughter)", "(laughs)"),
        ("(coughing)", "(coughs)"),
        ("(sings)", "(sings)"),
        ("(singing)", "(singing)"),
        ("(deep breath)", "(inhales)"),
        ("(breathes out)", "(exhales)"),
        ("(throat clearing)", "(clears throat)"),
        ("(laguhs)", "(laughs)"),
        ("[sarcastic laugh]", "(laughs)"),
        ("(sarcastic laugh)", None),
        ("(whispers)", "(whispers)"),
        ("(perhaps)", None),
        ("(sometimes)", None),
        ("(pause)", None),
        ("(maps)", None),
        ("(signs)", None),
        ("(his songs)", None),
        ("(morning)", None),
        ("(the laughs of children)", None),
    ],
)
def test_words_in_brackets_are_the_nearest_sound_or_an_aside(written, sound):
    assert sound_of(written) == sound


@pytest.mark.parametrize(
    ("mark", "seconds"),
    [
        ("(pause)", 0.7),
        ("[Pause]", 0.7),
        ("*pauses*", 0.7),
        ("<pause/>", 0.7),
        ("(a short pause)", 0.3),
        ("(pauses briefly)", 0.3),
        ("(dramatic pause)", 1.5),
        ("[silence]", 1.5),
        ("(pause: 2s)", 2.0),
        ("(2 second pause)", 2.0),
        ("[pause for 250 milliseconds]", 0.25),
    ],
)
def test_words_for_a_pause_are_a_pause(mark, seconds):
    first, second = parse(f"[S1] One. {mark} Two.").turns
    assert (first.text, first.pause, second.text) == ("One.", seconds, "Two.")


def test_emphasis_is_not_a_sound():
    assert parse("[S1] He *laughed* at my *cough*, and I *really* care.").spoken == (
        "[S1] He laughed at my cough, and I really care."
    )


def test_other_languages_and_unchanged_text_know_the_listed_sounds_only():
    for options in ({"frontend": "none"}, {"normalize": False}):
        script = parse("[S1] Grüße *laughs* [sigh] (pause) <sighs>", **options)
        assert script.spoken == "[S1] Grüße (laughs) [sigh] (pause) (sighs)"


def test_a_sound_is_shown_as_it_was_written():
    (turn,) = parse("[S1] Oh [Laughter] no (giggles).").turns
    assert (turn.text, turn.shown) == ("Oh (laughs) no (laughs).", "Oh [Laughter] no (giggles).")
