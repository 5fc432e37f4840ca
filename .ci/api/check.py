"""The API does what its OpenAPI document says, and the figures are what Prometheus reads.

Usage: check.py PROGRAM FOLDER, with schemathesis and prometheus_client in the same environment.
"""

import re
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families

HERE = Path(__file__).resolve().parent
PROGRAM, WORK = Path(sys.argv[1]), Path(sys.argv[2])
BEARER = {"Authorization": "Bearer a-token-of-the-api-check"}
SOON = 30

# What README and dashboards count on.
FAMILIES = {
    "promptcron_runs",
    "promptcron_lateness_seconds",
    "promptcron_outbox_messages",
    "promptcron_tokens",
    "promptcron_pushing_seconds",
    "promptcron_last_success_timestamp_seconds",
    "promptcron_config_ok",
    "promptcron_jobs",
}


@contextmanager
def daemon(config):
    """The running daemon's address."""
    process = subprocess.Popen([PROGRAM, "--config", config, "run"], stderr=subprocess.PIPE, text=True)
    try:
        yield address(process)
    finally:
        process.terminate()
        process.communicate()
        assert process.returncode == 0, f"the daemon ended with {process.returncode}"


def address(process):
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"listening address=(\S+)", line):
            # The rest of the log is read, so that the daemon never waits for us.
            subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
            return f"http://{found[1]}"
    raise SystemExit("the daemon ended:\n" + "".join(said))


def figures(base):
    request = urllib.request.Request(f"{base}/metrics", headers=BEARER)
    with urllib.request.urlopen(request) as reply:
        assert reply.headers["content-type"].startswith("application/openmetrics-text"), reply.headers
        return {family.name: family for family in text_string_to_metric_families(reply.read().decode())}


def check_figures(base):
    """The runs that the check of the API has begun end in the figures."""
    until = time.monotonic() + SOON
    while True:
        found = figures(base)
        failed = [s for s in found["promptcron_runs"].samples if s.labels["state"] == "failed"] if "promptcron_runs" in found else []
        if failed:
            break
        assert time.monotonic() < until, f"no run has ended: {sorted(found)}"
        time.sleep(0.2)
    missing = FAMILIES - set(found)
    assert not missing, f"missing: {sorted(missing)}; there are {sorted(found)}"
    print(f"ok: {len(found)} families of figures are read by Prometheus' parser: {', '.join(sorted(found))}")


def main():
    ledger, config = WORK / "ledger.db", WORK / "config.toml"
    config.write_text((HERE / "config.toml").read_text().replace("LEDGER", str(ledger)))
    with daemon(config):
        pass
    subprocess.run([sys.executable, HERE.parent / "browser" / "seed.py", ledger], check=True)
    with daemon(config) as base:
        schemathesis = Path(sys.executable).with_name("schemathesis")
        subprocess.run(
            [schemathesis, "--config-file", HERE / "schemathesis.toml", "run", f"{base}/api/v1/openapi.json",
             "--phases", "examples,coverage,fuzzing", "--max-examples", "40", "--seed", "1", "--no-color"],
            cwd=WORK, check=True)
        check_figures(base)


main()
