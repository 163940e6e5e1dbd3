#!/usr/bin/env python3
"""Runs a corpus of hostile requests and answers through Paddock and judges the result.

    hostile.py CORPUS PADDOCK       (the folder with run.py and open.jsonl; the binary)

Each shard of the corpus has a Paddock, a backend and a folder of its own, because
a case may leave connections behind that the next one is judged by. Exit 0: nothing
failed; 1: something did. Standard library only.
"""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

SHARDS = 4
PREFERRED = 0.95  # of the cases that allow two answers, how many get the one we like
NONE_OF = ("fail", "must_fail", "policy_fail", "smuggled", "poisoned", "proxy_dead", "dirty_upstream", "leaked_header", "extra_upstream", "client_dirty")
SECRET = "TOP-SECRET-CANARY\n"

# What the corpus calls "edge" and "xff" is what Paddock does by itself.
HAVE = "xff,edge,static,deny"

CONFIG = """
[paddock]
run_dir = "run"
state_dir = "state"
log_dir = "log"

[upstream.app]
server = ["unix:{dir}/app.sock"]

[[server]]
listen = "127.0.0.1:{port} http2"
client_max_body_size = "20m"
proxy_read_timeout = "10s"

  [[server.location]]
  path = "/"
  proxy_pass = "http://app"

  [[server.location]]
  path = "/private/"
  return = "403"

  [[server.location]]
  path = "/static/"
  alias = "{dir}/static/"
"""


def site(root):
    """The files that the static cases ask for, and what they must not get."""
    static = root / "static"
    (static / ".git").mkdir(parents=True)
    (root / "other").mkdir()
    (static / "ok.txt").write_text("ok\n")
    (static / "big.bin").write_bytes(b"x" * 100_000)
    for secret in (static / ".env", static / ".git/config", static / "secret.txt~", root / "secret.txt", root / "other/secret.txt"):
        secret.write_text(SECRET)
    (static / "link.txt").symlink_to("../secret.txt")
    (static / "dir").symlink_to("../other")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def speaks_http2(port):
    """Whether the port answers the preface of HTTP/2 with a SETTINGS frame."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as s:
            s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
            return s.recv(9)[3:4] == b"\4"
    except OSError:
        return False


class Shard:
    def __init__(self, root, paddock, lines):
        self.dir, self.lines, self.port = root, lines, free_port()
        root.mkdir()
        site(root)
        (root / "cases.jsonl").write_text("\n".join(lines) + "\n")
        (root / "paddock.toml").write_text(CONFIG.format(dir=root, port=self.port))
        self.log = open(root / "paddock.log", "w+")
        self.proxy = subprocess.Popen([paddock, "run", "-c", root / "paddock.toml"], stdout=self.log, stderr=self.log)
        self.runner = None

    def start(self, corpus):
        """Starts the runner, once Paddock is there."""
        self.wait_for_port()
        if not speaks_http2(self.port):
            sys.exit("hostile: paddock does not speak HTTP/2")
        addr = f"127.0.0.1:{self.port}"
        command = [sys.executable, "-B", corpus / "run.py", "--proxy", addr, "--h2", addr, "--backend", self.dir / "app.sock",
                   "--cases", self.dir / "cases.jsonl", "--have", HAVE, "--out", self.dir / "result.json"]
        self.runner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def wait_for_port(self):
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        sys.exit("hostile: paddock does not listen:\n" + (self.dir / "paddock.log").read_text())

    def finish(self):
        """Waits for the runner; returns its result."""
        out, _ = self.runner.communicate()
        for line in out.splitlines():
            if line.startswith(("FAIL", "proxy does not")):
                print(line)
        if not (self.dir / "result.json").exists():
            sys.exit(f"hostile: the runner ended with {self.runner.returncode}")
        return json.loads((self.dir / "result.json").read_text())

    def stop(self):
        """Ends the proxy; returns what its log says of races and panics."""
        if self.runner:
            self.runner.kill()
            self.runner.wait()
        self.proxy.terminate()
        self.proxy.wait(60)
        log = (self.dir / "paddock.log").read_text()
        return [line for line in log.splitlines() if any(bad in line for bad in ("DATA RACE", "panic", "fatal error"))]


def judge(total, bad):
    """What of the pass mark is not met."""
    wrong = [f"{key} is {total[key]}" for key in NONE_OF if total[key]]
    if total["prefer_met"] < PREFERRED * total["prefer_cases"]:
        wrong.append(f"preferred answers: {total['prefer_met']} of {total['prefer_cases']}")
    return wrong + bad


def main():
    corpus, paddock = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    lines = (corpus / "open.jsonl").read_text().split("\n")
    lines = [line for line in lines if line.strip()]
    top = pathlib.Path(tempfile.mkdtemp(prefix="pdh"))
    top.chmod(0o755)  # the proxy runs as another user
    begun, shards, results, bad = time.monotonic(), [], [], []
    try:
        for i in range(SHARDS):
            shards.append(Shard(top / str(i), paddock, lines[i::SHARDS]))
            shards[i].start(corpus)
        results = [shard.finish() for shard in shards]
    finally:
        for shard in shards:
            bad += shard.stop()
        shutil.rmtree(top)
    total = {}
    for key, value in ((k, v) for r in results for k, v in r["summary"].items()):
        if isinstance(value, int):
            total[key] = total.get(key, 0) + value
    if total["cases"] + total["skipped"] != len(lines):
        bad.append(f"{len(lines)} cases, {total['cases']} run, {total['skipped']} left out")
    wrong = judge(total, bad)
    print(f"hostile: {json.dumps(total)} {time.monotonic() - begun:.0f} s")
    for line in wrong:
        print(f"hostile: {line}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
