"""Actions between asterisks, as in chats: `*smiles* Hello.`, `*walks over*`, `*phone rings*`. They are not spoken.

Emphasis has the same marks. An action begins with a verb in the third person or a participle, in small letters, or
says that a thing makes a noise. It stands between sentences.
"""

import re
from functools import lru_cache

from dia.text.english.dictionary import is_word

_ACTION = re.compile(r"\*(?P<verb>[a-z]{3,20}s|[a-z]{3,20}ing)(?P<rest>(?: [a-z][a-z'’-]{0,20}){0,7})[.!…]{0,3}\*")
_THING = (
    "alarm|baby|bell|birds?|car|cat|clock|crowd|dog|door(?:bell)?|engine|fire|footsteps|glass|gun|gunshots?|horn|music|"
    "owl|(?:cell)?phone|radio|rain|rooster|sirens?|telephone|thunder|tires|train|window|wind|wolf|wolves"
)
_NOISE = (
    "approach|bang|bark|beep|blar|blast|blow|break|buzz|cheer|chim|chirp|clos|crackl|crash|creak|cry|cri|crow|ding|echo|"
    "fad|fall|fir|growl|honk|hoot|howl|hum|knock|meow|murmur|open|patter|play|pour|purr|rev|ring|roar|rumbl|scream|"
    "screech|shatter|slam(?:m)?|squeal|start|stop(?:p)?|strik|swell|tick|toll|vibrat|wail|whistl"
)
_HEARD = re.compile(rf"\*(?:(?:an?|the) )?(?:{_THING}) (?:{_NOISE})(?:e?s|ing)(?: [a-z]{{2,12}}){{0,4}}[.!…]{{0,3}}\*")
# After these, `*terms of use*` and `*rules are rules*` are no actions.
_NOT_AFTER_A_VERB = re.compile(r" (?:of|or|and|is|are|was|were|will|can|that)\b")
_NO_VERBS = frozenset(["yes", "does", "thanks", "cheers", "regards"])  # *thanks* Bob
_NOT_ALONE = re.compile(  # *warning* Do not enter
    r"(?:amaz|be|bor|break|build|clos|end|excit|hav|interest|mean|meet|miss|open|pend|record|sett|train|warn|wedd)ing"
)
_BEFORE = re.compile(
    r"(?:^|[.!?…\"”’)\]*>]|(?:\]|^[ \t]*(?:s|speaker) ?\d{1,9}) ?:)[ \t]*$"  # sentences, marks and tags end here
    r"|^[ \t]*(?P<bullet>[-*+•>]|\d{1,4}[.)])[ \t]+$",
    re.IGNORECASE,
)
_LABEL = re.compile(r"[\w.'’)\]*_] ?:[*_ \t]*$")
_AFTER = re.compile(r"(?:[ \t]*\*[^*\n]{1,50}\*){0,3}[ \t]*(?:(?P<end>\r?$)|[\"“‘'(\[]{0,2}[A-Z])", re.MULTILINE)
_EXAMINED = 60  # characters before an action


def has_actions_shape(mark: str) -> bool:
    """Whether words with their marks may be an action wherever they stand: `*walks over*`."""
    if _HEARD.fullmatch(mark):
        return True
    action = _ACTION.fullmatch(mark)
    if action is None or _NOT_AFTER_A_VERB.match(action["rest"]):
        return False
    return _is_verb(action["verb"]) and (bool(action["rest"]) or not _NOT_ALONE.fullmatch(action["verb"]))


def is_action(text: str, start: int, end: int, *, labels: bool = False) -> bool:
    """Whether `text[start:end]`, words with their marks, is an action.

    Args:
        text: the script.
        start: the first asterisk.
        end: the end of the last one.
        labels: whether labels such as `PAT:` may precede it, as they do before tags stand for them.
    """
    if not has_actions_shape(text[start:end]) or (len(text) < 2 * _EXAMINED and text.strip() == text[start:end]):
        return False
    before = text[max(0, start - _EXAMINED) : start].rpartition("\n")[2]
    begins, after = _BEFORE.search(before), _AFTER.match(text, end)
    if after is None or not (begins or (labels and _LABEL.search(before))):
        return False
    if after["end"] is None:
        return True
    if begins and begins["bullet"]:
        return False
    return bool(before.strip()) or " " in text[start:end]  # a word on a line of its own may be a heading


@lru_cache(maxsize=1024)
def _is_verb(word: str) -> bool:
    """Whether it is a verb in the third person, such as `tries`, or a participle: the other form is English, too."""
    if word in _NO_VERBS:
        return False
    if word.endswith("ing"):
        stem = word.removesuffix("ing")
        stems = (stem, f"{stem}e", stem[:-1] if stem[-2:-1] == stem[-1] else stem)
        return any(is_word(verb) and is_word(f"{verb}s") for verb in stems)
    stems = (word[:-1], word[:-2] if word.endswith("es") else "", f"{word[:-3]}y" if word.endswith("ies") else "")
    return any(is_word(f"{form}ing") for verb in stems if is_word(verb) for form in _before_ing(verb))


def _before_ing(verb: str) -> tuple[str, ...]:
    """What -ing may follow: walk, smil(e), grin(n)."""
    return verb, verb + verb[-1], verb.removesuffix("e")


__all__ = ["has_actions_shape", "is_action"]
