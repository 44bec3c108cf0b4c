"""Stands in for a service: told everything by environment, says who it is, ends when asked to."""

import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INSTANCE = os.environ["AIRSIDE_INSTANCE"]
VERSION = os.environ["AIRSIDE_VERSION"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ready = True

    def do_GET(self):
        if self.path == "/crash":
            print("the last words of " + INSTANCE, flush=True)
            os._exit(3)
        if self.path == "/toggle":
            Handler.ready = not Handler.ready
        body = f"{VERSION} : Online - {INSTANCE}".encode()
        if self.path == "/view":
            body = os.environ["AIRSIDE_MESH_VIEW"].encode()
        self.send_response(503 if self.path == "/readyz" and not self.ready else 200)
        self.send_header("x-airside-instance", INSTANCE)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if "--only-first" in sys.argv and not INSTANCE.endswith("-0"):
    print("no place left for " + INSTANCE, flush=True)
    sys.exit(4)

host, port = os.environ["AIRSIDE_LISTEN"].split(":")
server = ThreadingHTTPServer((host, int(port)), Handler)
if "--stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
announce = os.environ["AIRSIDE_ANNOUNCE"]
with open(announce + ".new", "w") as file:
    file.write("%s:%d" % server.server_address)
os.rename(announce + ".new", announce)
server.serve_forever()
