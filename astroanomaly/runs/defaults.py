"""A file of settings with every default, each key explained."""

import inspect
import re

from astroanomaly.runs.config import STRETCHES, dumps, recipes, resolve, schema

# Keys of no class's own docstring.
_WORDS = {
    "bands": "Bands by name; unset: all.",
    "features": "What a method over features takes, as `train --features` names it.",
    "epochs": "Passes over the training set.",
    "batch_size": "Images a step.",
    "learning_rate": "Of Adam; the largest of a schedule.",
    "beta_1": "Of Adam.",
    "beta_2": "Of Adam.",
    "augment": "Turn and mirror images at random.",
    "start": "The run whose networks the training began with (train --from).",
    "strategy": "mirrored: the devices of the machine share each batch.",
    "hold_out": "Share kept from training, such as 0.2, for `calibrate RUN`.",
    "group": "Column whose equal values are held out together.",
    "seed": "Same seed, same bits.",
    "sample_grid": "Images in the figure of each epoch.",
    "schedule": "Of the learning rate: one_cycle or constant.",
    "kl_start": "Epochs before the KL term counts; unset: a fifth of `epochs`.",
    "kl_ramp": "Epochs over which it rises; unset: a fifth of `epochs`.",
    "beta_max": "Its weight after that.",
    "critic_learning_rate": "Of the latent critic.",
    "adversarial_learning_rate": "Of the encoder against that critic.",
    "validation_fraction": "Share of the objects held out for the validation loss.",
    "class_weight": "Give both classes the same total weight.",
    "paints": "How many lenses are painted on each object.",
    "shift": "Move images at random by up to so many pixels.",
    "mine": "With --from, the share of non-lenses, those it finds hardest, shown more.",
    "paint": "Lenses are painted on the objects, through a PSF of this FWHM in arcsec.",
}
_PARAMETER = re.compile(r"^(\w[\w, ]*) : ")


def described(documented) -> dict[str, str]:
    """Return the first sentence on each parameter of a numpydoc docstring."""
    text = inspect.getdoc(documented) or ""
    text = text.partition("Parameters\n----------\n")[2]
    text = re.split(r"\n\n\w+\n-+\n", text)[0]
    found, names = {}, []
    for line in text.splitlines():
        if line and not line[0].isspace():
            head = _PARAMETER.match(line)
            names = head[1].split(", ") if head else []
            found |= dict.fromkeys(names, "")
        for name in names if line[:1].isspace() else []:
            found[name] = f"{found[name]} {line.strip()}".strip()
    sentences = {}
    for name, words in found.items():
        words = re.sub(r":\w+:`~?([\w.]+)`", r"`\1`", words).replace("``", "`")
        sentences[name] = re.split(r"(?<=[.:;])\s", words, maxsplit=1)[0].rstrip(":;")
    return sentences


def commented(model: str = "wgan_gp") -> str:
    """Return TOML with every setting of a model at its default, each with a comment.

    Parameters
    ----------
    model : str, optional
        Name of the model.

    Returns
    -------
    str
        A file for ``train(..., config=...)``, whose settings are those of no file at
        all. Keys without a default are commented out.

    Raises
    ------
    ValueError
        If the model is unknown.

    Examples
    --------
    >>> print(commented("rbm").splitlines()[0])
    # Settings of a run, at their defaults: astroanomaly train CUTOUTS --config run.toml
    """
    from astroanomaly.data.reading import read_cutouts
    from astroanomaly.detector import (
        AnomalyDetector,
        ClassifierDetector,
        FeatureDetector,
    )
    from astroanomaly.latent import Encoder
    from astroanomaly.stretches.stretch import Asinh, Stretch

    settings = resolve({"model": {"name": model}})
    detector = ClassifierDetector if recipes()[model].needs_labels else AnomalyDetector
    detector = FeatureDetector if recipes()[model].features else detector
    documented = {
        "data": (read_cutouts,),
        "stretch": (Stretch, Asinh),
        "model": (recipes()[model].model,),
        "training": (),
        "encoder": (Encoder,),
        "detector": (detector,),
    }
    lines = [
        "# Settings of a run, at their defaults: "
        "astroanomaly train CUTOUTS --config run.toml"
    ]
    for table, keys in schema(model).items():
        known = {"stretch": STRETCHES, "model": recipes()}.get(table, ())
        words = _WORDS | {"name": f"One of {', '.join(known)}."}
        for source in documented[table]:
            words |= described(source)
        lines += ["", f"[{table}]"]
        for key, (default, _) in keys.items():
            line = f"# {key} ="
            if (value := settings[table].get(key, default)) is not None:
                line = dumps({table: {key: value}}).partition("\n")[2].strip()
                # A list a line long is easier to change.
                line = re.sub(r"\[\s+", "[", re.sub(r",\s+\]", "]", line))
                line = re.sub(r",\s+", ", ", line)
            lines.append(f"{line}  # {words.get(key, '')}".rstrip(" #"))
    return "\n".join(lines) + "\n"
