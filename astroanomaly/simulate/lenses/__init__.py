"""Strong lenses: mass, light, substructure, ray tracing."""
