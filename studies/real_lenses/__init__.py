"""Lenses on the real sky: arcs painted on real galaxies, real lenses among real sky."""
