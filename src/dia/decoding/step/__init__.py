"""Many clips, each in a slot of its own: one row of every clip at a time, on tensors of fixed shape."""
