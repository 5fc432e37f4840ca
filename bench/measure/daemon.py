"""promptcron at work: its config, its servers, its start, its log."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

PROMPT = "分析一下当前国内上海金价格，较上日变化，近期走势。给出投资建议。编号"

HEAD = """timezone = "UTC"
max_in_flight = {max_in_flight}

[ai.kimi]
api = "kimi"
base_url = "http://127.0.0.1:{port}/v1"
tokens = ["stand-in-token"]

[ntfy.phone]
server = "http://127.0.0.1:{port}"
topic = "bench"
"""

JOB = """
[[job]]
name = "job-{number:06}"
cron = "{cron}"
prompt = "{prompt}{number:06}"
title = "金价分析"
tags = ["💰"]
"""


def daily(jobs: int) -> list[str]:
    """Daily patterns that are not due while something is measured: all minutes, hours from now."""
    hour = time.gmtime().tm_hour
    return [f"{n % 60} {(hour + 2 + n // 60 % 20) % 24} * * *" for n in range(jobs)]


def once_at(instant: int) -> str:
    """A pattern with seconds that is next due at an instant, in UTC."""
    at = time.gmtime(instant)
    return f"{at.tm_sec} {at.tm_min} {at.tm_hour} {at.tm_mday} {at.tm_mon} *"


def write_config(folder: Path, port: int, crons: Iterable[str], max_in_flight: int = 4) -> None:
    """A config of one job a pattern, each with its own name and prompt."""
    jobs = (JOB.format(number=n, cron=cron, prompt=PROMPT) for n, cron in enumerate(crons))
    head = HEAD.format(port=port, max_in_flight=max_in_flight)
    (folder / "config.toml").write_text(head + "".join(jobs), encoding="utf-8")


def wait_for(arrivals: Callable[[], list[int]], count: int, patience_s: float) -> None:
    """Waits until so many requests have come."""
    until = time.monotonic() + patience_s
    while len(arrivals()) < count:
        if time.monotonic() > until:
            raise RuntimeError(f"not all of {count} came within {patience_s} s")
        # Seldom: looking takes CPU time from what is measured.
        time.sleep(0.5)


class Servers:
    """An AI, which answers at once or after a while, and an inbox; they know each request."""

    def __init__(self, program: Path, delay_ms: int = 0) -> None:
        command = [program, str(delay_ms)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = int(self._process.stdout.readline())

    def asked_us(self) -> list[int]:
        """When each question was read, in microseconds since the Unix epoch."""
        return [int(line.split()[0]) for line in self._report("asked")]

    def pushed_us(self) -> list[int]:
        """The same for each push."""
        return [int(line.split()[0]) for line in self._report("pushed")]

    def asked(self) -> list[str]:
        """Each question's prompt."""
        return [line.split(maxsplit=1)[1] for line in self._report("asked")]

    def pushed(self) -> list[tuple[str, str]]:
        """Each push's title, without blanks, and its `sequence_id`."""
        return [tuple(line.split()[1:]) for line in self._report("pushed")]

    def _report(self, what: str) -> list[str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{what}") as reply:
            return reply.read().decode().splitlines()

    def __enter__(self) -> "Servers":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


class Daemon:
    """`promptcron run` in a folder of its own, from its start to its end."""

    def __init__(
        self,
        program: Path,
        folder: Path,
        level: str = "info",
        ready_s: float = 60,
        env: dict[str, str] | None = None,
    ) -> None:
        self._log = folder / "log.jsonl"
        with _ReadySocket(folder) as ready, self._log.open("wb") as log:
            env = os.environ | (env or {}) | {
                "RUST_LOG": f"promptcron={level}",
                "STATE_DIRECTORY": str(folder),
                "NOTIFY_SOCKET": ready.path,
            }
            env.pop("PROMPTCRON_CONFIG", None)
            began = time.perf_counter()
            self.process = subprocess.Popen(
                [program, "--log-format", "json", "run"], cwd=folder, env=env, stderr=log
            )
            try:
                ready.wait(ready_s)
            except TimeoutError:
                self.process.kill()
                raise RuntimeError(f"not ready: {self._log.read_text()[-2000:]}") from None
            self.ready_ms = (time.perf_counter() - began) * 1e3
        self.pid = self.process.pid

    def events(self, message: str) -> list[dict]:
        """The log's lines of one message."""
        lines = (json.loads(line) for line in self._log.read_text().splitlines())
        return [line for line in lines if line.get("message") == message]

    def __enter__(self) -> "Daemon":
        return self

    def __exit__(self, *_: object) -> None:
        # The second signal does not wait for what runs.
        for number in (signal.SIGTERM, signal.SIGINT):
            self.process.send_signal(number)
            try:
                self.process.wait(0.5)
                return
            except subprocess.TimeoutExpired:
                continue
        self.process.kill()
        self.process.wait()


class _ReadySocket:
    """The socket on which a service tells that it is ready, as systemd's."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "notify")
        Path(self.path).unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)

    def wait(self, seconds: float) -> None:
        self._socket.settimeout(seconds)
        while b"READY=1" not in self._socket.recv(4096):
            pass

    def __enter__(self) -> "_ReadySocket":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
