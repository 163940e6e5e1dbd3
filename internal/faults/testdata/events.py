"""Server-sent events as WSGI: the second event waits until /next has been asked for."""

import threading

next_event = threading.Event()


def app(environ, start_response):
    if environ["PATH_INFO"] == "/next":
        next_event.set()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"next"]
    if environ["PATH_INFO"] != "/events":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"hello"]
    start_response("200 OK", [("Content-Type", "text/event-stream"), ("X-Accel-Buffering", "no")])
    return events()


def events():
    yield b"data: first\n\n"
    next_event.wait(20)
    yield b"data: second\n\n"
