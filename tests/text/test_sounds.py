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
        ("[pause to think]", 0.7),
        ("[Pause. Then softly]", 0.7),
        ("[pause, looking around]", 0.7),
    ],
)
def test_words_for_a_pause_are_a_pause(mark, seconds):
    first, second = parse(f"[S1] One. {mark} Two.").turns
    assert (first.text, first.pause, second.text) == ("One.", seconds, "Two.")


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("He pressed [pause button] and left.", "He pressed pause button and left."),
        ("You can (pause and go on) here.", "You can, pause and go on, here."),
        ("I *pause to think* of you.", "I pause to think of you."),
    ],
)
def test_other_words_beside_a_pause_are_spoken(written, spoken):
    assert [turn.text for turn in parse(f"[S1] {written}").turns] == [spoken]


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


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("*walks over* Hi there. *smiles* *nods* Come in.", "[S1] Hi there. Come in."),
        ("[S1] *leans in* Are you here? [S2] *grins* Yes.", "[S1] Are you here? [S2] Yes."),
        ("Sam: What is it?\nPat: *shrugs*\nSam: Well?", "[S1] What is it? Well?"),
        ("**Sam:** *looking away* What?\n**Pat:** *tries to smile* I saw you.", "[S1] What? [S2] I saw you."),
        ("*slams the door*\n\nI'm done! *cries*", "[S1] I'm done!"),
        ("*smiling* Hello. *phone rings* Who is it?", "[S1] Hello. Who is it?"),
        ("*the dog barks twice*\n\nQuiet! *music fading out* It is late.", "[S1] Quiet! It is late."),
        ("Ann: *door opens* Hi.\nBen: *whispering* Not now.\nAnn: Oh.", "[S1] Hi. [S2] Not now. [S1] Oh."),
        # emphasis
        ("*warning* Do not enter. *phone calls* I hate.", "[S1] warning Do not enter. phone calls I hate."),
        (
            "It was *shocking*. A *smiling* Ann. *glass doors* Ann likes.",
            "[S1] It was shocking. A smiling Ann. glass doors Ann likes.",
        ),
        ("*phone rings*", "[S1] phone rings"),
        ("I *really* mean it. *Never* do that.", "[S1] I really mean it. Never do that."),
        ("*The Times* says so. *Cheers* is a show.", "[S1] The Times says so. Cheers is a show."),
        ("*works* is a verb. It *costs* Anna a lot.", "[S1] works is a verb. It costs Anna a lot."),
        ("*sometimes* I sing. *thanks* Bob. *does* Ann?", "[S1] sometimes I sing. thanks Bob. does Ann?"),
        ("*terms of use* The law.", "[S1] terms of use The law."),
        ("Status: *needs work*", "[S1] Status: needs work"),
        ("- *costs*\n- *sizes*\n\nEnd.", "[S1] costs. sizes. End."),
        ("She knew. *He loves me.* It was late.", "[S1] She knew. He loves me. It was late."),
        ("*smiles*", "[S1] smiles"),
    ],
)
@pytest.mark.parametrize("text_format", ["plain", "markdown"])
def test_actions_between_asterisks_are_left_out_and_emphasis_is_spoken(written, spoken, text_format):
    assert parse(written, text_format=text_format).spoken == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Hello. <yawn> I am so <sob> tired.", "[S1] Hello. I am so tired."),
        ("<yawn> Hi.\n<whispers> Come.", "[S1] Hi. Come."),
        ("<whisper>Come here.</whisper> Now.", "[S1] Come here. Now."),
        ("Use the <static> mark.", "[S1] Use the less than static greater than mark."),
        ("If x <y> z.", "[S1] If x less than y greater than z."),
    ],
)
def test_sounds_in_angle_brackets_that_dia_does_not_have_are_left_out(written, spoken):
    assert parse(written).spoken == spoken


def test_what_is_left_out_as_an_action_is_warned_about():
    (warning,) = parse("[S1] *smiles* Hello.").warnings
    assert warning.startswith("*smiles*: taken for actions")
