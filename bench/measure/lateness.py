"""How late: from a nominal second to the durable row and to the request, many jobs due at once."""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import daemon, machine

# How long the slowest burst may take from its second on.
PATIENCE_S = 180

# Up to so many jobs the burst is followed to its last push, above it to its last question.
FOLLOWED = 1_000


@dataclass
class Spread:
    """Lateness in ms: of each round p50, p99 and max, then their medians over the rounds."""

    p50: float
    p99: float
    longest: float
    rounds: int


def spread(rounds: list[list[float]]) -> Spread:
    """Medians over rounds, each a list of lateness in ms."""
    quantiles = [
        (machine.quantile(one, 0.5), machine.quantile(one, 0.99), max(one)) for one in rounds
    ]
    p50, p99, longest = (statistics.median(column) for column in zip(*quantiles))
    return Spread(p50, p99, longest, len(rounds))


@dataclass
class Burst:
    """What one number of jobs that are due in one second gave."""

    durable: Spread
    request: Spread
    # From the nominal second to the last push, in seconds: the whole way. None: not followed.
    all_pushed_s: float | None


def measure(program: Path, server: Path, jobs: int, rounds: int) -> Burst:
    """Fresh daemons, fresh ledgers, `jobs` due in one second, 1,000 asked at once."""
    durable, request, pushed = [], [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="promptcron-bench-") as folder:
            rows, asked, done = _round(program, server, Path(folder), jobs)
        durable.append(rows)
        request.append(asked)
        if done:
            pushed.append(done)
    whole_way = statistics.median(pushed) if pushed else None
    return Burst(spread(durable), spread(request), whole_way)


def _round(
    program: Path, server: Path, folder: Path, jobs: int
) -> tuple[list[float], list[float], float | None]:
    with daemon.Servers(server) as servers:
        due = int(time.time()) + 3 + jobs // 4_000
        crons = [daemon.once_at(due)] * jobs
        daemon.write_config(folder, servers.port, crons, max_in_flight=1_000)
        with daemon.Daemon(program, folder, level="debug") as running:
            if time.time() > due - 0.5:
                raise RuntimeError("the daemon was not ready in time: the machine is too busy")
            time.sleep(max(0.0, due - time.time()) + 0.5)
            followed = jobs <= FOLLOWED
            _wait_for(servers.pushed_us if followed else servers.asked_us, jobs)
            planned = running.events("planned")
        rows = [
            event["durable_at_us"] / 1e3 - due * 1e3
            for event in planned
            for _ in range(event["runs"])
        ]
        asked = [at / 1e3 - due * 1e3 for at in servers.asked_us()]
        if len(rows) != jobs or len(asked) != jobs:
            raise RuntimeError(f"{jobs} were due, {len(rows)} planned, {len(asked)} asked")
        return rows, asked, max(servers.pushed_us()) / 1e6 - due if followed else None


def _wait_for(arrivals: Callable[[], list[int]], jobs: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while len(arrivals()) < jobs:
        if time.monotonic() > until:
            raise RuntimeError(f"not all of {jobs} came within {PATIENCE_S} s")
        # Seldom: looking takes CPU time from what is measured.
        time.sleep(0.5)
