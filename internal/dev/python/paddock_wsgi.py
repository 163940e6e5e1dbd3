"""Serves module:object, or module:function(), with wsgiref on the listening socket
that Paddock holds: for a project without gunicorn."""

import importlib
import os
import socket
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

LISTENING = 3  # sd_listen_fds(3): the first descriptor that is handed over

sys.path[0] = os.getcwd()
module, _, name = sys.argv[1].partition(":")
application = getattr(importlib.import_module(module), name.replace("()", ""))
if name.endswith("()"):
    application = application()


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self):
        self.socket.close()
        self.socket = socket.socket(fileno=LISTENING)
        self.server_name, self.server_port = "localhost", 8000
        self.setup_environ()

    def server_activate(self):
        pass

    def get_request(self):
        # A client on a unix socket has no address, which the handler does not expect.
        connection, _ = self.socket.accept()
        return connection, ("127.0.0.1", 0)


class Handler(WSGIRequestHandler):
    def log_message(self, *args):
        pass


server = Server(("localhost", 8000), Handler)
server.set_app(application)
server.serve_forever()
