"""How a Dia and its codec are trained. Knows the model and the processor; does not know the facade."""
