"""How late: from a nominal second to the durable row and to the request, many jobs due at once."""

import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from . import daemon, machine
from .bench import Bench, say
from .peers import Peer, Running
from .report import number, ratio

# A limit that a burst's row has to keep, in ms of p99.
DURABLE_AIMS = {1_000: 20, 10_000: 300}

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
            daemon.wait_for(
                servers.pushed_us if followed else servers.asked_us, jobs, PATIENCE_S
            )
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


def measure_peer(peer: Peer, jobs: int, rounds: int) -> tuple[Spread, int]:
    """How late its callbacks are, with `jobs` due in one second; and the most that it lost."""
    late = [_peer_round(peer, jobs) for _ in range(rounds)]
    return spread(late), jobs - min(map(len, late))


def _peer_round(peer: Peer, jobs: int) -> list[float]:
    due = int(time.time()) + 3 + jobs // 1_000
    with Running(peer, ["burst", str(due)], [daemon.once_at(due)] * jobs) as running:
        if time.time() > due:
            raise RuntimeError(f"{peer.name} was not ready in time: the machine is too busy")
        called = json.loads(running.line())
    return [at - due * 1e3 for at in called]


def report(bench: Bench) -> None:
    """Writes the sections on lateness and on the whole way."""
    rows, ahead = [], []
    for jobs in bench.plan.burst_jobs:
        say(f"lateness, {jobs:,} jobs")
        rounds = bench.plan.burst_rounds
        own = measure(bench.programs.promptcron, bench.programs.server, jobs, rounds)
        durable, request = own.durable, own.request
        rows.append(_late(jobs, "promptcron: durable row", durable, durable))
        rows.append(_late(jobs, "promptcron: request read by the AI", request, durable))
        if jobs in DURABLE_AIMS:
            what = f"{jobs:,} due in one second: durable row, p99"
            bench.report.aim(what, DURABLE_AIMS[jobs], durable.p99, "ms")
        for peer in bench.peers.schedulers:
            late, lost = measure_peer(peer, jobs, bench.plan.peer_rounds)
            what = f"{peer.name}: callback" + (f" ({lost:,} lost)" if lost else "")
            rows.append(_late(jobs, what, late, durable))
        if seconds := own.all_pushed_s:
            ahead.append([f"{jobs:,}", number(seconds), number(jobs / seconds)])
    bench.report.section(
        "Lateness",
        "From the nominal second, in ms; medians over rounds, each of a fresh process. A durable "
        "row is committed and synced to disk. Up to 1,000 questions are in flight; the AI "
        "answers at once and shares the machine. The peers keep nothing on disk and ask nobody: "
        "theirs is the time at which an empty callback is called.",
        ["due at once", "", "p50", "p99", "max", "p99 to the durable row's"],
        rows,
    )
    bench.report.section(
        "The whole way",
        "The same bursts, from the nominal second to the last push taken by the inbox: asked, "
        "answered, rendered, pushed, and each step of it on disk before the next.",
        ["due at once", "all pushed after s", "runs a second"],
        ahead,
    )


def _late(jobs: int, who: str, late: Spread, base: Spread) -> list[str]:
    figures = [number(value) for value in (late.p50, late.p99, late.longest)]
    return [f"{jobs:,}", who, *figures, ratio(late.p99, base.p99)]
