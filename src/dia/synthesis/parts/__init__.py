"""Scripts longer than one pass: planned in parts, spoken one after the other, kept on disk, joined."""
