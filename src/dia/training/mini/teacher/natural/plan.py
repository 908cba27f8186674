"""What the corpus consists of: which text is said by which voice at which tempo. A recipe decides all of it."""

import itertools
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from dia.runtime.files.atomic import atomic_file
from dia.training.mini.teacher.natural.packages import ARCHIVES, PYTHON_PACKAGES
from dia.training.mini.teacher.natural.teachers.kokoro import AWAY, BLEND, VARIED
from dia.training.mini.teacher.natural.teachers.teacher import LABEL_LAG
from dia.training.mini.teacher.natural.texts.mixture import SHARES, Text

RECIPE = "corpus.json"
CLIPS = 55_000  # about 50 hours
REVOICED = 50_000  # number of the first shard of clips in changed voices, see `revoicing`
# Voices of Kokoro that nothing is trained on, to test cloning with: a woman and a man of each accent.
HELD_OUT = ("af_nova", "am_onyx", "bf_lily", "bm_daniel")
_ENGLISH = (
    "am_michael",
    *("af_alloy", "af_aoede", "af_bella", "af_heart", "af_jessica", "af_kore"),
    *("af_nicole", "af_river", "af_sarah", "af_sky", "am_adam", "am_echo"),
    *("am_eric", "am_fenrir", "am_liam", "am_puck", "am_santa", "bf_alice"),
    *("bf_emma", "bf_isabella", "bm_fable", "bm_george", "bm_lewis"),
)
# Voices of other languages. `em_santa` and `pm_santa` are `am_santa`.
_FOREIGN = (
    *("ef_dora", "em_alex", "ff_siwis", "hf_alpha", "hf_beta", "hm_omega", "hm_psi", "if_sara", "im_nicola"),
    *("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo", "pf_dora", "pm_alex"),
    *("zf_xiaobei", "zf_xiaoni", "zf_xiaoxiao", "zf_xiaoyi", "zm_yunjian", "zm_yunxi", "zm_yunxia", "zm_yunyang"),
)
_CLONED = _ENGLISH + _FOREIGN

MIXED_SHARE = 0.1  # of the blends: of women and men


@dataclass(frozen=True)
class Role:
    """A voice and its part in the corpus.

    Attributes:
        speaker: "S1", "S2", or a name of its own for voices to clone.
        teacher: one of `teachers.teacher.TEACHERS`.
        voice: of the teacher.
        weight: its share of the clips, in relation to the other roles.
        tempo: the slowest and the fastest.
    """

    speaker: str
    teacher: str
    voice: str
    weight: float
    tempo: tuple[float, float] = (0.92, 1.1)


# The man's voice is the woman's with another pitch and vocal tract: Kokoro's men cost ten times as much CPU.
MAN = "heart*0.6/0.88/1.1"


def _made_voice(rng: random.Random) -> str:
    """A voice to clone that is made in the same way: the formants follow the pitch, and vary."""
    pitch = round(2 ** rng.uniform(-1.05, 0.35), 3)
    formants = round(min(1.2, max(0.78, 1 - 0.3 * (1 - pitch) + rng.uniform(-0.09, 0.09))), 3)
    return f"heart*{pitch}/{formants}/{round(rng.uniform(0.75, 1.3), 2)}"


def _blends(rng: random.Random, count: int) -> list[str]:
    """Voices between two or three of Kokoro, of one sex but for a tenth. One that is named twice weighs more."""
    found = dict[str, None]()
    while len(found) < count:
        sex = rng.choice("fm")
        alike = _CLONED if rng.random() < MIXED_SHARE else [voice for voice in _CLONED if voice[1] == sex]
        drawn = rng.choices(alike, k=3)
        if len(set(drawn)) > 1:
            found[BLEND.join(drawn)] = None
    return list(found)


