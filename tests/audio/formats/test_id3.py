"""Text in MP3 files is read by other programs as it was written, whatever its letters."""

import numpy as np
import pytest
import soundfile
from media import RATE, needs_av, sweep

from dia.audio import files as audio_file
from dia.audio.formats.tags import Provenance, Tags

TEXTS = ["A walk", "Ein Spaß", "Прогулка", "散歩", "🎧", "two\nlines"]


@pytest.mark.parametrize("text", TEXTS)
def test_any_letters_are_kept(tmp_path, text):
    path = tmp_path / "a.mp3"
    audio_file.write(path, sweep(), RATE, provenance=Provenance("modèle"), tags=Tags(text, text, text))
    with soundfile.SoundFile(path) as file:
        assert (file.title, file.artist) == (text, text)
        assert file.comment == f"{text}\n{Provenance('modèle')}"
    samples, rate = audio_file.read(path)
    assert (rate, len(samples)) == (RATE, 3 * RATE)
    assert np.abs(samples[1000:-1000, 0] - sweep()[1000:-1000]).max() < 0.05


@needs_av
@pytest.mark.parametrize("text", TEXTS)
def test_ffmpeg_reads_them_too(tmp_path, text):
    import av

    audio_file.write(tmp_path / "a.mp3", sweep(), RATE, tags=Tags(text, text, text))
    with av.open(tmp_path / "a.mp3") as file:
        assert (file.metadata["title"], file.metadata["artist"]) == (text, text)
        assert file.metadata["comment"] == f"{text}\n{Provenance()}"
