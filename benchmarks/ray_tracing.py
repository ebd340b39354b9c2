"""Time the ray tracer against lenstronomy: smooth lenses through PSF and pixel.

Both draw the same lenses of the published recipe (112 pixels of 0.05", three rays along
a pixel's side, a Gaussian PSF of 0.087"), lenstronomy by its profiles and a transform
as the simulator does, the ray tracer many at a time. Neither knows the other's numbers;
the largest difference is shown in units of the sky's noise.
"""

import numpy as np
from harness import Report, alternate, parse, ratio, show

WAYS = ("lenstronomy", "ray tracer")


def main(argv=None) -> dict:
    """Measure, write and show the result."""
    args = parse(argv, __doc__, size=(112, 64), lenses=(32, 4), rounds=(5, 1))
    report = Report("ray_tracing", "Ray tracing of lenses", args)
    import tensorflow as tf
    from lenstronomy.LensModel.Profiles.shear import Shear
    from lenstronomy.LensModel.Profiles.sie import SIE
    from lenstronomy.LightModel.Profiles.sersic import SersicElliptic
    from scipy.signal import fftconvolve

    from astroanomaly.models.smooth_lens.ray_tracing import (
        PARAMETERS,
        RayTracer,
        gaussian_psf,
    )

    rng = np.random.default_rng(args.seed)
    n, scale, rays, margin = args.lenses, 0.05, 3, 4
    values = dict.fromkeys(PARAMETERS, np.zeros(n))
    # Of the recipe: ring, ellipticity, shear and the source's radius.
    values |= {name: np.full(n, x) for name, x in (("theta_E", 1.66), ("e1", 0.1))}
    values |= {"gamma1": np.full(n, 0.05), "log_radius": np.full(n, np.log(0.25))}
    for name in ("source_x", "source_y", "source_e1", "source_e2"):
        values[name] = rng.uniform(-0.1, 0.1, n)
    # 0.05 per s in a pixel at the half-light ellipse, over a noise of 0.01.
    values["log_brightness"] = np.full(n, np.log(0.05))
    psf = gaussian_psf(0.087 / scale * rays)
    tracer = RayTracer(args.size, scale, rays, psf, margin)
    parameters = np.stack(list(values.values()), axis=1).astype(np.float32)
    draw = tf.function(tracer.draw)
    x, y = np.meshgrid(tracer.axis.astype(float), tracer.axis.astype(float))
    found = {}

    def by_lenstronomy():
        images = []
        for row in parameters.astype(float):
            one = dict(zip(PARAMETERS, row, strict=True))
            center = one["center_x"], one["center_y"]
            sphere = one["theta_E"], one["e1"], one["e2"]
            parts = (
                SIE().derivatives(x, y, *sphere, *center),
                Shear().derivatives(x, y, one["gamma1"], one["gamma2"], *center),
            )
            light = SersicElliptic().function(
                x - sum(part[0] for part in parts),
                y - sum(part[1] for part in parts),
                np.exp(one["log_brightness"]),
                np.exp(one["log_radius"]),
                np.exp(one["log_n"]),
                *(one[f"source_{name}"] for name in ("e1", "e2", "x", "y")),
            )
            blurred = fftconvolve(light, psf, mode="same")
            side = args.size + 2 * margin
            mean = blurred.reshape(side, rays, side, rays).mean(axis=(1, 3))
            images.append(mean[margin:-margin, margin:-margin])
        found[WAYS[0]] = np.stack(images)

    def by_tracer():
        found[WAYS[1]] = draw(parameters).numpy()

    seconds = alternate(
        dict(zip(WAYS, (by_lenstronomy, by_tracer), strict=True)), args.rounds
    )
    off = np.abs(found[WAYS[0]] - found[WAYS[1]]).max() / 0.01
    rows = [
        {
            "way": name,
            "lenses a second": n / float(np.median(seconds[name])),
            "times lenstronomy": ratio(seconds[WAYS[0]], seconds[name]),
            "largest difference (noise)": 0.0 if name == WAYS[0] else float(off),
        }
        for name in WAYS
    ]
    report.table(f"{n} lenses of {args.size}x{args.size} pixels, {rays} rays", rows)
    report.note("medians of the rounds, in turn; compilation is not counted")
    result = report.write()
    show(result)
    return result


if __name__ == "__main__":
    main()
