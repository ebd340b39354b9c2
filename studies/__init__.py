"""Studies that reproduce published papers, one package each."""
