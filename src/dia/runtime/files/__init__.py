"""Files and folders: written whole, locked, read with limits. Independent of speech."""
