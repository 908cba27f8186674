"""Recordings and saved voices."""
