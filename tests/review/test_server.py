import json
import logging
import re
import socket

import numpy as np
import pytest
from reviewing import review
from viewing import viewer

from astroanomaly.review.server import Server, application, bound_socket, host_name

try:
    from starlette import testclient
except (ImportError, RuntimeError):
    pytest.skip("needs starlette and its test client", allow_module_level=True)

TOKENS = {"aaa": "Ada", "bbb": "Ben"}
NASTY = '<img src=x onerror="alert(1)">'


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return review(tmp_path_factory.mktemp("review") / "labels.db")


@pytest.fixture(scope="module")
def client(session):
    app = application(session, TOKENS)
    return testclient.TestClient(app, base_url="http://127.0.0.1:8642")


def ask(client, name, body=None, token="aaa", **headers):
    headers = {"Authorization": f"Bearer {token}", **headers}
    return client.post(f"/api/{name}", json=body or {}, headers=headers)


def test_the_page_and_its_parts(client):
    page = client.get("/", params={"token": "aaa"})
    assert page.status_code == 200
    assert "Review: Ada" in page.text
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    for link in links:
        if not link.startswith("data:"):
            part = client.get(f"/{link}")
            assert part.status_code == 200
            kind = part.headers["content-type"].split(";")[0]
            assert kind in ("text/javascript", "text/css")
    assert len(links) == 3
    # All that runs or is drawn comes from here, and nobody may frame it.
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "<script>" not in page.text
    assert client.get("/review.html", params={"token": "aaa"}).status_code == 404


