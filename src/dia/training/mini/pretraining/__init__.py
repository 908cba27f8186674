"""Training of the embedded language model from random weights."""
