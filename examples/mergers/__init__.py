"""The study of galaxy mergers: its sets, scores, results, figures and page."""
