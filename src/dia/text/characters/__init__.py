"""Characters of a text: plain ones, letters of other scripts, and edits that keep the positions of characters."""
