"""Find galaxies with a companion among ordinary ones, without labels.

New here: the whole chain. A network learns ordinary galaxies from FITS files, a second
set of ordinary galaxies sets the thresholds, and a survey is ranked, strangest first.
Run `python examples/01_find_outliers.py`; it takes about three minutes on two cores.
"""

import astroanomaly as aa

N_TRAIN, N_CALIBRATION, N_SURVEY = 1500, 300, 200
SIZE = 48  # pixels
EPOCHS, ENCODER_EPOCHS = 20, 8
OUT = "outliers"

# Simulated galaxies stand in for your files: a third of the survey has a companion of
# 0.1 to 1 times the galaxy's flux. Its catalog holds the truth, `is_anomaly`.
train = aa.simulate.galaxies(N_TRAIN, size=SIZE, seed=1)
held_out = aa.simulate.galaxies(N_CALIBRATION, size=SIZE, seed=2)
survey = aa.simulate.galaxies(N_SURVEY, size=SIZE, seed=3, companion_fraction=0.33)
for name, cutouts in (("train", train), ("held_out", held_out), ("survey", survey)):
    aa.write_cutouts(f"{OUT}/{name}", cutouts, overwrite=True)

# A small network, sized for a laptop. With `resume=True` a second run of this script
# continues an interrupted training, or loads the finished one.
settings = {
    "model": {"width": 12, "latent_dim": 32, "n_critic": 3, "ema": 0.99},
    "training": {"batch_size": 32, "learning_rate": 5e-4, "augment": True},
    "encoder": {"epochs": ENCODER_EPOCHS},
}
run = aa.runs.train(
    f"{OUT}/train", f"{OUT}/run", settings, size=SIZE, epochs=EPOCHS, resume=True
)

# Thresholds come from galaxies that were not used in training: 1 in 100 ordinary
# objects lies above the level of 99 per cent.
run = aa.runs.calibrate(f"{OUT}/run", f"{OUT}/held_out", levels=(90, 95, 99))

cutouts = run.read(f"{OUT}/survey").read()  # as the training images were read
table = run.detector.score(cutouts)
table.write(f"{OUT}/scores.ecsv", overwrite=True)
table[:10]["object_id", "anomaly_score", "p_value", "is_anomaly_99"].pprint()

# Was it right? The truth is known here, and simple baselines see the same images.
images = (run.detector.stretch(part.images) for part in (train, cutouts))
baselines = aa.evaluation.baseline_scores(*images)
truth = cutouts.table["object_id", "is_anomaly"]
found = aa.evaluation.evaluate(
    table, truth, baselines={"object_id": cutouts.object_ids, **baselines}
)
print(found.to_markdown())

# Open the page in a browser: images, reconstructions and residuals, to sort and filter.
aa.report.write(f"{OUT}/report.html", run.detector, cutouts, table, evaluation=found)
