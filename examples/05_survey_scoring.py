"""Score a survey that does not fit into memory, and continue after a break.

New here: a mosaic with a catalog, read as a stream and scored block by block. A run
that is killed loses one block at most. The scores of the survey are then compared with
those of the calibration: do they come from the same kind of images?
Run `python examples/05_survey_scoring.py`; it takes about one minute.
"""

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

import astroanomaly as aa

N_TRAIN, N_CALIBRATION, N_SIDE = 600, 200, 20  # the mosaic holds N_SIDE^2 galaxies
SIZE, PIXEL_SCALE = 48, 0.06  # pixels; arcsec
EPOCHS, BLOCK = 30, 64

# A mosaic of galaxies on a grid, a fifth with a companion, and its catalog.
tiles = aa.simulate.galaxies(N_SIDE**2, size=SIZE, seed=3, companion_fraction=0.2)
grid = tiles.images[..., 0].reshape(N_SIDE, N_SIDE, SIZE, SIZE)
wcs = WCS(naxis=2)
wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [150.0, 2.0]
wcs.wcs.cdelt = [-PIXEL_SCALE / 3600, PIXEL_SCALE / 3600]
header = wcs.to_header()
header["FILTER"] = tiles.bands[0]
mosaic = np.block([list(row) for row in grid])
fits.writeto("mosaic.fits", mosaic, header, overwrite=True)
y, x = np.indices((N_SIDE, N_SIDE)).reshape(2, -1) * SIZE + SIZE // 2
sources = Table({"object_id": tiles.object_ids, "x": x, "y": y})
sources["is_anomaly"] = tiles.table["is_anomaly"]
sources.write("sources.ecsv", overwrite=True)

# An autoencoder of ordinary galaxies, and a detector saved to a folder.
ordinary = aa.simulate.galaxies(N_TRAIN + N_CALIBRATION, size=SIZE, seed=1)
train, held_out = ordinary[:N_TRAIN], ordinary[N_TRAIN:]
stretch = aa.stretches.Asinh().adapt(train)
model = aa.models.DCAE(image_shape=train.image_shape, latent_dim=32)
model.compile()
model.fit(aa.dataset(train, stretch, batch_size=32), epochs=EPOCHS, verbose=0)
detector = aa.AnomalyDetector(model, stretch).measure_noise(train)
detector.calibrate(held_out, levels=(90, 95))
detector.save("survey_detector")

# `stream=True` reads nothing yet. Blocks of 64 cutouts are read, scored and kept; with
# `resume=True` a second run takes up where the first one stopped.
detector = aa.load_detector("survey_detector")
stream = aa.read_cutouts("mosaic.fits", catalog="sources.ecsv", size=SIZE, stream=True)
table = aa.runs.score_survey(detector, stream, "scores.fits", block=BLOCK, resume=True)
table[:10]["object_id", "anomaly_score", "p_value", "is_anomaly_95"].pprint()

# A survey unlike the calibration (other noise, other scale) is strange as a whole.
scores = detector.calibration.scores, table["anomaly_score"]
print(aa.evaluation.two_samples(*scores).message)
print(aa.evaluation.evaluate(table, sources).to_markdown())
