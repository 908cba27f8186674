"""Speak a script of any length part by part, check every part, and write subtitles."""

from pathlib import Path

from dia import Dia
from dia.audio import Writer
from dia.synthesis import srt

SCRIPT = """
[S1] Welcome to the show. Today we talk about tea.
[S2] I have waited all week for this. [pause:700ms] Black or green?
[S1] Both. We start with black tea, which is older than most people think.
[S2] And it costs $4.50 a pound.
"""

model = Dia.from_pretrained("mini")
turns = []
with Writer("show.flac", model.sample_rate) as file:
    for piece in model.pieces(SCRIPT, retries=2, seed=7):
        file.write(piece.audio)
        turns += piece.turns
        print(f"part {piece.number + 1} of {piece.parts}, {piece.take.warnings or 'nothing wrong'}")
Path("show.srt").write_text(srt(turns), encoding="utf-8")
