"""The build of the embedded model."""
