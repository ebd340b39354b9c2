"""Cutouts: reading, writing, streaming, batching."""