def _beyond(rng: random.Random, count: int) -> list[str]:
    """Voices that lie beyond the middle of two of Kokoro, on the other side of a third of the same sex."""
    found = dict[str, None]()
    while len(found) < count:
        sex = rng.choice("fm")
        *blended, left = rng.sample([voice for voice in _CLONED if voice[1] == sex], 3)
        found[BLEND.join(blended) + AWAY + left] = None
    return list(found)


def _varied(rng: random.Random, count: int) -> list[str]:
    """Blends, each moved in a random direction of its own."""
    return [f"{blend}{VARIED}{number}" for number, blend in enumerate(_blends(rng, count))]


_MADE = tuple(map(_made_voice, [random.Random(3)] * 64))
_BLENDED = (*_blends(random.Random(4), 100), *_beyond(random.Random(5), 400), *_varied(random.Random(6), 500))

ROLES = (
    Role("S1", "hibari", "heart", 30.0),
    Role("S2", "hibari", MAN, 30.0),
    *(Role(voice, "hibari", voice, 10 / len(_MADE), (0.85, 1.2)) for voice in _MADE),
    *(Role(voice, "kokoro", voice, 14 / len(_CLONED), (0.85, 1.2)) for voice in _CLONED),
    *(Role(voice, "kokoro", voice, 20 / len(_BLENDED), (0.85, 1.2)) for voice in _BLENDED),
    *(Role(f"flite-{voice}", "flite", voice, 1.0) for voice in ("slt", "rms", "awb", "kal16")),
)


@dataclass(frozen=True)
class Recipe:
    """What decides about the content of the clips. Two folders with the same recipe may be merged.

    Attributes:
        seed: of texts, voices and tempos.
        rate: of the stored audio, in Hz.
        shard_clips: clips in a shard. What is lost when a run is killed is at most a shard.
        limit: share of wrong letters above which a clip is dropped; 0 if no recognizer hears the clips.
        roles: the voices.
    """

    seed: int = 0
    rate: int = 24_000
    shard_clips: int = 20
    limit: float = 0.3
    roles: tuple[Role, ...] = ROLES


@dataclass(frozen=True)
class Request:
    """A clip to be made."""

    text: Text
    role: Role
    tempo: float


def requests(recipe: Recipe, texts: Iterable[Text]) -> Iterator[Request]:
    """A voice and a tempo for each text."""
    rng = random.Random(recipe.seed)
    weights = list(itertools.accumulate(role.weight for role in recipe.roles))
    for text in texts:
        role = rng.choices(recipe.roles, cum_weights=weights)[0]
        yield Request(text, role, round(rng.uniform(*role.tempo), 3))


def shards(recipe: Recipe, texts: Iterable[Text]) -> Iterator[tuple[int, list[Request]]]:
    """The number and the requests of each shard."""
    planned = requests(recipe, texts)
    return enumerate(iter(lambda: list(itertools.islice(planned, recipe.shard_clips)), []))


def claim(folder: Path, recipe: Recipe) -> None:
    """Write the recipe into `folder`, or check it against the one that is there.

    The file names the versions of all packages, so that it is all that another machine needs to go on.

    Raises:
        ValueError: the folder has clips of another recipe or of other packages.
    """
    path, text = folder / RECIPE, json.dumps(described(recipe), indent=1) + "\n"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as partial:
            partial.write_text(text, encoding="utf-8")
    elif (found := json.loads(path.read_text(encoding="utf-8"))) != (wanted := json.loads(text)):
        differ = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise ValueError(f"{path} has another {', '.join(differ)}. Choose another folder, or the options it names.")


def described(recipe: Recipe) -> dict[str, object]:
    """The recipe with the shares of texts and the versions of packages, as values of JSON."""
    archives = {name: {"file": archive.file, "sha256": archive.sha256} for name, archive in ARCHIVES.items()}
    fixed = {"texts": SHARES, "label_lag": LABEL_LAG}
    return {**asdict(recipe), **fixed, "python_packages": PYTHON_PACKAGES, "archives": archives}
