"""Learning-rate schedules that Keras does not bring."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable("astroanomaly")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Raise the learning rate once and lower it far below where it began.

    With m the maximum and t the step, counted from 0, the rate goes along half
    cosines

        from m / div_factor                         at t = 0
        to   m                                      at t = pct_start * n_steps - 1
        to   m / (div_factor * final_div_factor)    at t = n_steps - 1

    and stays there. Names, defaults and values are those of PyTorch's OneCycleLR,
    apart from Adam's momentum, which PyTorch also moves (0.95 to 0.85 and back)
    and this leaves alone.

    Parameters
    ----------
    max_learning_rate : float
        The largest rate.
    n_steps : int
        Steps of the whole cycle: epochs times batches per epoch.
    pct_start : float, optional
        Fraction of the cycle that the rise takes.
    div_factor : float, optional
        The maximum over the first rate.
    final_div_factor : float, optional
        The first rate over the last.

    Raises
    ------
    ValueError
        If an argument is outside its range.

    References
    ----------
    Smith & Topin 2019, arXiv:1708.07120.

    Examples
    --------
    >>> schedule = OneCycle(2e-3, n_steps=100)
    >>> [f"{float(schedule(step)):.1e}" for step in (0, 29, 99)]
    ['8.0e-05', '2.0e-03', '8.0e-09']
    """

    def __init__(
        self,
        max_learning_rate: float,
        n_steps: int,
        pct_start: float = 0.3,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ) -> None:
        super().__init__()
        if int(n_steps) != n_steps or n_steps < 2:
            raise ValueError(f"`n_steps` must be an integer >= 2. Received: {n_steps}")
        if not 0 < pct_start < 1:
            raise ValueError(
                f"`pct_start` must be within (0, 1). Received: {pct_start}"
            )
        for name, value in {
            "max_learning_rate": max_learning_rate,
            "div_factor": div_factor,
            "final_div_factor": final_div_factor,
        }.items():
            if not 0 < value < math.inf:
                raise ValueError(
                    f"`{name}` must be finite and above 0. Received: {value}"
                )
        self.max_learning_rate, self.n_steps = float(max_learning_rate), int(n_steps)
        self.pct_start = float(pct_start)
        self.div_factor = float(div_factor)
        self.final_div_factor = float(final_div_factor)

    def __call__(self, step):
        """Compute the learning rate.

        Returns: the rate, float32.
        """
        highest = self.max_learning_rate
        # PyTorch's name for the highest rate over the first.
        first = highest / self.div_factor
        # A cycle too short for a rise (n_steps * pct_start < 1) only falls.
        # PyTorch counts the first step as 0, hence both minus one.
        peak, end = self.pct_start * self.n_steps - 1, self.n_steps - 1
        # Past the end the last rate holds; PyTorch raises an error there.
        step = ops.minimum(ops.cast(step, "float32"), float(end))
        rise = step / peak if peak > 0 else ops.ones_like(step)
        fall = (step - peak) / (end - peak)
        return ops.where(
            step <= peak,
            _half_cosine(first, highest, rise),
            _half_cosine(highest, first / self.final_div_factor, fall),
        )

    def get_config(self) -> dict:
        """Return the arguments that make this schedule again."""
        return {
            "max_learning_rate": self.max_learning_rate,
            "n_steps": self.n_steps,
            "pct_start": self.pct_start,
            "div_factor": self.div_factor,
            "final_div_factor": self.final_div_factor,
        }


def _half_cosine(start: float, end: float, fraction):
    return end + 0.5 * (start - end) * (1 + ops.cos(math.pi * fraction))
