"""A WebSocket echo under gunicorn's gevent workers (geventwebsocket)."""


def app(environ, start_response):
    ws = environ.get("wsgi.websocket")
    if ws is None:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
        return [b"hello"]
    while True:
        message = ws.receive()
        if message is None:
            return []
        ws.send(message, binary=isinstance(message, (bytes, bytearray)))
