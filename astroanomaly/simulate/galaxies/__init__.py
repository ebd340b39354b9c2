"""Galaxies: profiles, populations, real ones."""
