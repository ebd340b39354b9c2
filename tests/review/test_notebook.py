import pytest
from reviewing import StandIn, survey

from astroanomaly.review import widget

pytest.importorskip("anywidget")


def test_a_widget_answers_by_messages(tmp_path, monkeypatch):
    made = widget(*survey(), tmp_path / "labels.db", reviewer="Ada", ranker=StandIn)
    sent = []
    monkeypatch.setattr(made, "send", lambda *message: sent.append(message))

    def ask(name, body):
        made._handle_custom_msg({"id": "7", "name": name, "body": body}, [])
        return sent.pop()

    (reply,) = ask("start", {})
    assert reply["id"] == "7"
    assert reply["answer"]["reviewer"] == "Ada"
    body = {"shown": "gal_001", "grade": 5}
    assert ask("label", body)[0]["answer"]["grade"] == 5
    head, (pixels,) = ask("pixels", {"shown": ["gal_001"]})
    assert head == {"id": "7"}
    assert pixels == made.review.pixels("Ada", ["gal_001"])
    assert "'gal_999'" in ask("label", {"shown": "gal_999"})[0]["error"]
    assert ask("cards", {"start": 0, "n": 1, "number": 1})[0]["status"] == 409
    assert ask(None, None)[0]["status"] == 400
    made.review.space.stop()
