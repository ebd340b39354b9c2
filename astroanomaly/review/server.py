"""The review page on the loopback address: who may ask, and what is answered."""

from __future__ import annotations

import errno
import getpass
import ipaddress
import json
import re
import secrets
import socket
import threading
import webbrowser
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined

import astroanomaly
from astroanomaly.review.labels import check_reviewer
from astroanomaly.review.session import REFUSED, Review, refusal
from astroanomaly.utils.optional import require

if TYPE_CHECKING:
    from astropy.table import Table

    from astroanomaly.data.types import CutoutsLike
    from astroanomaly.detector.base import Detector

# Free for users by IANA's list; the next ones are tried where it is taken.
PORT, _TRIED = 8642, 20
LOOPBACK = "127.0.0.1"
_LOCAL = {"127.0.0.1", "localhost", "::1"}
# The largest question is a note and its object; a table is not read in this way.
_LONGEST = 2**18
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; "
    "style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_KINDS = {"js": "text/javascript", "css": "text/css"}


def page_file(name: str) -> str:
    """Return the text of a file of the page."""
    return (files("astroanomaly.review") / "page" / name).read_text("utf-8")


def host_name(text: str) -> str:
    """Return the name in "name:port" or "[::1]:port", in lower case; "" if neither."""
    found = re.fullmatch(
        r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?", text.lower()
    )
    return (found[1] or found[2]) if found else ""


class Guard:
    """Let only those in who know a token and come by an address of this server.

    A page of another site can make a browser send requests here, and can even give its
    own name this computer's address: the names in Host and Origin tell them apart.
    """

    def __init__(self, app, tokens: dict[str, str], host: str):
        self.app, self.tokens, self.host = app, tokens, host

    def knows(self, name: str) -> bool:
        """Return whether a request may have come by this name of the computer."""
        if name in _LOCAL or name == self.host:
            return True
        if not ipaddress.ip_address(self.host).is_unspecified:
            return False
        try:
            # Open to all: by number, or by the computer's own name.
            return bool(ipaddress.ip_address(name))
        except ValueError:
            return name in (socket.gethostname().lower(), socket.getfqdn().lower())

    def refused(self, scope) -> tuple[int, str] | None:
        """Return why a request is refused, or None and note whose it is."""
        headers = {
            k.decode("latin-1").lower(): v.decode("latin-1")
            for k, v in scope["headers"]
        }
        host = headers.get("host", "")
        if not self.knows(host_name(host)):
            return 421, "The address must be the one that the command printed."
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return 403, "Another site's page may not ask."
        site = headers.get("sec-fetch-site", "none")
        # A link to the page itself may stand anywhere, such as in a notebook.
        if scope["method"] != "GET" and site not in ("none", "same-origin"):
            return 403, "Another site's page may not ask."
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if not token and scope["method"] == "GET":
            query = parse_qs(scope["query_string"].decode("latin-1"))
            token = query.get("token", [""])[0]
        for known, reviewer in self.tokens.items():
            if secrets.compare_digest(known.encode(), token.encode("utf-8", "replace")):
                scope.setdefault("state", {})["reviewer"] = reviewer
                return None
        return 403, "The address must hold the token that the command printed."

    async def __call__(self, scope, receive, send):
        """Answer a request, or refuse it; every answer gets the same headers."""
        if scope["type"] != "http":
            # No lifespan to speak of, and no web sockets.
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def with_headers(message):
            if message["type"] == "http.response.start":
                own = [(k.lower().encode(), v.encode()) for k, v in _HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *own]}
            await send(message)

        refusal = self.refused(scope)
        if refusal is None:
            await self.app(scope, receive, with_headers)
            return
        status, words = refusal
        body = json.dumps({"error": words}).encode()
        start = {"type": "http.response.start", "status": status}
        start["headers"] = [(b"content-type", b"application/json")]
        await with_headers(start)
        await send({"type": "http.response.body", "body": body})


