"""What it takes when nothing is due: memory, CPU time, and how long it is from start to ready."""

import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from . import daemon, machine
from .bench import Bench, say
from .peers import DidNotStart, Peer, Running
from .report import number, ratio


@dataclass
class Idle:
    """One number of jobs. Both starts are in ms; the first also makes the ledger."""

    first_start_ms: float
    start_ms: float
    resident_mb: float
    cpu_ms_a_minute: float


def measure(program: Path, jobs: int, rounds: int, idle_s: float) -> Idle:
    """Starts a daemon `rounds` times on a new ledger, each time again on the same, and lets it idle."""
    first, again, resident, cpu = [], [], [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="promptcron-bench-") as name:
            folder = Path(name)
            daemon.write_config(folder, 9, daemon.daily(jobs))
            with daemon.Daemon(program, folder) as running:
                first.append(running.ready_ms)
            with daemon.Daemon(program, folder) as running:
                again.append(running.ready_ms)
                usage = usage_when_idle(running.pid, idle_s)
                resident.append(usage[0])
                cpu.append(usage[1])
    columns = (first, again, resident, cpu)
    return Idle(*(statistics.median(column) for column in columns))


def usage_when_idle(pid: int, idle_s: float) -> tuple[float, float]:
    """Resident MB, and CPU ms a minute, after two seconds to settle."""
    time.sleep(2)
    before, began = machine.cpu_s(pid), time.monotonic()
    time.sleep(idle_s)
    used = machine.cpu_s(pid) - before
    return machine.resident_mb(pid), used * 1e3 * 60 / (time.monotonic() - began)


def measure_peer(peer: Peer, jobs: int, rounds: int, idle_s: float) -> Idle:
    """What it takes with `jobs` daily jobs of which none is due."""
    start, resident, cpu = [], [], []
    for _ in range(rounds):
        began = time.perf_counter()
        with Running(peer, ["idle"], daemon.daily(jobs)) as running:
            start.append((time.perf_counter() - began) * 1e3)
            usage = usage_when_idle(running.pid, idle_s)
        resident.append(usage[0])
        cpu.append(usage[1])
    median = statistics.median
    return Idle(median(start), median(start), median(resident), median(cpu))


def report(bench: Bench) -> None:
    """Writes the section on what it takes to do nothing."""
    rows = []
    for jobs in bench.plan.idle_jobs:
        say(f"idle, {jobs:,} jobs")
        rounds, seconds = bench.plan.idle_rounds, bench.plan.idle_s
        own = measure(bench.programs.promptcron, jobs, rounds, seconds)
        rows.append(_idle(jobs, "promptcron", own, own))
        if jobs in (10, 10_000):
            most = {10: 12, 10_000: 30}[jobs]
            bench.report.aim(f"{jobs:,} jobs: resident memory", most, own.resident_mb, "MB")
        if jobs == 10_000:
            bench.report.aim("10,000 jobs: start to ready", 300, own.start_ms, "ms")
        for peer in bench.peers.schedulers:
            try:
                rest = measure_peer(peer, jobs, 1, seconds)
            except DidNotStart as died:
                # Node's own limit of memory, say: that is a figure too.
                rows.append([f"{jobs:,}", peer.name, f"did not start: exit {died.status}", "", "", ""])
            else:
                rows.append(_idle(jobs, peer.name, rest, own))
    bench.report.section(
        "Idle, and start",
        "Daily jobs of which none is due. Start: from the process's start until it says that it "
        "is ready, for promptcron with its ledger on disk (in brackets: the first start, which "
        "makes it). CPU time is of a minute.",
        ["jobs", "", "start ms", "resident MB", "CPU ms", "memory to promptcron's"],
        rows,
    )


def _idle(jobs: int, who: str, got: Idle, base: Idle) -> list[str]:
    start = number(got.start_ms)
    if got is base:
        start += f" ({number(got.first_start_ms)})"
    figures = [number(got.resident_mb), number(got.cpu_ms_a_minute)]
    return [f"{jobs:,}", who, start, *figures, ratio(got.resident_mb, base.resident_mb)]