@pytest.mark.parametrize("token", ["", "ccc", "aaab", "\u00e9"])
@pytest.mark.parametrize("path", ["/", "/review.js", "/api/start"])
def test_without_the_token_nobody_gets_in(client, path, token):
    get = client.get(path, params={"token": token})
    assert get.status_code == 403
    assert "gal_" not in get.text
    header = {"Authorization": f"Bearer {token}".encode()}
    post = client.post(path, json={}, headers=header)
    assert post.status_code == 403
    # A link that somebody sends must not act: questions bear the token in a header.
    assert client.post("/api/start?token=aaa", json={}).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:8642"}, 200),
        ({"Host": "localhost:9000"}, 200),
        ({"Host": "[::1]:8642"}, 200),
        ({"Host": "evil.example:8642"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": "127.0.0.1@evil.example"}, 421),
        ({"Host": ""}, 421),
        ({"Origin": "http://127.0.0.1:8642"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:8643"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
def test_only_this_page_may_ask(client, headers, status):
    answer = ask(client, "start", **headers)
    assert answer.status_code == status
    assert ("scores" in answer.text) == (status == 200)
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_hosts():
    assert host_name("LOCALHOST:80") == "localhost"
    assert host_name("[::1]:80") == host_name("[::1]") == "::1"
    assert host_name("a b") == host_name("a:b:c") == host_name("") == ""


def test_the_token_says_who_labels(client, session):
    for token, label in (("aaa", "interesting"), ("bbb", "artefact")):
        body = {"shown": "gal_007", "label": label, "key": token}
        for _ in range(2):
            answer = ask(client, "label", body, token)
            assert answer.json()["label"] == label
    assert session.store.current("gal_007", "Ada")["label"] == "interesting"
    # Blind: Ben's page shows Ben's label alone, whatever it asks.
    found = ask(client, "search", {"text": "gal_007"}, "bbb").json()["cards"]
    assert [card["label"] for card in found] == ["artefact"]
    body = {"shown": "gal_007", "label": "ordinary", "reviewer": "Ada"}
    assert ask(client, "label", body, "bbb").status_code == 400
    for token in TOKENS:
        assert ask(client, "undo", {}, token).json()["card"]["label"] is None
    assert len(session.store.rows()) == 0


def test_pixels_travel_as_bytes(client, session):
    answer = ask(client, "pixels", {"shown": ["gal_001"]})
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.content == session.pixels("Ada", ["gal_001"])


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("label", b'{"shown": "nobody", "grade": 1}', 400),
        ("label", b'{"shown": ["gal_001"], "grade": 1}', 400),
        ("label", b'{"shown": "gal_001", "grade": "5"}', 400),
        ("nothing", b"{}", 400),
        ("start", b"[" * 100_000, 400),
        ("start", b'{"a": }', 400),
        ("start", b"[]", 400),
        ("start", b" " * 300_000, 413),
        ("cards", b'{"start": 0, "n": 5, "number": 1}', 409),
    ],
)
def test_bad_questions_are_one_sentence(client, name, content, status):
    headers = {"Authorization": "Bearer aaa", "Content-Type": "application/json"}
    answer = client.post(f"/api/{name}", content=content, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"].count("\n") == 0


def test_markup_in_ids_and_notes_stays_text(client):
    body = {"shown": "gal_001", "note": NASTY, "tags": {NASTY: True}}
    answer = ask(client, "label", body)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["note"] == NASTY
    ask(client, "undo")


def test_read_only_keeps_nothing(session):
    reader = review(session.store.path, read_only=True)
    app = application(reader, TOKENS)
    client = testclient.TestClient(app, base_url="http://localhost")
    assert ask(client, "start").json()["readOnly"] is True
    for name, body in (("label", {"shown": "gal_001", "grade": 1}), ("undo", {})):
        answer = ask(client, name, body)
        assert answer.status_code == 400
        assert "reading only" in answer.json()["error"]


def test_a_taken_port_is_one_sentence(session):
    taken = bound_socket("127.0.0.1", 0)
    port = taken.getsockname()[1]
    with pytest.raises(ValueError, match=f"`port`.*{port}"):
        bound_socket("127.0.0.1", port)
    with pytest.raises(ValueError, match=r"`port`.*70000"):
        bound_socket("127.0.0.1", 70000)
    with pytest.raises(ValueError, match=r"`host`.*somewhere"):
        bound_socket("somewhere", 0)
    # Of no computer (RFC 5737).
    with pytest.raises(ValueError, match=r"`host` and `port`.*192\.0\.2\.1"):
        bound_socket("192.0.2.1", 0)
    taken.close()


def test_each_reviewer_has_an_address(session):
    server = Server(session, ["Ada", "Ben"], port=0)
    tokens = [address.split("token=")[1] for address in server.addresses.values()]
    assert len({*tokens}) == 2
    assert min(map(len, tokens)) >= 43
    assert server.tunnel.startswith(f"ssh -N -L {server.port}:127.0.0.1:{server.port} ")
    assert all(f"127.0.0.1:{server.port}/" in at for at in server.addresses.values())
    server._socket.close()
    for names, match in ((["Ada", "Ada"], "Ada, Ada"), ([NASTY], "`reviewer`.*<img")):
        with pytest.raises(ValueError, match=match):
            Server(session, names, port=0)


def test_a_server_leaves_the_logging_of_the_process_alone(session, tmp_path):
    handler = logging.FileHandler(tmp_path / "mine.log")
    try:
        Server(session, ["Ada"], port=0)._socket.close()
        assert handler.stream is not None
        assert not handler.stream.closed
    finally:
        handler.close()


def test_open_to_others_only_where_asked(session):
    app = application(session, TOKENS, "0.0.0.0")
    client = testclient.TestClient(app, base_url="http://192.0.2.7:8642")
    assert ask(client, "start").status_code == 200
    assert ask(client, "start", Host=socket.gethostname()).status_code == 200
    # A name that another site gave to this address is still refused.
    assert ask(client, "start", Host="evil.example").status_code == 421
    with Server(session, ["Ada"], port=0)._socket as own:
        assert own.getsockname()[0] == "127.0.0.1"


def test_answers_are_json_without_nan(client):
    for name in ("start", "progress"):
        json.loads(ask(client, name).text, parse_constant=pytest.fail)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_page_sends_to_a_program_at_a_hub(client, session, hub):
    refused = ask(client, "send", {"shown": "gal_003"})
    assert refused.status_code == 400
    assert "Received: none" in refused.json()["error"]
    with viewer(hub) as loaded:
        answer = ask(client, "send", {"shown": "gal_003"})
    assert answer.json() == {"n": 1, "reached": ["viewer"]}
    assert list(loaded[0]["object_id"]) == ["gal_003"]
    own = session.objects.table
    own = own[np.asarray(own["object_id"]) == "gal_003"]
    assert loaded[0]["ra"][0] == pytest.approx(own["ra"][0])
    assert loaded[0]["anomaly_score"][0] == pytest.approx(own["anomaly_score"][0])
