"""Dark-matter substructure in strong lenses: four published models, run again."""
