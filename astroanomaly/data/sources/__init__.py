"""Where objects lie: files, arrays, cubes, mosaics; each reads one by its row."""
