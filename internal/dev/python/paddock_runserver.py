"""`manage.py runserver` on the listening socket that Paddock holds, so that requests
wait while it restarts. Paddock restarts it, and prints the requests."""

import os
import runpy
import socket
import sys

sys.path[0] = os.getcwd()

from django.core.servers import basehttp  # noqa: E402

LISTENING = 3  # sd_listen_fds(3): the first descriptor that is handed over


def server_bind(self):
    self.socket.close()
    self.socket = socket.socket(fileno=LISTENING)
    self.server_name, self.server_port = "localhost", self.server_address[1]
    self.setup_environ()


def get_request(self):
    # A client on a unix socket has no address, which the handler does not expect.
    connection, _ = self.socket.accept()
    return connection, ("127.0.0.1", 0)


basehttp.WSGIServer.server_bind = server_bind
basehttp.WSGIServer.server_activate = lambda self: None
basehttp.WSGIServer.get_request = get_request
basehttp.WSGIRequestHandler.log_message = lambda self, *args: None

sys.argv = ["manage.py", "runserver", "--noreload", f"localhost:{sys.argv[1]}"]
runpy.run_path("manage.py", run_name="__main__")
