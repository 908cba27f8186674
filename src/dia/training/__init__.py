"""Training of Dia and of codecs. Uses the model and the processor, but not the facade `dia.Dia`."""
