"""Signal processing: what is measured in a waveform, and what is changed in it."""
