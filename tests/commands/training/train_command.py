"""`dia train` on short clips, as the tests run it."""

from dia.cli import main

SECONDS = 0.25  # of every clip


def train(recordings, model, output, *more):
    given = ["--data", recordings, "--model", model, "--output", str(output), "--cpu", "--batch-size", "2"]
    return main(["train", *given, "--shifts", "1", "--held-out", "0.3", *more])
