"""HTML and SSML: tags and entities, and what elements mean for speech."""
