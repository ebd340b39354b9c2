"""Time a WGAN-GP training step: TensorFlow, the same network in PyTorch, XLA.

Timed are one critic update, and the cycle of n_critic updates with one generator
update. PyTorch (pip install torch) is optional: without it its rows are left out and
a note says so.
"""

import time

import numpy as np
from harness import Report, parse, ratio, show

# Float32 differences were 1e-7; a wrong layer or padding gives far more than this.
TOLERANCE = 1e-4


class KerasContender:
    """Train a WGANGP with the function that ``fit`` compiles."""

    def __init__(self, width: int, size: int, batch: np.ndarray, seed: int, xla: bool):
        import tensorflow as tf

        from astroanomaly.models import WGANGP

        self.gan = WGANGP((size, size, 1), width=width, seed=seed)
        self.gan.compile(jit_compile=xla)
        self.gan.make_train_function()
        self.batches = iter(tf.data.Dataset.from_tensors(batch).repeat())

    def step(self) -> None:
        """Train on one batch, and wait for the result."""
        logs = self.gan.train_function(self.batches)
        # Reading a value waits for the result.
        float(logs["critic_loss"])


class TorchContender:
    """Train the same network on the same batch in PyTorch."""

    def __init__(self, gan, batch: np.ndarray, channels_last: bool, seed: int):
        import torch
        from torch_gan import TorchGAN

        from astroanomaly.models.common.networks import level_filters

        torch.manual_seed(seed)
        filters = level_filters(gan.image_shape[0], gan.width)
        self.copy = TorchGAN(gan, filters, channels_last)
        self.batch = self.copy.images(batch)

    def step(self) -> None:
        """Train on one batch."""
        self.copy.step(self.batch)


def check_equal(gan, copy, batch: np.ndarray, seed: int) -> dict[str, float]:
    """Check that both frameworks have the same network.

    Parameters
    ----------
    gan : WGANGP
        The Keras model.
    copy : TorchGAN
        Its copy.
    batch : ndarray of shape (n, ny, nx, n_bands)
        Images.
    seed : int
        Seed of the latent vectors.

    Returns
    -------
    dict of float
        Number of parameters, and the largest difference of the critic's output, of
        the generator's images and of the gradient penalty.

    Raises
    ------
    ValueError
        If the counts differ, or an output differs by more than 1e-4.
    """
    import torch

    z = np.random.default_rng(seed).standard_normal((len(batch), gan.latent_dim))
    z = z.astype("float32")
    images = copy.images(batch)
    with torch.no_grad():
        output = copy.critic(images).numpy()
        drawn = np.moveaxis(copy.generator(torch.from_numpy(z)).numpy(), 1, -1)
    found = {
        "parameters": gan.critic.count_params() + gan.generator.count_params(),
        "critic": np.abs(gan.critic.predict_on_batch(batch)[0] - output).max(),
        "generator": np.abs(gan.generator.predict_on_batch(z) - drawn).max(),
        "penalty": abs(_penalty(gan, batch) - float(copy.penalty(images).detach())),
    }
    if found["parameters"] != copy.n_parameters():
        raise ValueError(
            f"both networks must have {found['parameters']} parameters. "
            f"Received: {copy.n_parameters()} in PyTorch"
        )
    for name in ("critic", "generator", "penalty"):
        if not found[name] <= TOLERANCE:
            raise ValueError(
                f"the {name}'s outputs must agree to {TOLERANCE}. "
                f"Received: a difference of {found[name]}"
            )
    return {name: float(value) for name, value in found.items()}


def _penalty(gan, batch: np.ndarray) -> float:
    import tensorflow as tf

    from astroanomaly.models.common.losses import gradient_penalty

    images = tf.constant(batch)
    with tf.GradientTape() as tape:
        tape.watch(images)
        output = gan.critic(images)[0]
    return float(gradient_penalty(tape.gradient(output, images)))


