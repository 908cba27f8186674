"""The training speech of the embedded model: texts, voices and sounds, spoken by flite."""
