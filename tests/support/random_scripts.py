"""Scripts that nobody would write: what hypothesis draws for the tests of everything that reads text."""

from hypothesis import settings
from hypothesis import strategies as st

# The same few examples in every run, however slow the machine.
steady = settings(max_examples=60, deadline=None, derandomize=True, database=None)

_SNIPPETS = [
    *("[S1]", "[s2] ", "[ S1 ]", "S1:", "\nS2: ", "\nSpeaker 1:", "[S3]", "[pause:700ms]", "[pause:1.5s]", "[pause]"),
    *("(laughs)", "( Clears throat )", "(giggles)", "(or so)", "[music]", "(", ")", "[", "]", "\n", "\n\n", " ", "  "),
    *(
        "Dr.",
        "St.",
        "etc.",
        "e.g.",
        "U.S.",
        "p.m.",
        "No.",
        "Ph.D.",
        "vs.",
        "w/",
        "A",
        "a",
        "Hello",
        "there",
        "May",
        "x",
    ),
    *(
        "5",
        "17",
        "1,234",
        "2024",
        "3:30",
        "0.5",
        "1/2",
        "1st",
        "$",
        "€",
        "%",
        "°",
        "km",
        "m",
        "^",
        "2",
        "pm",
        "s",
        "th",
    ),
    *(".", ",", "?", "!", ";", ":", "'", '"', "-", "--", "—", "…", "/", "&", "@", "#", "+", "=", "*", "_", "~", "<"),
    *("x.com", "www.", "http://", "é", "½", "²", "🙂", "\u200d", "\t", "\r\n", "ß", "№"),
]

written = st.lists(st.sampled_from(_SNIPPETS), max_size=16).map("".join)
spaced = st.lists(st.sampled_from(_SNIPPETS), max_size=16).map(" ".join)
anything = st.one_of(written, spaced, st.text(max_size=30))
words = st.sampled_from(
    ["yes", "No.", "well,", "perhaps", "(laughs)", "(clears throat)", "(giggles)", "indeed!", "x" * 40]
)
turns = st.lists(
    st.tuples(
        st.sampled_from(["[S1]", "[S2]", "[pause:300ms]"]), st.lists(words, min_size=1, max_size=25).map(" ".join)
    ),
    min_size=1,
    max_size=12,
)
dialogues = turns.map(lambda pairs: "[S1] " + " ".join(f"{text} {mark}" for mark, text in pairs)).filter(
    lambda text: any(word in text for word in ("yes", "No", "well", "perhaps", "indeed", "xx", "("))
)
