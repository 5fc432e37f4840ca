"""MB/s of phone text beside what else makes text of Markdown, by bench/text/run."""

import os
import subprocess

from .bench import ROOT, Bench, say
from .report import number, ratio

NAMES = {
    "classic": "promptcron, classic",
    "plain": "promptcron, plain",
    "comrak-walk": "comrak: a bare walk",
    "split": "promptcron, splitting",
    "page": "promptcron, HTML page",
    "seed-node": "the original function in Node",
    "remove-markdown": "npm remove-markdown",
    "pandoc": "pandoc, whole process",
}


def measure(bench: Bench) -> dict[str, float]:
    """MB/s by name."""
    modules = {"TEXT_BENCH_MODULES": str(bench.peers.modules)} if bench.peers.modules else {}
    done = subprocess.run(
        [ROOT / "bench" / "text" / "run"],
        env=os.environ | modules,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    lines = (line.split() for line in done.stdout.splitlines())
    # The ratios below the figures have more words.
    figures = (words for words in lines if len(words) == 2 and words[0] in NAMES)
    return {name: float(speed) for name, speed in figures}


def slowest() -> tuple[float, float]:
    """The slowest awkward inputs in ms: classic at 100 kB and plain at 50 kB."""
    command = "cargo bench --quiet --locked --bench text -- pathological"
    done = subprocess.run(command.split(), cwd=ROOT, capture_output=True, text=True)
    rows = [line.split() for line in done.stdout.splitlines() if " plain " in line]
    if not rows:
        raise RuntimeError(f"no figures for awkward inputs: {done.stderr[-1000:]}")
    after = lambda row, word: float(row[len(row) - 1 - row[::-1].index(word) + 1])
    return max(after(r, "classic") for r in rows), max(after(r, "plain") for r in rows)


def report(bench: Bench) -> None:
    """Writes the section on phone text."""
    say("text")
    got = measure(bench)
    classic_ms, plain_ms = slowest()
    bench.report.section(
        "Phone text",
        "A corpus of 1 MB of Chinese answers, MB/s, medians; pandoc with its start. The plain "
        "style gets it in pieces of 100 kB. Of some 125 awkward inputs (cmark's list and the ones "
        f"that are cubic in the original) the slowest takes {number(classic_ms)} ms in the classic "
        f"style at 100 kB and {number(plain_ms)} ms in the plain one at 50 kB.",
        ["", "MB/s", "to the original's"],
        [
            [name, number(got[key]), ratio(got[key], got.get("seed-node", 0))]
            for key, name in NAMES.items()
            if key in got
        ],
    )
    if "seed-node" in got:
        share = got["classic"] / got["seed-node"]
        bench.report.aim_at_least("classic style, to the original in Node", 1, share, "x")
    share = got["plain"] / got["comrak-walk"]
    bench.report.aim_at_least("plain style, to a bare comrak walk", 0.6, share, "x")
    bench.report.aim("awkward inputs of 100 kB in the classic style: the slowest", 20, classic_ms, "ms")
    bench.report.aim("awkward inputs of 50 kB in the plain style: the slowest", 50, plain_ms, "ms")
