"""Multi-band survey frames with lenses among other galaxies."""
