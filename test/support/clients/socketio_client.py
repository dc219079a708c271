"""A client of python-socketio that reads commands as lines of JSON, and prints received events as others.

Bytes are {"$bytes": BASE64} in both directions. It works with python-socketio 4 (Engine.IO 3) and 5 (Engine.IO 4).
"""

import base64
import json
import sys
import threading

import socketio

OUTPUT = threading.Lock()
OWN = ("connect", "disconnect", "connect_error", "__disconnect_final")


def to_json(value):
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, dict):
        return {name: to_json(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(element) for element in value]
    return value


def from_json(value):
    if isinstance(value, dict):
        if set(value) == {"$bytes"}:
            return base64.b64decode(value["$bytes"])
        return {name: from_json(member) for name, member in value.items()}
    if isinstance(value, list):
        return [from_json(element) for element in value]
    return value


def say(what, **more):
    line = json.dumps({"what": what, **{name: to_json(value) for name, value in more.items()}})
    with OUTPUT:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


class Client(socketio.Client):
    """Prints every event of any name."""

    def _trigger_event(self, event, namespace, *args):
        if event not in OWN:
            say("event", event=event, value=args[0] if len(args) == 1 else list(args))
        elif event == "connect_error":
            say(event, data=args[0] if args else None)
        else:
            say(event)
        return super()._trigger_event(event, namespace, *args)


def in_order(engine):
    """Prints packets in the order received, although the library handles each in a thread of its own."""
    trigger = engine._trigger_event

    def trigger_event(event, *args, **kwargs):
        if event == "message":
            kwargs.pop("run_async", None)
        return trigger(event, *args, **kwargs)

    engine._trigger_event = trigger_event


def connect(client, url, transport, token):
    options = {"transports": [transport]}
    if token is not None:
        if socketio.__version__.startswith("4."):
            options["headers"] = {"authorization": "Bearer " + token}
        else:
            options["auth"] = {"token": token}
    try:
        client.connect(url, **options)
    except socketio.exceptions.ConnectionError as error:
        say("connect_error", data={"message": str(error)})


def emit(client, event, values, number=None):
    def answered(*args):
        say("answer", number=number, value=args[0] if len(args) == 1 else list(args))

    data = from_json(values[0]) if len(values) == 1 else tuple(from_json(value) for value in values) or None
    client.emit(event, data, callback=None if number is None else answered)


def main():
    url, transport, token = (sys.argv[1:] + [None])[:3]
    if not hasattr(socketio, "__version__"):
        from importlib.metadata import version

        socketio.__version__ = version("python-socketio")
    client = Client(reconnection=False)
    in_order(client.eio)
    connect(client, url, transport, token)
    for line in sys.stdin:
        command = json.loads(line)
        if command["event"] is None:
            client.disconnect()
        else:
            emit(client, command["event"], command["values"], command.get("number"))


main()
