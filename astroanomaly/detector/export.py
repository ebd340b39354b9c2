"""Write the networks of a detector as ONNX, and check that it scores the same."""

import json

import numpy as np
import tensorflow as tf

from astroanomaly import latent
from astroanomaly.detector.engine import RECORD, EngineDetector
from astroanomaly.detector.image_model import TURNS
from astroanomaly.utils.chunks import CHUNK
from astroanomaly.utils.optional import require

# Scores differ by no more, in units of the score or, below 1, absolute.
TOLERANCE = 1e-5
# Objects that are compared: a wrong layer shows in one, and 512 take a second.
_SAMPLE = 512
# The newest that tf2onnx knows for sure; every operation of the models is in it.
_OPSET = 18
# These need the critic, whose gradients or features no scoring by ONNX has.
_WITHOUT = ("total", "feature")


def exported(detector, kind: str, cutouts) -> tuple[bytes, float]:
    """Return the ONNX file of a detector and the largest difference of a score.

    Parameters
    ----------
    detector : AnomalyDetector
        Calibrated.
    kind : {"onnx"}
        The form.
    cutouts : Cutouts or CutoutStream
        Objects to compare the scores of, at least one.

    Returns
    -------
    network : bytes
        The file.
    difference : float
        In units of the score, or absolute where it is below 1.

    Raises
    ------
    ImportError
        Without tf2onnx or onnxruntime.
    ValueError
        If the detector cannot be written so, or a score differs by more than 1e-5.
    """
    if kind != "onnx":
        raise ValueError(f"`kind` must be onnx. Received: {kind}")
    detector.require_calibration()
    images, model = detector.images, detector.model
    encodes = isinstance(images.search, latent.Encoder)
    if not encodes and not (hasattr(model, "encode") and hasattr(model, "decode")):
        raise ValueError(
            "`export` needs a detector with an encoder, or a model that encodes and "
            f"decodes. Received: {type(model).__name__} with the method "
            f"{detector.method}."
        )
    if detector.score_name in _WITHOUT or detector.stretch.sigmas:
        found = f"the score {detector.score_name}"
        if detector.stretch.sigmas:
            found = f"a stretch with sigmas={detector.stretch.sigmas}"
        raise ValueError(
            "`export` needs a score that the reconstruction alone makes (not "
            f"{' or '.join(_WITHOUT)}) and a stretch without `sigmas`. "
            f"Received: {found}."
        )
    require("onnxruntime", "fast")
    converter = require("tf2onnx", "fast")
    if encodes:
        encode, draw = images.search.network, model.scoring_generator
    else:
        encode, draw = model.encode, model.decode

    @tf.function
    def network(pixels):
        stretched, total = images.stretch(pixels), 0
        for quarters, mirrored in TURNS[: images.views]:
            view = tf.image.rot90(stretched, quarters)
            z = encode(tf.reverse(view, [1]) if mirrored else view)
            drawn = draw(z)
            if (quarters, mirrored) == TURNS[0]:
                first = z
            drawn = tf.reverse(drawn, [1]) if mirrored else drawn
            total += tf.image.rot90(drawn, -quarters % 4)
        return stretched, total / images.views, first

    entry = tf.TensorSpec((CHUNK, *detector.image_shape), tf.float32, name="pixels")
    proto, _ = converter.convert.from_function(network, [entry], opset=_OPSET)
    record = {
        "settings": detector.settings(),
        "image_shape": list(detector.image_shape),
        "views": images.views,
    }
    notes = proto.metadata_props.add()
    notes.key, notes.value = RECORD, json.dumps(record)
    written = proto.SerializeToString()
    engine = EngineDetector(
        written, detector.get_params() | {"score": detector.score_name}
    )
    engine.noises, engine.mode_sets = detector.noises, detector.mode_sets
    part = next(iter(cutouts.chunks(_SAMPLE)))
    ours, theirs = (
        np.asarray(d.score_block(part, "ranking")["anomaly_score"])
        for d in (detector, engine)
    )
    difference = float(np.max(np.abs(ours - theirs) / np.maximum(np.abs(ours), 1)))
    if not difference <= TOLERANCE:
        raise ValueError(
            f"`export` needs scores by ONNX that equal TensorFlow's to {TOLERANCE:g}. "
            f"Received: a difference of {difference:.1g} among {len(part)} objects."
        )
    return written, difference
