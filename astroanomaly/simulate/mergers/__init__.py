"""Merging galaxies: pairs, tides, light."""
