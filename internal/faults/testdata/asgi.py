"""An ASGI app: events, a WebSocket that echoes, and what it sees of the client."""

import asyncio
import json
import os

VERSION = "one"
next_event = None


async def app(scope, receive, send):
    global next_event
    if next_event is None:
        next_event = asyncio.Event()
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await echo(scope, receive, send)
    elif scope["path"] == "/events":
        await events(send)
    else:
        await answer(scope, send)


async def lifespan(receive, send):
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def echo(scope, receive, send):
    """Sends back every message; "who" is answered by what is known of the client."""
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text")
        if text == "who":
            text = json.dumps(seen(scope))
        if text is not None:
            await send({"type": "websocket.send", "text": text})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"]})


async def events(send):
    headers = [(b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"data: first\n\n", "more_body": True})
    await asyncio.wait_for(next_event.wait(), 20)
    await send({"type": "http.response.body", "body": b"data: second\n\n"})


async def answer(scope, send):
    if scope["path"] == "/next":
        next_event.set()
    body = {"/seen": lambda: json.dumps(seen(scope)), "/version": lambda: VERSION, "/pid": lambda: str(os.getpid())}
    text = body.get(scope["path"], lambda: "hello")()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": text.encode()})


def seen(scope):
    headers = {k.decode(): v.decode() for k, v in scope["headers"]}
    client = scope["client"][0] if scope.get("client") else ""
    return {"scheme": scope["scheme"], "client": client, "version": VERSION, "headers": headers}
