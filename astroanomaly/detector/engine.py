"""Score by the ONNX file of a detector; TensorFlow is never imported."""

import json
import os
from pathlib import Path

import numpy as np

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.detector.anomaly import AnomalyDetector
from astroanomaly.detector.base import ENGINE, Detector
from astroanomaly.detector.image_input import ImageInput
from astroanomaly.detector.state import check_keys, read_state
from astroanomaly.features.frame import FILE as FRAME
from astroanomaly.features.frame import FrameCheck
from astroanomaly.utils.chunks import CHUNK, joined
from astroanomaly.utils.files import CHECKSUMS, checksums, read_json
from astroanomaly.utils.installed import versions
from astroanomaly.utils.optional import require

# Of the file's own notes: the settings of the detector, as JSON.
RECORD = "astroanomaly"
_RECORD = {"settings": dict, "image_shape": list, "views": int}
_SETTINGS = {"latent": str, "bands": list, "stretch_config": dict}


class EngineImages(ImageInput):
    """Turn cutouts into stretched images and reconstructions by an ONNX network.

    Parameters
    ----------
    network : bytes
        The file; the settings that it was exported with are in its notes.

    Attributes
    ----------
    settings : dict
        The detector's settings when it was exported.
    image_shape : tuple of int
        (ny, nx, n_bands).
    bands : tuple of str or None
        Their names.
    method : str
        The latent method.
    views : int
        Turned and mirrored views that are averaged.

    Raises
    ------
    ImportError
        Without onnxruntime.
    ValueError
        If the bytes are no such network.
    """

    # As those of `ImageModel`: nothing here is a network of Keras.
    model = stretch = search = encoder = None

    def __init__(self, network: bytes):
        runtime = require("onnxruntime", "fast")
        options = runtime.SessionOptions()
        # As BLAS and TensorFlow heed it, also as "2,1"; 0 takes all cores.
        threads = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
        options.intra_op_num_threads = int(threads) if threads.isdigit() else 0
        # Threads that wait in a loop take half of the cores from those that read.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            # From memory: weights in other files are not opened.
            self._session = runtime.InferenceSession(
                network, options, providers=["CPUExecutionProvider"]
            )
            notes = self._session.get_modelmeta().custom_metadata_map
            record = json.loads(notes[RECORD])
        except Exception as error:
            # onnxruntime has an exception of its own for every fault.
            words = " ".join(str(error).split())[:200]
            raise ValueError(
                f"{ENGINE} must be the ONNX file of a detector. Received: {words}"
            ) from None
        check_keys(ENGINE, "", record, _RECORD)
        self.settings = record["settings"]
        known = {name: self.settings.get(name) for name in _SETTINGS}
        check_keys(ENGINE, "settings, ", known, _SETTINGS)
        self.image_shape = tuple(record["image_shape"])
        self.method, self.views = self.settings["latent"], record["views"]
        self.bands = tuple(self.settings["bands"]) or None
        (entry,) = self._session.get_inputs()
        if tuple(entry.shape) != (CHUNK, *self.image_shape):
            raise ValueError(
                f"{ENGINE} must take {CHUNK} images of shape {self.image_shape}. "
                f"Received: one that takes {tuple(entry.shape)}."
            )
        self._entry = entry.name

    def clipped(self, cutouts: Cutouts) -> np.ndarray:
        """Return which cutouts, of the bands of the training, the stretch clips."""
        config = self.settings["stretch_config"]
        if config["per_image"]:
            return np.zeros(len(cutouts), bool)
        low, high = (np.asarray(config[end], np.float32) for end in ("vmin", "vmax"))
        pixels = cutouts.images.astype(np.float32, copy=False)
        return ((pixels < low) | (pixels > high)).any(axis=(1, 2, 3))

    def drawn(self, cutouts: Cutouts) -> tuple:
        """Return stretched images, reconstructions and z (or None)."""
        # Chunks of one size, as with TensorFlow: the neighbors change no score.
        images, drawn, *z = joined(
            lambda chunk: self._session.run(None, {self._entry: chunk}),
            self.chosen(cutouts).images,
        )
        return images, drawn, z[0] if z else None


