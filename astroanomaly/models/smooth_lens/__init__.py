"""Smooth lenses drawn by physics: a ray tracer, fitted to each image."""
