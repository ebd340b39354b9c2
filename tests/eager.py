"""Trainings of a few batches without graphs, whose tracing takes far longer."""

import keras


def eagerly(monkeypatch):
    """Let every model that is compiled from now on train without a graph.

    For tests of what is built on a training; those of the models trace graphs.
    """
    compiled = keras.Model.compile

    def compile(self, *args, **kwargs):
        compiled(self, *args, **{"run_eagerly": True, **kwargs})

    monkeypatch.setattr(keras.Model, "compile", compile)
