"""Compare with what one would write, or take, instead: PyTorch in a loop, and PyOD.

First the same FITS files are scored by the same network (the default size, untrained,
as the weights do not change the time): by the package, from files to the table, and by
a plain loop of astropy and PyTorch that reads, stretches, encodes and draws in batches,
smooths residuals with scipy and writes the table. Then PyOD's autoencoder and two of
the package's models learn the same stretched arrays; times, and the AUC of companions
and bumps planted in half of the test galaxies. Needs torch, and pyod with tqdm:
without them a part is left out and a note says so.
"""

import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from detectors import untrained, write_files
from harness import Report, alternate, parse, ratio, show
from scipy.ndimage import gaussian_filter

import astroanomaly as aa
from astroanomaly import evaluation, runs, simulate

# What a careful user would take; larger ones were no quicker.
BATCH = 64
KINDS = ("companion", "bump")


def torch_networks(detector, width: int):
    """Return the encoder and the generator of a detector in PyTorch."""
    import torch
    from torch_gan import Critic, Generator, copy_critic, copy_generator

    gan, encoder = detector.model, detector.encoder
    size, _, n_bands = gan.image_shape
    filters = [
        layer.filters for layer in gan.critic.layers if hasattr(layer, "filters")
    ]
    shape = (size, n_bands, filters, gan.kernel_size)
    encode = Critic(*shape, outputs=gan.latent_dim, slope=0.0)
    draw = Generator(*shape, gan.latent_dim)
    copy_critic(encoder.network.get_weights(), encode, filters[-1])
    copy_generator(gan.generator.get_weights(), draw)
    # The quicker layout of the two, see `training_step.py`.
    return [net.eval().to(memory_format=torch.channels_last) for net in (encode, draw)]


def loop(detector, networks, folder: Path, out: Path) -> np.ndarray:
    """Score the files of a folder in a plain loop; return the scores."""
    import torch

    encode, draw = networks
    config = detector.stretch.get_config()
    low, high = (np.float32(config[name][0]) for name in ("vmin", "vmax"))
    a, smoothing = np.float32(config["a"][0]), detector.smoothing
    names, scores = sorted(folder.glob("*.fits")), []
    with torch.inference_mode():
        for start in range(0, len(names), BATCH):
            files = names[start : start + BATCH]
            pixels = np.stack([fits.getdata(file) for file in files]).astype("f4")
            share = np.clip((pixels - low) / (high - low), 0, 1)
            images = np.arcsinh(share / a) / np.arcsinh(1 / a)
            batch = torch.from_numpy(images[:, None])
            drawn = draw(encode(batch))[:, 0].numpy()
            smooth = gaussian_filter(images - drawn, (0, smoothing, smoothing))
            scores.append(np.abs(smooth).max(axis=(1, 2)))
    scores = np.concatenate(scores)
    order = np.argsort(-scores)
    table = {"file": np.array([f.name for f in names])[order], "score": scores[order]}
    Table(table).write(out, overwrite=True)
    return scores


def against_torch(args, report: Report) -> None:
    """Time both from the same files to a table."""
    if not find_spec("torch"):
        report.note("The loop is left out: it needs torch (pip install torch).")
        return
    some = simulate.galaxies(min(args.n, 512), size=args.size, seed=args.seed)
    detector = untrained(some, args.width)
    networks = torch_networks(detector, args.width)
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name) / "cutouts", Path(name) / "scores.fits"
        write_files(folder, some, args.n)

        def ours() -> None:
            stream = aa.read_cutouts(folder, stream=True)
            runs.score_survey(detector, stream, out)

        ways = {
            "astropy and PyTorch": lambda: loop(detector, networks, folder, out),
            "score_survey": ours,
        }
        seconds = alternate(ways, args.rounds)
    rows = [
        {
            "way": name,
            "images/s": args.n / float(np.median(found)),
            "speed over the loop's": ratio(seconds["astropy and PyTorch"], found),
        }
        for name, found in seconds.items()
    ]
    report.table(f"{args.n} FITS files of {args.size} pixels to a ranked table", rows)
    report.note(
        "the loop ranks and no more: no catalog, no check of units and pixels, no "
        "noise by ring and brightness, no p-values, no resuming"
    )


def against_pyod(args, report: Report) -> None:
    """Train and score on the same arrays."""
    if not find_spec("pyod"):
        report.note("PyOD is left out: it needs pyod (pip install pyod).")
        return
    from pyod.models.auto_encoder import AutoEncoder

    galaxies = simulate.galaxies(2 * args.train, size=args.size, seed=args.seed)
    train, test = galaxies.images[: args.train], galaxies.images[args.train :]
    half = len(test) // 2
    planted, _ = simulate.plant(test[half:], KINDS, seed=args.seed)
    test = np.concatenate([test[:half], planted])
    labels = np.r_[np.zeros(half, int), np.ones(len(planted), int)]
    stretch = aa.stretches.Asinh().adapt(train)

    def pyod() -> tuple:
        flat = [
            np.asarray(stretch(part)).reshape(len(part), -1) for part in (train, test)
        ]
        began = time.perf_counter()
        # Its own defaults but for the epochs, which all have alike.
        found = AutoEncoder(epoch_num=args.epochs, random_state=args.seed, verbose=0)
        found.fit(flat[0])
        middle = time.perf_counter()
        scores = found.decision_function(flat[1])
        return scores, middle - began, time.perf_counter() - middle

    def ours(name: str, work: Path) -> tuple:
        settings = {"data": {"size": args.size}}
        epochs = None if name == "pca" else args.epochs
        np.save(work / "train.npy", train[..., 0])
        began = time.perf_counter()
        run = runs.train(
            work / "train.npy", work / name, settings, model=name, epochs=epochs
        )
        middle = time.perf_counter()
        rows = run.detector.score_block(aa.Cutouts(test), "ranking")
        scores = np.asarray(rows["anomaly_score"])
        return scores, middle - began, time.perf_counter() - middle

    rows = []
    with tempfile.TemporaryDirectory() as work:
        ways = {"PyOD AutoEncoder": pyod}
        ways |= {
            f"train --model {name}": lambda name=name: ours(name, Path(work))
            for name in ("dcae", "pca")
        }
        for name, way in ways.items():
            scores, training, scoring = way()
            found = evaluation.auc(labels, scores, seed=args.seed)
            rows.append(
                {
                    "way": name,
                    "train (s)": training,
                    "score (ms/image)": 1000 * scoring / len(test),
                    "AUC": f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})",
                }
            )
    report.table(
        f"{args.train} galaxies of {args.size} pixels to learn from, {half} others and "
        f"{len(planted)} with a planted {' or '.join(KINDS)}",
        rows,
    )
    report.note(
        f"{args.epochs} epochs of the autoencoders; pca takes one pass. PyOD's is of "
        "dense layers on the pixels, at its defaults; ours read files, measure the "
        "residual noise and write a run folder within the time of the training"
    )


def main(argv=None) -> dict:
    """Compare, and report."""
    args = parse(
        argv,
        __doc__,
        n=(2048, 32),
        width=(32, 4),
        size=(64, 32),
        rounds=(3, 1),
        train=(1000, 120),
        epochs=(10, 1),
    )
    report = Report("rivals", "Against a loop in PyTorch, and PyOD", args)
    against_torch(args, report)
    against_pyod(args, report)
    return report.write()


if __name__ == "__main__":
    show(main())
