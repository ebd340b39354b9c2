"""Parts of the study of training contamination (see ../contamination.py)."""
