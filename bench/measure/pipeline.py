"""Runs per second, end to end and durable, beside a bare loop of the same two requests."""

import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from . import daemon, machine
from .bench import Bench, Programs, say
from .report import number

PATIENCE_S = 300
# The promise: a run that is written down four times costs at most twice a bare one.
LEAST_OF_BARE = 0.5
# Counted with strace over 600 runs to one target, 1,000 in flight: claims, beginnings and answers share
# their syncs, a push's outcome goes with the next one's attempt. With one in flight it is 3.8.
SYNCS_A_RUN = 1.1
# Long enough for all of them to be in flight at once.
SLOW_AI_MS = 3_000


@dataclass
class Rate:
    """One number in flight: runs per second."""

    in_flight: int
    own: float
    bare: float


def measure(programs: Programs, runs: int, in_flight: int) -> Rate:
    """All runs are due in one second; the rate is from there to the last push."""
    with daemon.Servers(programs.server) as servers:
        command = [programs.bare, str(servers.port), str(runs), str(in_flight)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        bare = runs / float(done.stdout)
    with daemon.Servers(programs.server) as servers:
        last, due, _ = _burst(programs, servers, runs, in_flight)
    return Rate(in_flight, runs / (last - due), bare)


def peak_mb(programs: Programs, in_flight: int) -> float:
    """Peak resident MB with so many questions under way at once."""
    with daemon.Servers(programs.server, SLOW_AI_MS) as servers:
        _, _, peak = _burst(programs, servers, in_flight, in_flight)
    return peak


def _burst(
    programs: Programs, servers: daemon.Servers, runs: int, in_flight: int
) -> tuple[float, float, float]:
    """When the last push was read, when all were due, and the peak resident MB."""
    with tempfile.TemporaryDirectory(prefix="promptcron-bench-") as name:
        folder = Path(name)
        due = int(time.time()) + 3 + runs // 4_000
        crons = [daemon.once_at(due)] * runs
        daemon.write_config(folder, servers.port, crons, max_in_flight=in_flight)
        with daemon.Daemon(programs.promptcron, folder) as running:
            if time.time() > due - 0.5:
                raise RuntimeError("the daemon was not ready in time: the machine is too busy")
            daemon.wait_for(servers.pushed_us, runs, PATIENCE_S)
            peak = machine.peak_resident_mb(running.pid)
        return max(servers.pushed_us()) / 1e6, due, peak


def report(bench: Bench) -> None:
    """Writes the section on the pipeline."""
    runs, rates = bench.plan.pipeline_runs, []
    for in_flight in bench.plan.in_flight:
        say(f"pipeline, {in_flight:,} in flight")
        # With few in flight each waits for the disk: fewer runs tell as much.
        rates.append(measure(bench.programs, min(runs, 250 * in_flight), in_flight))
    most = max(bench.plan.in_flight)
    with tempfile.TemporaryDirectory(prefix="promptcron-bench-") as folder:
        synced = machine.syncs_a_second(Path(folder)) / SYNCS_A_RUN
    peak = peak_mb(bench.programs, most)
    bench.report.section(
        "Pipeline",
        "Runs a second from the second in which all are due to the last push: asked, answered, "
        "rendered, pushed, each step on disk before the next, and the inbox gets one push after "
        "the other. Beside it a bare reqwest loop with the same two requests and nothing on disk. "
        f"The servers answer at once and share the machine. With {most:,} in flight a run syncs the disk "
        f"{SYNCS_A_RUN} times; a loop of nothing but so many syncs makes {number(synced)} runs a second here. "
        f"Peak resident memory with {most:,} questions under way: {number(peak)} MB.",
        ["in flight", "runs a second", "bare loop", "share of the bare loop"],
        [
            [f"{r.in_flight:,}", number(r.own), number(r.bare), f"{r.own / r.bare:.2f}"]
            for r in rates
        ],
    )
    best = max(rates, key=lambda rate: rate.own)
    bench.report.aim_at_least(
        f"runs a second, to a bare loop ({best.in_flight:,} in flight)",
        LEAST_OF_BARE,
        best.own / best.bare,
        "x",
    )
