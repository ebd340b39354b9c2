"""How a run makes and trains a model, as the folder of the model declares it."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Recipe:
    """What a run needs to know of a model beyond the signature of its class.

    `model`: the class; `batch_size`: default of [training] `batch_size`;
    `learning_rate`: default of [training] `learning_rate`; None leaves it to the model;
    `optimizers`: of the learning rate (or its schedule) and the [training] table;
    returns the arguments of the model's ``compile``; `defaults`: defaults of [model]
    where they differ from those of the class; `training`: the model's own settings in
    [training]: the default and the types of each; `stretch`: defaults of [stretch]
    where they differ from the usual ones; `painted`: the tables of other defaults where
    [training] `paint` is set; `epochs`: default of [training] `epochs`;
    `detector`: defaults of [detector] where they differ from those of the class;
    `augment`: default of [training] `augment`;
    `needs_encoder`: whether an Encoder, trained afterwards, finds the z of an image;
    `needs_labels`: whether the model learns from labels; `features`: where `model` is a
    method over features, those that it takes by default; `complete`: of resolved
    settings, which it checks and fills in place; `spread`: of the image shape and the
    number of images of the whole training; returns arguments of the model that spread
    its schedule over them; `check`: of the model, the steps of the whole training and
    the [training] table; raises where they do not fit; `callbacks`: of the [training]
    table; returns a list of Keras callbacks.
    """

    model: type
    batch_size: int
    learning_rate: float | None
    optimizers: Callable
    defaults: dict = field(default_factory=dict)
    training: dict = field(default_factory=dict)
    stretch: dict = field(default_factory=dict)
    painted: dict = field(default_factory=dict)
    epochs: int = 100
    detector: dict = field(default_factory=dict)
    augment: bool = False
    needs_encoder: bool = False
    needs_labels: bool = False
    features: str | None = None
    complete: Callable | None = None
    spread: Callable | None = None
    check: Callable | None = None
    callbacks: Callable | None = None
