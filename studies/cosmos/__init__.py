"""Companions and lenses among 201 real COSMOS galaxies, by the command line alone."""
