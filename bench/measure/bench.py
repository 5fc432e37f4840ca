"""What the subjects share: how much is measured, with which programs, and where figures go."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from . import peers
from .report import Report

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass
class Plan:
    """How much is measured."""

    once_rounds: int
    burst_jobs: tuple[int, ...]
    burst_rounds: int
    peer_rounds: int
    idle_rounds: int
    idle_s: float
    idle_jobs: tuple[int, ...]
    reload_rounds: int
    pipeline_runs: int
    in_flight: tuple[int, ...]
    crash_rounds: int
    peer_crash_rounds: int
    page_times: int
    page_rounds: int


FULL = Plan(
    once_rounds=50,
    burst_jobs=(100, 1_000, 10_000),
    burst_rounds=3,
    peer_rounds=2,
    idle_rounds=3,
    idle_s=6,
    idle_jobs=(10, 1_000, 10_000, 100_000),
    reload_rounds=9,
    pipeline_runs=4_000,
    in_flight=(1, 4, 16, 64, 256, 1_000),
    crash_rounds=400,
    peer_crash_rounds=80,
    page_times=50,
    page_rounds=20,
)
QUICK = Plan(
    once_rounds=20,
    burst_jobs=(1_000, 10_000),
    burst_rounds=1,
    peer_rounds=1,
    idle_rounds=1,
    idle_s=2,
    idle_jobs=(10, 10_000),
    reload_rounds=3,
    pipeline_runs=1_000,
    in_flight=(1, 64, 1_000),
    crash_rounds=15,
    peer_crash_rounds=8,
    page_times=10,
    page_rounds=2,
)


@dataclass
class Programs:
    """What is measured, and the programs of the benchmark itself."""

    promptcron: Path
    server: Path
    bare: Path


@dataclass
class Bench:
    """What every subject is given."""

    plan: Plan
    programs: Programs
    peers: peers.Peers
    report: Report
    # Whether the image's binary is built and weighed too.
    has_image: bool = False


BEGAN = time.monotonic()


def say(what: str) -> None:
    """Tells the person who waits."""
    print(f"bench: {what} ({time.monotonic() - BEGAN:.0f} s)", file=sys.stderr, flush=True)
