"""How large the program is, and the image that holds nothing else."""

import os
import subprocess
from pathlib import Path

from .bench import ROOT, Bench, say
from .report import number

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
AIM_MB = 20


def static_program() -> Path:
    """Builds the binary that the Dockerfile builds."""
    version = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    triple = next(line.split()[1] for line in version.splitlines() if line.startswith("host:"))
    subprocess.run(
        ["cargo", "build", "--quiet", "--release", "--locked", "--target", triple],
        cwd=ROOT,
        env=os.environ | {"RUSTFLAGS": "-C target-feature=+crt-static"},
        check=True,
    )
    return ROOT / "target" / triple / "release" / "promptcron"


def report(bench: Bench) -> None:
    """Writes the section on sizes; the image's binary only where it is asked for: all of it is built anew."""
    say("size")
    rows = [["binary, stripped", number(bench.programs.promptcron.stat().st_size / 1e6)]]
    if bench.has_image:
        static = static_program().stat().st_size / 1e6
        image = static + CERTIFICATES.stat().st_size / 1e6
        rows.append(["static binary of the image", number(static)])
        rows.append(["image: that, and CA certificates", number(image)])
        bench.report.aim("image", AIM_MB, image, "MB")
    else:
        bench.report.aim_unmeasured("image", AIM_MB, "MB", "`bench/run --image`")
    bench.report.section(
        "Size",
        "Uncompressed. The image is built from scratch: nothing is in it but the static binary, "
        "the CA certificates and two files of a few bytes.",
        ["", "MB"],
        rows,
    )
