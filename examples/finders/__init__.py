"""The parts of the lens-finder study."""
