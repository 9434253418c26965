"""Build the wheel and the sdist, look into them, install the wheel into a new venv and use it.

First with the base dependencies alone, then with the libraries of the environment that runs this
script borrowed (torch need not be installed twice). Run by `make lint`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command; its output, or the end of this script with it."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd), "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(
            f"{' '.join(str(part) for part in command)} ended with {done.returncode}\n"
            f"{done.stdout[-4000:]}{done.stderr[-4000:]}"
        )
    return done.stdout


def check(condition: bool, what: str) -> None:
    """Say what holds, or stop."""
    print(("ok    " if condition else "WRONG ") + what, flush=True)
    if not condition:
        sys.exit(1)


def build(out: Path) -> Path:
    """Build sdist, and the wheel from it; look into both."""
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT, cwd=ROOT)
    (wheel,) = out.glob("*.whl")
    (sdist,) = out.glob("*.tar.gz")
    run(Path(sys.executable).parent / "check-wheel-contents", wheel, cwd=ROOT)
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    for path in (
        *sorted((ROOT / "sgnas_deploy").rglob("*.py")),
        *sorted((ROOT / "profilers").rglob("*.py")),
        *sorted((ROOT / "cli").rglob("*.py")),
    ):
        relative = path.relative_to(ROOT)
        name = Path(*relative.parts[1:]) if relative.parts[0] in {"profilers", "cli"} else relative
        check_in(str(name), inside)
    for path in (ROOT / "lut_data").rglob("*.json"):
        check_in(f"sgnas_deploy/lut_data/{path.relative_to(ROOT / 'lut_data')}", inside)
    for folder in ("bench/shipped", "recipes"):
        for path in (ROOT / "sgnas_deploy" / folder).iterdir():
            check_in(str(path.relative_to(ROOT)), inside)
    with tarfile.open(sdist) as archive:
        stray = [n for n in archive.getnames() if "cache" in n or "-work" in n or ".venv" in n]
    check(not stray, f"nothing stray in the sdist {stray}")
    return wheel


def check_in(name: str, inside: set[str]) -> None:
    """Stop where the wheel lacks a file of the checkout."""
    if name not in inside:
        check(False, f"{name} is in the wheel")


def main() -> None:
    """Build, install, use."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        wheel = build(home / "dist")
        check(True, f"{wheel.name} holds every module and table")
        env = home / "venv"
        venv.create(env, with_pip=True)
        python, sgnas = env / "bin" / "python", env / "bin" / "sgnas"
        pip = (python, "-m", "pip", "install", "-q", "--disable-pip-version-check")
        run(*pip, wheel, cwd=home)
        lists = run(python, "-m", "pip", "list", "--format=json", cwd=home)
        installed = {entry["name"].lower() for entry in json.loads(lists)}
        check(not installed & {"torch", "onnxruntime", "timm"}, "the base install is light")
        check("Usage" in run(sgnas, "--help", cwd=home, COLUMNS="80"), "sgnas --help")
        run(sgnas, "doctor", "--json", cwd=home)
        shipped = json.loads(run(sgnas, "lut", "show", "--json", cwd=home))["tables"]
        spaces = {table["space"] for table in shipped}
        check(
            {"tiny", "cifar", "imagenet", "nasbench201"} <= spaces,
            f"shipped tables are found: {spaces}",
        )
        lut = "imagenet--cpu--onnxruntime-fp32-b1-t1"
        flags: tuple[str, ...] = ("--lut", lut, "--count", "3", "--scores", "macs", "--json")
        found = json.loads(run(sgnas, "generate", *flags, cwd=home))["architectures"]
        check(len(found) == 3, "sgnas generate from a shipped table, base install")
        check(
            all(a["predicted_s"] <= a["budget_s"] for a in found),
            "every prediction keeps its budget",
        )
        flags = ("--device", "cpu", "--backend", "null", "--space", "tiny", "--quality", "quick")
        run(sgnas, "profile", *flags, cwd=home)
        check(True, "sgnas profile with the null backend, base install")

        borrowed = home / "venv" / "lib" / sysconfig.get_path("purelib").split("/lib/")[-1]
        (borrowed / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
        flags = ("--device", "cpu", "--space", "tiny", "--quality", "quick")
        run(sgnas, "profile", *flags, cwd=home)
        check(True, "sgnas profile with onnxruntime")
        where = run(
            python, "-c", "import torch, sgnas_deploy; print(sgnas_deploy.__file__)", cwd=home
        )
        check(str(env) in where, "the installed package is used, with torch borrowed")
    print("the wheel is fine")


if __name__ == "__main__":
    main()
