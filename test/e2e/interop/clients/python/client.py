"""Client of gRPC's C core that a test controls line by line: see ../README.md."""

import base64
import queue
import sys
import threading

import grpc

COMPRESSION = {"gzip": grpc.Compression.Gzip, "deflate": grpc.Compression.Deflate}
output = threading.Lock()


def say(*fields):
    with output:
        print(*fields, flush=True)


def encode(data):
    return base64.b64encode(data).decode() or "-"


def decode(text):
    return b"" if text == "-" else base64.b64decode(text)


def say_status(call_id, error=None):
    if error is None:
        say(call_id, "status", 0, "-", "-")
        return
    trailers = dict(error.trailing_metadata() or ())
    details = trailers.get("grpc-status-details-bin", b"")
    say(call_id, "status", error.code().value[0], encode((error.details() or "").encode()), encode(details))


def options(text):
    """Reads "-" or a list such as "deadline=500,gzip,metadata=NAME:BASE64"."""
    call = {"metadata": []}
    for option in text.split(","):
        name, _, value = option.partition("=")
        if name == "deadline":
            call["timeout"] = int(value) / 1000
        elif name in COMPRESSION:
            call["compression"] = COMPRESSION[name]
        elif name == "metadata":
            key, _, encoded = value.partition(":")
            data = decode(encoded)
            call["metadata"].append((key, data if key.endswith("-bin") else data.decode()))
    return call


def unary(channel, call_id, path, opts, request):
    try:
        answer = channel.unary_unary(path)(decode(request), **options(opts))
    except grpc.RpcError as error:
        say_status(call_id, error)
    else:
        say(call_id, "message", encode(answer))
        say_status(call_id)


def repeat(channel, call_id, path, opts, request, count, parallel):
    method = channel.unary_unary(path)
    data = decode(request)
    left = iter(range(int(count)))
    lock = threading.Lock()
    results = []

    def call():
        while True:
            with lock:
                if next(left, None) is None:
                    return
            try:
                method(data, **options(opts))
                results.append(None)
            except grpc.RpcError as error:
                results.append(error)

    threads = [threading.Thread(target=call) for _ in range(int(parallel))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    say(call_id, "repeated", results.count(None))
    say_status(call_id, next((result for result in results if result is not None), None))


class Stream:
    def __init__(self, channel, call_id, path, opts):
        self.requests = queue.Queue()
        self.call = channel.stream_stream(path)(iter(self.requests.get, None), **options(opts))
        threading.Thread(target=self.read, args=[call_id], daemon=True).start()

    def read(self, call_id):
        try:
            for answer in self.call:
                say(call_id, "message", encode(answer))
        except grpc.RpcError as error:
            say_status(call_id, error)
        else:
            say_status(call_id)


def connect(address, settings):
    given = dict(setting.split("=", 1) for setting in settings)
    arguments = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20)]
    if "ping" in given:
        arguments += [
            ("grpc.keepalive_time_ms", int(given["ping"])),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
        ]
    if "ca" not in given:
        return grpc.insecure_channel(address, arguments)
    certificate, _, key = given.get("identity", "").partition(":")
    files = [open(path, "rb").read() if path else None for path in (given["ca"], key, certificate)]
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(*files), arguments)


def main():
    channel = connect(sys.argv[1], sys.argv[2:])
    streams = {}
    for line in sys.stdin:
        name, call_id, *fields = line.split()
        if name == "call":
            threading.Thread(target=unary, args=[channel, call_id, *fields], daemon=True).start()
        elif name == "repeat":
            threading.Thread(target=repeat, args=[channel, call_id, *fields], daemon=True).start()
        elif name == "open":
            streams[call_id] = Stream(channel, call_id, *fields)
        elif name == "send":
            streams[call_id].requests.put(decode(fields[0]))
        elif name == "end":
            streams[call_id].requests.put(None)
        elif name == "cancel":
            streams[call_id].call.cancel()


main()
