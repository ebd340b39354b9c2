"""Train a lens finder from labels, and ask what it looks at.

New here: supervised learning. The run folder keeps the epoch with the lowest validation
loss, a calibration with labels turns outputs into probabilities, and an occlusion map
shows which pixels decide. The network is one of Wilde et al. 2022 (arXiv:2202.12776);
studies/lens_finder does it at full size.
A thousand frames make a weak finder: see docs/results/lens_finder.md for what it takes.
Run `python examples/04_lens_finder.py`; it takes about four minutes.
"""

import numpy as np

import astroanomaly as aa

N_TRAIN, N_CALIBRATION, N_TEST = 1000, 300, 300
SIZE = 58  # pixels of 0.3 arcsec, the fewest that fill the network
EPOCHS = 12
OUT = "finder"

# Frames in Euclid's four bands: half hold a lens, the others resemble one. They are
# drawn with VIS's pixels of 0.1 arcsec; the reader resamples them to NISP's.
sizes = {"train": N_TRAIN, "held_out": N_CALIBRATION, "test": N_TEST}
for seed, (name, n) in enumerate(sizes.items(), 1):
    frames = aa.simulate.lens_survey(n, size=3 * SIZE, seed=seed)
    aa.write_cutouts(f"{OUT}/{name}", frames, overwrite=True)
labels = {name: f"{OUT}/{name}/catalog.ecsv" for name in sizes}

# Each image is stretched in units of its own sky noise, so that a star beside a lens
# does not dim it. Small batches without dropout learn fast from a thousand frames.
settings = {
    "stretch": {"name": "asinh", "softening": 10, "sigmas": [-5, 1000]},
    "model": {"name": "lens_finder", "dropout": 0.0},
    "training": {"batch_size": 8, "epochs": EPOCHS, "seed": 1},
}
reading = {"size": SIZE, "pixel_scale": 0.3, "resume": True}
run = aa.runs.train(
    f"{OUT}/train", f"{OUT}/run", settings, labels=labels["train"], **reading
)
run = aa.runs.calibrate(run.folder, f"{OUT}/held_out", (90,), labels=labels["held_out"])

test = run.read(f"{OUT}/test").read()
table = run.detector.score(test)  # the surest lens first
table[:8]["object_id", "p_lens", "p_lens_calibrated", "is_lens"].pprint()

# Half of these frames hold a lens; on the sky it is one in a thousand or fewer.
place = {name: row for row, name in enumerate(table["object_id"])}
p_lens = np.array(table["p_lens"][[place[name] for name in test.object_ids]])
truth = np.asarray(test.table["is_lens"], dtype=bool)
found = aa.evaluation.classifier.metrics_at(truth, p_lens)
for name in ("precision", "recall", "false_positive_rate"):
    rate = getattr(found, name)
    print(f"{name:20s} {rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f})")
sky = aa.evaluation.classifier.purity_at(found, 0.001)
print(f"purity where one object in 1,000 is a lens: {sky.value:.4f}")

# Blue: hiding this part makes the network less sure that there is a lens.
first = test[np.asarray(test.object_ids) == table["object_id"][0]]
aa.runs.explain(run.detector, first, f"{OUT}/why.png", logit=True)
