"""Detectors that are trained in seconds: which finds what, and which one to take."""
