"""Checkpoints in the layouts of Nari Labs and of the Descript Audio Codec, and their conversion."""
