"""Scripts longer than one pass: split into parts, spoken in turn, stored on disk and joined."""
