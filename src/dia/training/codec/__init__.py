"""Training of DAC codecs: recordings, losses, stages and their state on disk."""