def time_cycles(contenders: dict, n_critic: int, rounds: int) -> dict[str, np.ndarray]:
    """Time training steps in turn, one cycle of each contender after the other.

    Parameters
    ----------
    contenders : dict
        Name to an object with ``step()``.
    n_critic : int
        Steps per cycle; the last one also updates the generator.
    rounds : int
        Cycles of each, after an untimed one.

    Returns
    -------
    dict of ndarray of shape (rounds, n_critic)
        Seconds per step.
    """
    seconds = {name: np.zeros((rounds + 1, n_critic)) for name in contenders}
    for k in range(rounds + 1):
        for name, contender in contenders.items():
            for j in range(n_critic):
                start = time.perf_counter()
                contender.step()
                seconds[name][k, j] = time.perf_counter() - start
    return {name: values[1:] for name, values in seconds.items()}


def row(width: int, name: str, seconds: np.ndarray, reference: np.ndarray, n: int):
    update, cycle = seconds[:, :-1].mean(axis=1), seconds.sum(axis=1)
    return {
        "width": width,
        "framework": name,
        "critic update (s)": float(np.median(update)),
        "cycle (s)": float(np.median(cycle)),
        "images/s": float(seconds.shape[1] * n / np.median(cycle)),
        "update: time over TensorFlow's": ratio(update, reference[:, :-1].mean(axis=1)),
        "cycle: time over TensorFlow's": ratio(cycle, reference.sum(axis=1)),
    }


def measure_width(width: int, args, report: Report) -> list[dict]:
    rng = np.random.default_rng(args.seed)
    shape = (args.batch_size, args.size, args.size, 1)
    batch = rng.random(shape, dtype="float32")
    keras_side = KerasContender(width, args.size, batch, args.seed, xla=False)
    contenders = {"TensorFlow": keras_side}
    try:
        for layout in args.layouts:
            last = layout == "channels-last"
            contender = TorchContender(keras_side.gan, batch, last, args.seed)
            check = check_equal(keras_side.gan, contender.copy, batch, args.seed)
            contenders[f"PyTorch, {layout}"] = contender
        report.note(
            f"width {width}: {check['parameters']:.0f} parameters in both; with the "
            f"weights copied the critic differs by {check['critic']:.1e}, the "
            f"generator by {check['generator']:.1e}, the penalty by "
            f"{check['penalty']:.1e} at most"
        )
    except ModuleNotFoundError as error:
        report.note(
            f"no rows for PyTorch, no {error.name}: `pip install torch==2.13.0`"
        )
    n_critic = keras_side.gan.n_critic
    seconds = time_cycles(contenders, n_critic, args.rounds)
    reference = seconds["TensorFlow"]
    rows = [
        row(width, name, values, reference, len(batch))
        for name, values in seconds.items()
    ]
    # XLA is several times slower here: fewer rounds, in turn with TensorFlow alone.
    if args.xla_rounds:
        xla = KerasContender(width, args.size, batch, args.seed, xla=True)
        pair = {"TensorFlow": keras_side, "TensorFlow, XLA": xla}
        seconds = time_cycles(pair, n_critic, args.xla_rounds)
        values = seconds["TensorFlow, XLA"]
        rows.append(
            row(width, "TensorFlow, XLA", values, seconds["TensorFlow"], len(batch))
        )
    return rows


def main(argv=None) -> dict:
    """Measure, write and show the result."""
    args = parse(
        argv,
        __doc__,
        widths=([32, 16], [4]),
        size=(64, 32),
        batch_size=(64, 8),
        rounds=(5, 1),
        xla_rounds=(2, 1),
        layouts=(["contiguous", "channels-last"], ["contiguous"]),
    )
    report = Report("training_step", "Training step of the WGAN-GP", args)
    rows = [row for w in args.widths for row in measure_width(w, args, report)]
    report.table(
        f"{args.size}x{args.size} pixels, 5x5 kernels, batch {args.batch_size}, "
        f"medians of {args.rounds} cycles (XLA {args.xla_rounds})",
        rows,
    )
    return report.write()


if __name__ == "__main__":
    show(main())
