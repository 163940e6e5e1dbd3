"""A small Flask app that shows what Paddock tells it."""

import os
import time

from flask import Flask, request

app = Flask(__name__)


@app.get("/")
def index():
    return (
        "Hello from Flask behind Paddock.\n"
        f"worker pid     {os.getpid()}\n"
        f"your address   {request.headers.get('X-Forwarded-For', '-')}\n"
        f"scheme         {request.headers.get('X-Forwarded-Proto', '-')}\n",
        {"Content-Type": "text/plain; charset=utf-8"},
    )


@app.get("/slow")
def slow():
    """Holds its worker for a second."""
    time.sleep(1)
    return "that took a second\n"


@app.post("/echo")
def echo():
    return request.get_data()