def application(review: Review, tokens: dict[str, str], host: str = LOOPBACK):
    """Return the ASGI application of a review.

    Parameters
    ----------
    review : Review
        What it shows and keeps.
    tokens : dict of str to str
        From token to reviewer: who knows a token labels in that name.
    host : str, optional
        Address that the server listens on.

    Returns
    -------
    callable
        An application of starlette behind a guard of token, Host and Origin.
    """
    require("starlette", "review")
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import HTMLResponse, JSONResponse, Response
    from starlette.routing import Route

    parts = Environment(
        loader=PackageLoader("astroanomaly.review", "page"),
        autoescape=True,
        undefined=StrictUndefined,
    )

    async def page(request):
        token = request.query_params.get("token", "")
        words = {"token": token, "version": astroanomaly.__version__}
        words["reviewer"] = request.state.reviewer
        return HTMLResponse(parts.get_template("review.html").render(words))

    async def part(request):
        ending = request.path_params["ending"]
        if ending not in _KINDS:
            return JSONResponse({"error": "There is no such page."}, 404)
        return Response(page_file(f"review.{ending}"), media_type=_KINDS[ending])

    async def ask(request):
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > _LONGEST:
                return JSONResponse({"error": "The question is too long."}, 413)
        if (
            request.headers.get("content-type", "").partition(";")[0]
            != "application/json"
        ):
            return JSONResponse({"error": "The question must be JSON."}, 415)
        name = request.path_params["name"]
        try:
            answer = await run_in_threadpool(
                review.call, request.state.reviewer, name, json.loads(body or b"{}")
            )
        except REFUSED as error:
            status, words = refusal(error)
            return JSONResponse({"error": words}, status)
        if isinstance(answer, bytes):
            return Response(answer, media_type="application/octet-stream")
        return JSONResponse(answer)

    routes = [
        Route("/", page),
        Route("/review.{ending}", part),
        Route("/api/{name}", ask, methods=["POST"]),
    ]
    return Guard(Starlette(routes=routes), tokens, host)


