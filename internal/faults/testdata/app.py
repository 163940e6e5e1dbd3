"""The Flask app of the fault tests. What must go wrong is asked for by path."""

import os
import signal
import subprocess
import sys
import time

VERSION = "one"

from flask import Flask, request  # noqa: E402

app = Flask(__name__)


@app.get("/load/<number>")
def load(number):
    return f"/load/{number}"


@app.post("/load/<number>")
def post(number):
    return f"{len(request.get_data())}"


@app.get("/load/<number>/long")
def long(number):
    """An answer of 64 KB in sixteen chunks."""
    return (b"x" * 4096 for _ in range(16)), {"Content-Type": "text/plain"}


@app.get("/huge")
def huge():
    """An answer of 4 MiB, more than sockets hold."""
    return (b"x" * 65536 for _ in range(64)), {"Content-Type": "text/plain"}


@app.get("/")
def index():
    return "hello"


@app.get("/version")
def version():
    return VERSION


@app.get("/pid")
def pid():
    return f"{os.getpid()} {os.getppid()}"


@app.get("/die")
def die():
    os.kill(os.getpid(), signal.SIGKILL)


@app.get("/sleep/<seconds>")
def sleep(seconds):
    time.sleep(float(seconds))
    return "slept"


@app.get("/orphan")
def orphan():
    """A grandchild in a session of its own, whose parent is gone."""
    script = "sleep 1000 >/dev/null 2>&1 & echo $!"
    out = subprocess.run(["setsid", "sh", "-c", script], stdout=subprocess.PIPE, check=True)
    return out.stdout


@app.get("/flood/<int:megabytes>")
def flood(megabytes):
    line = b"x" * 1023 + b"\n"
    block = line * 1024
    for _ in range(megabytes):
        os.write(2, block)
    return "flooded"


@app.get("/environ")
def environ():
    return dict(os.environ)


@app.get("/headers")
def headers():
    return {"headers": list(request.headers), "scheme": request.scheme, "host": request.host}


@app.get("/stream")
def stream():
    def parts():
        yield "first\n"
        time.sleep(float(request.args.get("pause", "0")))
        yield "last\n"

    return parts(), {"Content-Type": "text/plain"}


if os.environ.get("BOOT_SLEEP"):
    time.sleep(float(os.environ["BOOT_SLEEP"]))
