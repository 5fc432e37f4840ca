"""One run as a whole process against servers that answer at once: all of it is the process's own."""

import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from . import daemon
from .bench import Bench, say
from .peers import Peer
from .report import number, ratio


@dataclass
class OneShot:
    """Medians over the rounds; p90 of the wall time too. The very first round is apart."""

    wall_ms: float
    wall_p90_ms: float
    first_wall_ms: float
    cpu_ms: float
    resident_mb: float
    rounds: int


def measure(program: Path, server: Path, rounds: int) -> OneShot:
    """`promptcron once` again and again on one ledger, with a config of 10 jobs."""
    with tempfile.TemporaryDirectory(prefix="promptcron-bench-") as name:
        folder = Path(name)
        with daemon.Servers(server) as servers:
            daemon.write_config(folder, servers.port, daemon.daily(10))
            config = str(folder / "config.toml")
            command = [str(program), "--config", config, "once", "job-000003"]
            return _measure(command, servers, rounds, {"STATE_DIRECTORY": str(folder)})


def measure_script(peer: Peer, server: Path, rounds: int) -> OneShot:
    """The script in Node, which keeps nothing."""
    with daemon.Servers(server) as servers:
        return _measure([*peer.command, str(servers.port)], servers, rounds, {})


def _measure(
    command: list[str], servers: daemon.Servers, rounds: int, env: dict[str, str]
) -> OneShot:
    first, *rest = [_once(command, env) for _ in range(rounds + 1)]
    if len(servers.pushed_us()) != rounds + 1:
        raise RuntimeError("not every round pushed its answer")
    wall, cpu, resident = zip(*rest)
    tenth = statistics.quantiles(wall, n=10)
    medians = [statistics.median(column) for column in (cpu, resident)]
    return OneShot(statistics.median(wall), tenth[-1], first[0], *medians, rounds)


def _once(command: list[str], env: dict[str, str]) -> tuple[float, float, float]:
    """Wall ms, CPU ms and resident MB of one process."""
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    began = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ | env, file_actions=quiet)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    if status != 0:
        raise RuntimeError(f"{command[0]} ended with {os.waitstatus_to_exitcode(status)}")
    return wall * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3, usage.ru_maxrss * 1024 / 1e6


def report(bench: Bench) -> None:
    """Writes the section on one shot."""
    say("once")
    rounds = bench.plan.once_rounds
    own = measure(bench.programs.promptcron, bench.programs.server, rounds)
    rows = [_row("promptcron once", own, own)]
    if script := bench.peers.script:
        got = measure_script(script, bench.programs.server, rounds)
        rows.append(_row(script.name, got, own))
    bench.report.section(
        "One shot",
        f"From process start to exit: asked, answered, rendered, pushed; {rounds} rounds. "
        f"promptcron keeps a ledger; the very first round, which makes it, took "
        f"{number(own.first_wall_ms)} ms. The script is the one that promptcron began with: it "
        "asks with axios and keeps nothing.",
        ["", "wall ms, median", "wall ms, p90", "CPU ms", "peak resident MB", "wall to promptcron's"],
        rows,
    )
    bench.report.aim("`once` adds to the servers' own time", 30, own.wall_ms, "ms")


def _row(who: str, got: OneShot, base: OneShot) -> list[str]:
    figures = (got.wall_ms, got.wall_p90_ms, got.cpu_ms, got.resident_mb)
    return [who, *map(number, figures), ratio(got.wall_ms, base.wall_ms)]
