"""Channels with speech are mixed; of channels that cancel, the loudest is used."""

import numpy as np
import pytest
from talking import RATE, talking

from dia.audio.dsp.channels import as_channels, channels_to_mix

SPEECH, OTHER = talking(3.0), talking(3.0, 200.0)
SILENCE = np.zeros_like(SPEECH)


@pytest.mark.parametrize(
    ("channels", "kept", "cancel"),
    [
        ([SPEECH], [0], False),
        ([SPEECH, SPEECH], [0, 1], False),
        ([SPEECH, SILENCE], [0], False),
        ([SILENCE, SPEECH], [1], False),
        ([SPEECH, 0.05 * SPEECH], [0], False),
        ([SPEECH, -SPEECH], [0], True),
        ([0.6 * SPEECH, -SPEECH], [1], True),
        ([SPEECH, OTHER], [0, 1], False),
        ([SILENCE, SILENCE, SPEECH, 2 * OTHER, SILENCE, SILENCE], [2], False),
        ([SILENCE, SILENCE], [0, 1], False),
    ],
    ids=["mono", "twin", "left", "right", "echo", "opposite", "nearly opposite", "two people", "5.1", "silent"],
)
def test_channels_with_speech_are_kept(channels, kept, cancel):
    assert channels_to_mix(np.stack(channels, 1), RATE) == (kept, cancel)


def test_channels_may_come_first_or_last():
    both = np.stack([SPEECH, OTHER])
    assert as_channels(SPEECH, "a").shape == (len(SPEECH), 1)
    np.testing.assert_array_equal(as_channels(both, "a"), as_channels(both.T, "a"))
    for wrong, message in ((np.zeros((9, 99)), r"shape \(9, 99\)"), (np.zeros(0), "empty"), (np.zeros(()), r"\(\)")):
        with pytest.raises(ValueError, match=f"my_clip.*{message}"):
            as_channels(wrong, "my_clip")
