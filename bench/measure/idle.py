"""What it takes when nothing is due: memory, CPU time, and how long it is from start to ready."""

import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from . import daemon, machine


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
