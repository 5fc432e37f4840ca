"""kill -9 again and again while one-shot jobs are due: what was lost, and what came twice."""

import random
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import daemon
from .bench import Bench, Programs, say
from .peers import Peer, Running

# A process lives this long after it is ready, at most. Two jobs are due a round.
LIFE_S = 0.5
JOBS_A_ROUND = 2
PATIENCE_S = 120
SEED = 20_261_125

HEAD = daemon.HEAD.replace("max_in_flight = {max_in_flight}", "max_in_flight = 16")
JOB = """
[[job]]
name = "{name}"
at = "{at}"
prompt = "{name}"
title = "{name}"
"""


@dataclass
class Crashes:
    """Of so many jobs: pushes that never came, and copies beyond the first."""

    rounds: int
    jobs: int
    lost: int
    doubled: int
    # Of the copies, those that replace the first on the phone: they carry its `sequence_id`.
    replaced: int


def _jobs(rounds: int, round_s: float) -> list[tuple[int, str]]:
    """Instants and names: evenly over the time that the rounds will take."""
    start, span = int(time.time()) + 3, max(1.0, rounds * round_s)
    count = rounds * JOBS_A_ROUND
    return [(start + int(n * span / count), f"job-{n:05}") for n in range(count)]


def _count(rounds: int, jobs: list[tuple[int, str]], pushed: list[tuple[str, str]]) -> Crashes:
    copies = Counter(title for title, _ in pushed)
    told_apart = Counter(title for title, _ in set(pushed) if copies[title])
    doubled = sum(copies[title] - 1 for title in copies)
    apart = sum(told_apart[title] - 1 for title in told_apart)
    has_ids = any(sequence_id != "-" for _, sequence_id in pushed)
    lost = sum(copies[name] == 0 for _, name in jobs)
    return Crashes(rounds, len(jobs), lost, doubled, doubled - apart if has_ids else 0)


def measure(programs: Programs, rounds: int) -> Crashes:
    """promptcron on one ledger."""
    with tempfile.TemporaryDirectory(prefix="promptcron-bench-") as name:
        folder = Path(name)
        with daemon.Servers(programs.server) as servers:
            jobs = _jobs(rounds, LIFE_S)
            at = lambda instant: time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(instant))
            text = "".join(JOB.format(name=name, at=at(instant)) for instant, name in jobs)
            config = HEAD.format(port=servers.port) + text
            (folder / "config.toml").write_text(config, encoding="utf-8")

            def start() -> subprocess.Popen:
                return daemon.Daemon(programs.promptcron, folder, level="warn").process

            _kill(start, rounds)
            with daemon.Daemon(programs.promptcron, folder, level="warn"):
                _wait(servers, jobs)
            _audit(programs.promptcron, folder)
            return _count(rounds, jobs, servers.pushed())


def measure_peer(peer: Peer, server: Path, rounds: int) -> Crashes:
    """APScheduler on one store."""
    with tempfile.TemporaryDirectory(prefix="promptcron-bench-") as name:
        store = str(Path(name) / "jobs.sqlite")
        with daemon.Servers(server) as servers:
            jobs = _jobs(rounds, LIFE_S + 0.5)
            arguments = [store, str(servers.port)]
            new = [f"{instant} {name}" for instant, name in jobs]
            Running(peer, arguments, new).end()
            _kill(lambda: Running(peer, arguments, []).process, rounds)
            with Running(peer, arguments, []):
                _wait(servers, jobs, may_be_lost=True)
            return _count(rounds, jobs, servers.pushed())


def _kill(start: Callable[[], subprocess.Popen], rounds: int) -> None:
    chance = random.Random(SEED)
    for turn in range(rounds):
        process = start()
        time.sleep(chance.random() * LIFE_S)
        process.kill()
        process.wait()
        if turn % 100 == 99:
            say(f"crash, round {turn + 1}")


def _wait(servers: daemon.Servers, jobs: list[tuple[int, str]], may_be_lost: bool = False) -> None:
    """Waits for the last instant, and until every push or nothing more comes."""
    time.sleep(max(0.0, jobs[-1][0] - time.time()) + 1)
    until, seen = time.monotonic() + PATIENCE_S, -1
    while time.monotonic() < until:
        pushed = servers.pushed()
        if len({title for title, _ in pushed}) == len(jobs):
            return
        if may_be_lost and len(pushed) == seen:
            return
        seen = len(pushed)
        time.sleep(3)


def _audit(program: Path, folder: Path) -> None:
    """The ledger's own account must be whole too."""
    command = [program, "--config", folder / "config.toml", "audit"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env={"STATE_DIRECTORY": str(folder)})
    if done.returncode != 0:
        raise RuntimeError(f"audit: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def report(bench: Bench) -> None:
    """Writes the section on crashes."""
    rounds, peer_rounds = bench.plan.crash_rounds, bench.plan.peer_crash_rounds
    say(f"crash, {rounds:,} rounds")
    rows = [_row("promptcron", own := measure(bench.programs, rounds))]
    if peer := bench.peers.stored:
        say(f"crash, {peer_rounds:,} rounds of {peer.name}")
        rows.append(_row(peer.name, measure_peer(peer, bench.programs.server, peer_rounds)))
    bench.report.section(
        "Crash",
        f"Again and again kill -9, each within {LIFE_S} s of being ready, while one-shot jobs are "
        "due and caught up; then all that is owed is waited for. Lost: the push never came. "
        "Doubled: copies beyond the first, of which those with the same `sequence_id` replace the "
        "first on the phone. promptcron asks an AI before it pushes; APScheduler's job is the push alone. "
        "`promptcron audit` finds nothing wrong afterwards.",
        ["", "crashes", "jobs", "lost", "doubled", "of these replaced on the phone"],
        rows,
    )
    bench.report.aim(f"lost in {rounds:,} crashes", 0, own.lost, "pushes")
    seen = own.doubled - own.replaced
    bench.report.aim(f"seen twice on the phone after {rounds:,} crashes", 0, seen, "pushes")


def _row(who: str, got: Crashes) -> list[str]:
    return [who, f"{got.rounds:,}", f"{got.jobs:,}", f"{got.lost:,}", f"{got.doubled:,}", f"{got.replaced:,}"]