def bound_socket(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens: at the port, or at the first free one from 8642.

    Parameters
    ----------
    host : str
        Numerical address.
    port : int, optional
        0 is any free one.

    Returns
    -------
    socket.socket
        Nobody else can take its port.

    Raises
    ------
    ValueError
        If the port is taken, or the address is not one of this computer.
    """
    try:
        family = (
            socket.AF_INET6
            if ipaddress.ip_address(host).version == 6
            else socket.AF_INET
        )
    except ValueError:
        raise ValueError(
            f"`host` must be a numerical address of this computer. Received: {host!r}."
        ) from None
    if port is not None and not 0 <= port < 2**16:
        raise ValueError(f"`port` must be from 0 to 65535. Received: {port}.")
    ports = range(PORT, PORT + _TRIED) if port is None else [port]
    for number in ports:
        found = socket.socket(family, socket.SOCK_STREAM)
        # Else a server that was just stopped blocks its own port for a minute.
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, number))
            found.listen(128)
            return found
        except OSError as error:
            found.close()
            if error.errno == errno.EADDRINUSE:
                continue
            raise ValueError(
                f"`host` and `port` must be an address to listen on. Received: {host} "
                f"port {number}: {error.strerror}."
            ) from error
    raise ValueError(
        f"`port` must be free. Received: {ports[0]}, which another program uses; leave "
        "it out for a free one."
    )


class Server:
    """A review behind an address.

    Parameters
    ----------
    review : Review
        What it shows and keeps.
    reviewers : sequence of str, optional
        Each gets another address and sees no label of the others; by default
        the user's login name.
    host : str, optional
        Address to listen on; others than this computer reach none but the loopback's.
    port : int, optional
        By default 8642, or the next free one.

    Raises
    ------
    ValueError
        If the port is taken, or a name holds markup or comes twice.
    ImportError
        If starlette or uvicorn is missing.

    Attributes
    ----------
    addresses : dict of str to str
        The address of each reviewer, with a random token.
    port : int
        Where it listens.
    """

    def __init__(
        self,
        review: Review,
        reviewers=None,
        host: str = LOOPBACK,
        port: int | None = None,
    ):
        uvicorn = require("uvicorn", "review")
        names = [check_reviewer(name) for name in reviewers or [login_name()]]
        if len(set(names)) < len(names):
            raise ValueError(f"`reviewers` must differ. Received: {', '.join(names)}.")
        self.review, self.host = review, host
        # 256 random bits: as many as the check of a web page's cookie takes.
        tokens = {secrets.token_urlsafe(32): name for name in names}
        app = application(review, tokens, host)
        self._socket = bound_socket(host, port)
        self.port = self._socket.getsockname()[1]
        shown = "localhost" if ipaddress.ip_address(host).is_unspecified else host
        shown = f"[{shown}]" if ":" in shown else shown
        self.addresses = {
            name: f"http://{shown}:{self.port}/?token={token}"
            for token, name in tokens.items()
        }
        # uvicorn's own logging settings would close every handler of this process.
        config = uvicorn.Config(
            app, log_config=None, log_level="warning", access_log=False, lifespan="off"
        )
        # Whoever stops it does not wait for a browser that keeps its connection.
        config.timeout_graceful_shutdown = 2
        self._server = uvicorn.Server(config)
        self._thread: threading.Thread | None = None

    @property
    def tunnel(self) -> str:
        """The command that makes the address work on the computer with the browser."""
        place = f"{getpass.getuser()}@{socket.gethostname()}"
        return f"ssh -N -L {self.port}:{LOOPBACK}:{self.port} {place}"

    def run(self) -> None:
        """Answer until Ctrl-C."""
        self.review.space.start()
        try:
            # Ctrl-C is how a review ends, not an error.
            with suppress(KeyboardInterrupt):
                self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()
            self.review.space.stop()
            self.review.store.close()

    def start(self) -> Server:
        """Answer in the background, as in a notebook, until :meth:`stop`."""
        self._thread = threading.Thread(target=self.run, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop answering and close the labels."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()

    def open(self) -> None:
        """Open the first reviewer's page in a browser."""
        webbrowser.open(next(iter(self.addresses.values())))

    def __repr__(self) -> str:
        """Return the addresses."""
        return "\n".join(f"{name}: {at}" for name, at in self.addresses.items())


def login_name() -> str:
    """Return the user's login name, "reviewer" where the system has none."""
    try:
        return check_reviewer(getpass.getuser())
    except (ValueError, OSError, KeyError):
        return "reviewer"


def serve(
    detector: Detector,
    table: Table,
    cutouts: CutoutsLike,
    labels: str | Path = "labels.db",
    *,
    reviewers: Sequence[str] | None = None,
    host: str = LOOPBACK,
    port: int | None = None,
    browser: bool = True,
    **options: Any,
) -> Server:
    """Show a scored survey in the browser, to be looked at and labelled.

    Parameters
    ----------
    detector : AnomalyDetector or ClassifierDetector
        The detector.
    table : Table
        Its score table.
    cutouts : Cutouts, CutoutStream, ndarray or path
        The scored images.
    labels : str or Path, optional
        The database of labels; it is made when it does not exist.
    reviewers : sequence of str, optional
        Each gets another address; by default the user's login name.
    host : str, optional
        Address to listen on; only this computer reaches the default.
    port : int, optional
        By default 8642, or the next free one.
    browser : bool, optional
        Open the first reviewer's page.
    **options
        `read_only`, `plant`, `features`, `ranker` and `seed` of :class:`Review`.

    Returns
    -------
    Server
        It answers in the background until its `stop` is called; printed, it shows the
        addresses.

    Raises
    ------
    ValueError
        As :class:`Review`, or if the port is taken.
    ImportError
        If the extra `review` is not installed.

    Examples
    --------
    >>> server = serve(detector, table, test, "labels.db", browser=False)
    >>> server.stop()
    """
    review = Review(detector, table, cutouts, labels, **options)
    server = Server(review, reviewers, host, port).start()
    if browser:
        server.open()
    return server
