"""The package's version, read by the build without importing anything heavy."""

__version__ = "0.1.0"
