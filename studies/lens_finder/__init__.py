"""Lens finders trained on labels, what they see, and lenses that no training has."""
