"""Audio files: containers, encoders, headers and tags."""
