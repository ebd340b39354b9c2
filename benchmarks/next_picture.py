"""Time the next picture of a review of many objects, over the loopback address.

A page asks for the card and the pixels of an object that nobody has looked at: read
from the file, drawn by the model, packed and sent. The features of all objects are
computed in the background meanwhile, as at the start of a review.
"""

import http.client
import json
import socket
import tempfile
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
from astropy.table import Table
from harness import Report, parse, show

import astroanomaly as aa
from astroanomaly import simulate
from astroanomaly.review import serve

# Detector and pixels come from so many galaxies, repeated: the time is the same.
N_DIFFERENT = 500
AIM = 0.15


def detector_of(cutouts):
    """Fit principal components, which need no training, and calibrate them."""
    stretch = aa.stretches.Asinh().adapt(cutouts)
    model = aa.models.PCA(cutouts.image_shape, n_components=20)
    model.fit(aa.dataset(cutouts, stretch, batch_size=64))
    return aa.AnomalyDetector(model, stretch).calibrate(cutouts, levels=(90,))


def write_array(path: Path, cutouts, n: int) -> None:
    """Write `n` images as one array, some at a time."""
    shape = (n, *cutouts.images.shape[1:3])
    array = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    for start in range(0, n, len(cutouts)):
        stop = min(start + len(cutouts), n)
        array[start:stop] = cutouts.images[: stop - start, ..., 0]
    array.flush()


def asked(address: str, n: int, start: int) -> tuple[np.ndarray, np.ndarray]:
    """Ask for `n` objects one by one; return the seconds of cards and of pixels."""
    found = urlsplit(address)
    token = parse_qs(found.query)["token"][0]
    line = http.client.HTTPConnection(found.hostname, found.port)
    line.connect()
    # Else the question's second packet waits 40 ms for an answer to the first; a
    # browser sends one.
    line.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(name, **body):
        begun = time.perf_counter()
        line.request("POST", f"/api/{name}", json.dumps(body), headers)
        answer = line.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise ValueError(f"{name} must be answered. Received: {content[:200]!r}.")
        return content, time.perf_counter() - begun

    ask("start")
    seconds = np.zeros((2, n))
    for k in range(n):
        content, seconds[0, k] = ask("cards", start=start + k, n=1)
        card = json.loads(content)["cards"][0]
        _, seconds[1, k] = ask("pixels", shown=[card["id"]])
    line.close()
    return seconds


def main(argv=None) -> dict:
    """Time, write and show the result."""
    args = parse(argv, __doc__, n=(100_000, 300), asked=(300, 20), warm_up=(5, 2))
    report = Report("next_picture", "Next picture of a review", args)
    galaxies = simulate.galaxies(min(N_DIFFERENT, args.n), seed=args.seed)
    detector = detector_of(galaxies)
    with tempfile.TemporaryDirectory() as place:
        array = Path(place) / "survey.npy"
        write_array(array, galaxies, args.n)
        stream = aa.read_cutouts(array, stream=True, bands=list(galaxies.bands))
        rng = np.random.default_rng(args.seed)
        score = np.sort(rng.random(args.n))[::-1]
        table = Table(
            {
                "object_id": rng.permutation(stream.object_ids),
                "anomaly_score": score,
                "p_value": 1 - score,
            }
        )
        labels = Path(place) / "labels.db"
        begun = time.perf_counter()
        server = serve(detector, table, stream, labels, port=0, browser=False)
        ready = time.perf_counter() - begun
        try:
            address = next(iter(server.addresses.values()))
            asked(address, args.warm_up, 0)
            cards, pixels = asked(address, args.asked, args.warm_up)
        finally:
            server.stop()
    rows = []
    for what, seconds in (
        ("card", cards),
        ("pixels", pixels),
        ("both", cards + pixels),
    ):
        low, high, most = 1000 * np.percentile(seconds, (50, 95, 100))
        rows.append(
            {"asked for": what, "median (ms)": low, "95% (ms)": high, "most (ms)": most}
        )
    report.table(
        f"{args.asked} of {args.n:,} objects of 64x64 pixels, one by one", rows
    )
    report.note(f"the aim is {1000 * AIM:.0f} ms at the 95th percentile")
    report.note(f"the server was ready after {ready:.1f} s")
    return report.write()


if __name__ == "__main__":
    show(main())
