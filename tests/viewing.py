"""A program at a SAMP hub, to which tables are sent."""

from contextlib import contextmanager

from astropy.table import Table


@contextmanager
def viewer(hub):
    """Connect a program called viewer; yield the tables that it has loaded so far."""
    loaded = []
    client = hub.SAMPIntegratedClient(name="viewer", metadata={"samp.name": "viewer"})
    client.connect()

    def load(private_key, sender_id, message_id, mtype, params, extra):
        loaded.append(Table.read(params["url"].removeprefix("file://")))
        client.reply(message_id, {"samp.status": hub.SAMP_STATUS_OK, "samp.result": {}})

    client.bind_receive_call("table.load.votable", load)
    try:
        yield loaded
    finally:
        client.disconnect()
