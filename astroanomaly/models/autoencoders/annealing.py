"""Annealing of a variational autoencoder's KL weight during training."""

import keras


class KLAnnealing(keras.callbacks.Callback):
    """Keep the KL weight `beta` at 0 for a while, then raise it linearly.

    Counted from 1, epochs 1 to `start` train with beta = 0, epoch `start` + k
    with beta_max * k / ramp, and epoch `start` + `ramp` and all later ones with
    beta_max. The value is a function of the epoch's number alone, so that a
    training that goes on with ``initial_epoch`` has the right one.

    Parameters
    ----------
    start : int, optional
        Epochs with beta = 0. 100 is the published number, of 500 epochs.
    ramp : int, optional
        Epochs over which beta rises. Our choice: the paper says no more than
        that the weight is raised "gradually" to 1.
    beta_max : float, optional
        Where it ends. 1 is the published number; the notes of
        :class:`astroanomaly.models.CVAE` say how heavy that is.

    Raises
    ------
    ValueError
        If an argument is outside its range, or the model has no `beta`.

    References
    ----------
    Alexander et al. 2020, arXiv:2008.12731; Bowman et al. 2016, arXiv:1511.06349.

    Examples
    --------
    >>> annealing = KLAnnealing(start=2, ramp=4, beta_max=1.0)
    >>> [annealing.beta(epoch) for epoch in range(8)]
    [0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """

    def __init__(
        self, start: int = 100, ramp: int = 100, beta_max: float = 1.0
    ) -> None:
        super().__init__()
        for name, value, least in (("start", start, 0), ("ramp", ramp, 1)):
            if int(value) != value or value < least:
                raise ValueError(
                    f"`{name}` must be an integer >= {least}. Received: {value}"
                )
        if not 0 <= beta_max < float("inf"):
            raise ValueError(
                f"`beta_max` must be finite and >= 0. Received: {beta_max}"
            )
        self.start, self.ramp = int(start), int(ramp)
        self.beta_max = float(beta_max)

    def beta(self, epoch: int) -> float:
        """Compute the weight of one epoch.

        Parameters
        ----------
        epoch : int
            The epoch's number, counted from 0 as Keras does.

        Returns
        -------
        float
            The KL weight.
        """
        risen = (epoch + 1 - self.start) / self.ramp
        return self.beta_max * min(max(risen, 0.0), 1.0)

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Refuse a model without a KL weight before the first epoch."""
        if not hasattr(self.model, "beta"):
            raise ValueError(
                "`model` must have a KL weight `beta`, as CVAE has. "
                f"Received: {type(self.model).__name__}"
            )

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Set the model's weight."""
        self.model.beta.assign(self.beta(epoch))
