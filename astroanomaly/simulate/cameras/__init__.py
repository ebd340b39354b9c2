"""Cameras, surveys, sky and noise."""
