"""How long the pages take with many jobs and runs in the ledger, and what memory they keep.

The ledger is filled by itself, with runs, answers, attempts and deliveries as the daemon writes them. Each address is
asked for one after the other; the server's own time is what is left of the reply's time on loopback.
"""

import http.client
import json
import re
import sqlite3
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from . import machine
from .bench import Bench, say
from .report import number

JOBS = 10_000
RUNS = 100_000
AIM_MS = 100
# How much more memory the page may keep after many more overviews.
FLAT = 1.05
TOKEN = "a-token-of-the-bench-of-pages"
ANSWER = "## Gold in brief\n\nThe benchmark stands at **918.45 CNY/g**, up 6.32 (+0.69%) on the day.\n" * 12
MESSAGE = json.dumps({"topic": "", "message": ANSWER, "title": "Gold"})
HOUR = 3_600_000
PATHS = {
    "overview": "/",
    "overview, last page": f"/?page={(JOBS - 1) // 30}",
    "overview, searched": f"/?q={JOBS - 1}",
    "job": f"/jobs/job%20{JOBS - 1}",
    "run": f"/runs/{RUNS}",
    "tokens": "/tokens",
    "targets": "/targets",
    "API: jobs": "/api/v1/jobs",
    "API: runs": "/api/v1/runs",
    "API: next": "/api/v1/next",
    "figures": "/metrics",
}

CONFIG = """
[ledger]
url = "sqlite:{ledger}"
[web]
listen = "127.0.0.1:0"
token = "{token}"
[ai.local]
api = "openai"
base_url = "http://127.0.0.1:9/v1"
model = "any"
[ntfy.phone]
server = "http://127.0.0.1:9"
topic = "a-topic-of-ones-own"
"""
JOB = """
[[job]]
name = "job {n}"
cron = "0 8 29 2 *"
prompt = "How did the price of {n} move today?"
"""



@dataclass
class Pages:
    """Milliseconds of each reply and its kilobytes by address; resident MB at first, after all of them, and at last."""

    replies: dict[str, tuple[list[float], float]]
    memory: tuple[float, float, float]


def measure(program: Path, times: int, rounds: int) -> Pages:
    """Each address so many times, and then as many rounds of overviews."""
    with tempfile.TemporaryDirectory(prefix="promptcron-bench-") as name:
        ledger, config = Path(name) / "ledger.db", Path(name) / "config.toml"
        jobs = "".join(JOB.format(n=n) for n in range(JOBS))
        config.write_text(CONFIG.format(ledger=ledger, token=TOKEN) + jobs, encoding="utf-8")
        _stop(_start(program, config)[0])
        _fill(ledger, JOBS, RUNS)
        process, port = _start(program, config)
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            memory = [machine.resident_mb(process.pid)]
            replies = {name: _asked(connection, path, times) for name, path in PATHS.items()}
            memory.append(machine.resident_mb(process.pid))
            for _ in range(rounds):
                _asked(connection, "/", times)
            memory.append(machine.resident_mb(process.pid))
        finally:
            _stop(process)
    return Pages(replies, tuple(memory))


def _start(program: Path, config: Path) -> tuple[subprocess.Popen, int]:
    process = subprocess.Popen([program, "--config", config, "run"], stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if found := re.search(r"listening address=127.0.0.1:(\d+)", line):
            subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
            return process, int(found[1])
    raise RuntimeError("the daemon ended at once")


def _stop(process: subprocess.Popen) -> None:
    process.terminate()
    process.communicate()


def _fill(path: Path, jobs: int, runs: int) -> int:
    """The newest run of every 50th job has failed; every job has as many as every other."""
    ledger = sqlite3.connect(path)
    now = int(time.time()) * 1_000
    each = runs // jobs
    run_id = 0

    def rows():
        nonlocal run_id
        for back in range(each, 0, -1):
            for n in range(jobs):
                run_id += 1
                at = now - back * 6 * HOUR - n * 100
                failed = back == 1 and n % 50 == 0
                yield run_id, n, at, failed

    made = list(rows())
    ledger.executemany(
        """insert into run (run_id, job, scheduled_at, trigger, state, reason, due_at, planned_at, next_attempt_at,
               first_claimed_at, started_at, answered_at, finished_at, ai, asked_ms)
           values (?, ?, ?, 'schedule', ?, ?, ?, ?, ?, ?, ?, ?, ?, 'local', ?)""",
        ((i, f"job {n}", at, "failed" if failed else "delivered", "HTTP 503" if failed else None, at, at, at, at, at,
          None if failed else at + 9_000, at + 9_300, None if failed else 9_000) for i, n, at, failed in made))
    good = [(i, at) for i, _, at, failed in made if not failed]
    ledger.executemany("insert into content (run_id, prompt, answer) values (?, 'How?', ?)", ((i, ANSWER) for i, _ in good))
    ledger.executemany(
        "insert into attempt (run_id, number, started_at, finished_at, outcome, ai) values (?, 1, ?, ?, 'answered', 'local')",
        ((i, at, at + 9_000) for i, at in good))
    ledger.executemany(
        """insert into delivery (delivery_id, run_id, kind, target, part, parts, sequence_id, message, bytes, state, next_at,
               give_up_at, delivered_at) values (?, ?, 'answer', 'phone', 1, 1, ?, ?, ?, 'delivered', ?, ?, ?)""",
        ((i, i, f"s{i}", MESSAGE, len(ANSWER), at, at + HOUR, at + 9_300) for i, at in good))
    ledger.executemany(
        "insert into delivery_attempt (delivery_id, number, started_at, finished_at, outcome) values (?, 1, ?, ?, 'delivered')",
        ((i, at + 9_000, at + 9_300) for i, at in good))
    ledger.commit()
    ledger.close()
    return run_id


def _asked(connection: http.client.HTTPConnection, path: str, times: int) -> tuple[list[float], float]:
    """The milliseconds of each reply, and its kilobytes."""
    # Not faster than one address may ask.
    time.sleep(1)
    took = []
    for _ in range(times):
        began = time.perf_counter()
        connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
        reply = connection.getresponse()
        text = reply.read()
        took.append((time.perf_counter() - began) * 1e3)
        if reply.status != 200:
            raise RuntimeError(f"{path}: {reply.status} {text[:200]!r}")
    return took, len(text) / 1e3


def report(bench: Bench) -> None:
    """Writes the section on the pages."""
    say(f"pages, {JOBS:,} jobs and {RUNS:,} runs")
    times, rounds = bench.plan.page_times, bench.plan.page_rounds
    got = measure(bench.programs.promptcron, times, rounds)
    first, asked, last = got.memory
    bench.report.section(
        "Pages",
        f"With {JOBS:,} jobs and {RUNS:,} runs in the ledger, each address {times} times. Resident memory: "
        f"{number(first)} MB at first, {number(asked)} MB when all were asked, {number(last)} MB after {times * rounds:,} "
        "more overviews.",
        ["", "ms, median", "ms, worst", "kB"],
        [
            [name, number(statistics.median(took)), number(max(took)), number(size)]
            for name, (took, size) in got.replies.items()
        ],
    )
    overview, _ = got.replies["overview"]
    bench.report.aim(f"{JOBS:,} jobs, {RUNS:,} runs: overview", AIM_MS, statistics.median(overview), "ms")
    bench.report.aim(f"memory after {times * rounds:,} more overviews, to before them", FLAT, last / asked, "x")
