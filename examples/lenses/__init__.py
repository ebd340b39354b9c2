"""Parts of the study of dark-matter substructure (see ../deeplense.py)."""
