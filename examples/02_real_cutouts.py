"""Read files as surveys deliver them, and rank them before any training.

New here: the reader. It resamples, cuts, fills gaps, joins a catalog, and lists what it
had to leave out. Principal components then rank the objects within seconds: look at
those first, and train a network where they are not enough.
Run `python examples/02_real_cutouts.py` for ten seconds of stand-in files, or with your
own: `python examples/02_real_cutouts.py 'my_files/*.fits'`.
"""

import sys
from pathlib import Path

import numpy as np
from astropy.io import fits

import astroanomaly as aa

N = 300
SIZE, PIXEL_SCALE = 48, 0.06  # pixels; arcsec, that of WFC3 F160W
OUT = Path("real_cutouts")

if len(sys.argv) > 1:
    files = sys.argv[1]
else:
    # Galaxies on pixels of 0.06 arcsec, a tenth with a companion, and three mishaps.
    made = aa.simulate.galaxies(N, size=SIZE + 10, seed=1, companion_fraction=0.1)
    aa.write_cutouts(OUT, made, overwrite=True)
    names = sorted(OUT.glob("*.fits"))
    with fits.open(names[0], mode="update") as hdus:
        hdus[0].data[:8, :8] = np.nan  # a gap: filled and flagged
    names[1].write_bytes(names[1].read_bytes()[:4000])  # a broken download: left out
    small = fits.getdata(names[2])[20:-20, 20:-20]
    fits.writeto(names[2], small, fits.getheader(names[2]), overwrite=True)  # padded
    files = OUT  # a folder; its catalog.ecsv is joined by `object_id`

# Files of any pixel scale and size become images of one scale and size. A reader that
# knows no pixel scale from the header needs `input_pixel_scale=`.
cutouts = aa.read_cutouts(files, size=SIZE, pixel_scale=PIXEL_SCALE)
print(cutouts)
print("\n".join(cutouts.skipped["reason"]))
flagged = cutouts.table[cutouts.table["flag"] > 0]
flagged["object_id", "flag"].pprint()  # 1: gaps filled, 2: padded

# The stretch takes its range and noise from the images; half of the objects define what
# is ordinary, and the other half is ranked.
train, survey = aa.split(cutouts, (0.5, 0.5), seed=1)
stretch = aa.stretches.Asinh().adapt(train)
images = [np.asarray(stretch(part.images)) for part in (train, survey)]
scores = aa.evaluation.baseline_scores(*images, n_components=(20,))
table = survey.table["object_id", "flag"]
table["anomaly_score"] = scores["pca_20"]
table.sort("anomaly_score", reverse=True)
table[:10].pprint()
aa.plots.gallery(survey, table, n=16).savefig("strangest.png")