class EngineDetector(AnomalyDetector):
    """A detector whose networks are an ONNX file; see :func:`load_engine`.

    It scores, and neither calibrates nor saves.

    Parameters
    ----------
    network : bytes
        The file.
    state : dict
        The ``detector.json`` of the detector that was exported.
    """

    def __init__(self, network: bytes, state: dict):
        # Not the parent's, which takes networks of Keras.
        Detector.__init__(self, EngineImages(network), state["level"])
        self.score_name, self.w = state["score"], state["w"]
        self.smoothing, self.n_modes = state["smoothing"], state["n_modes"]
        self.seed = state["seed"]
        self.noises, self.mode_sets = {}, {}
        self._network = network

    @property
    def bands(self) -> tuple[str, ...] | None:
        """Names of the bands, None when the stretch was adapted to an array."""
        return self.images.bands

    def settings(self) -> dict:
        """Return the settings of the detector that was exported, and the engine."""
        return {**self.images.settings, "engine": "onnx", "versions": versions()}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what it learned, its networks among them, by name."""
        return {**super().arrays(), "engine": np.frombuffer(self._network, np.uint8)}

    def use(self, method: object) -> "EngineDetector":
        """Return the detector itself; raise for another method than the file's."""
        if method != self.method:
            raise ValueError(
                "`method` (--method) must be that of the engine onnx, "
                f"{self.method}. Received: {method}; others need the engine tf "
                "(--engine tf)."
            )
        return self

    def score_block(self, cutouts: Cutouts, scores: str = "ranking"):
        """Score cutouts in their own order, without calibration.

        Parameters
        ----------
        cutouts : Cutouts
            At least one object.
        scores : {"ranking"}, optional
            Others need the critic, and so TensorFlow.

        Returns
        -------
        Table
            As :meth:`AnomalyDetector.score_block`.

        Raises
        ------
        ValueError
            If all scores are asked for.
        """
        if scores != "ranking":
            raise ValueError(
                "`scores` (--scores) must be ranking with the engine onnx, as others "
                "need TensorFlow: score by the engine tf (--engine tf). Received: "
                f"{scores}."
            )
        return super().score_block(cutouts, scores)

    def score(self, cutouts, fdr: float | None = None, scores: str = "ranking"):
        """Score cutouts and rank them; as :meth:`AnomalyDetector.score`."""
        return super().score(cutouts, fdr, scores)

    def _drawn(self, cutouts: Cutouts) -> tuple:
        return *self.images.drawn(cutouts), np.ones(len(cutouts), bool)

    def calibrate(self, cutouts, levels=None, rule: str = "conformal"):
        """Raise: the file holds the calibration that it was exported with."""
        raise ValueError(
            "`calibrate` needs the engine tf: calibrate the detector itself "
            "(load_detector), and export it again. Received: the engine onnx."
        )


def load_engine(path: str | Path) -> EngineDetector:
    """Read the ONNX file that :meth:`AnomalyDetector.export` kept in a folder.

    Parameters
    ----------
    path : str or Path
        The detector's folder.

    Returns
    -------
    EngineDetector
        It scores as the detector, to 1e-5, without TensorFlow.

    Raises
    ------
    ImportError
        Without onnxruntime.
    ValueError
        If there is no such file, it is not as it was written, or the folder is broken.
    """
    path = Path(path)
    state = read_state(path)
    if not (path / ENGINE).is_file():
        raise ValueError(
            f"{path} must hold {ENGINE} for the engine onnx (--engine onnx): write it "
            "by `astroanomaly calibrate RUN --onnx`, or by the detector's `export`. "
            "Received: none."
        )
    recorded = read_json(path / CHECKSUMS).get(ENGINE)
    if checksums(path, [ENGINE])[ENGINE] != recorded:
        raise ValueError(
            f"{path / ENGINE} must be as it was written. Received: another SHA-256 "
            f"than {CHECKSUMS} records."
        )
    detector = EngineDetector((path / ENGINE).read_bytes(), state)
    detector.restore_noise(path, state)
    if (path / FRAME).is_file():
        detector.frame = FrameCheck.load(path, detector.image_shape[-1])
    return detector.restore(state)
