"""Which build of torch is installed. It is needed once, to prepare the embedding model, and on the processor alone.

The build for GPUs brings gigabytes of libraries. It is taken only where no other is to be had and there is a GPU.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from programs import SetupFailed, attempt, run

VERSION = "torch==2.13.0"
CPU_BUILDS = "https://download.pytorch.org/whl/cpu"
"""Where PyTorch itself keeps the builds for processors."""
_GPU_SIGNS = (Path("/proc/driver/nvidia/version"), Path("/dev/nvidiactl"))
_GPU_LIBRARIES = """
import json, sys
from pip._vendor.packaging.requirements import Requirement
wanted = map(Requirement, json.load(sys.stdin))
for one in wanted:
    if one.name.startswith(("nvidia", "cuda", "triton")) and (one.marker is None or one.marker.evaluate({"extra": ""})):
        extras = f"[{','.join(sorted(one.extras))}]" if one.extras else ""
        print(f"{one.name}{extras}{one.specifier}")
"""


def install(python: Path, pip: Sequence[str]) -> None:
    """Install torch, without its dependencies: those the processor needs stand in the lock file.

    Args:
        python: the environment's interpreter.
        pip: pip of that environment as a command. It reads where this machine keeps builds of its own, and takes
            one for processors where one is at hand.

    Raises:
        SetupFailed: no build can be had that works here without gigabytes for a GPU that is not there.
    """
    libraries = _gpu_libraries(python, pip)
    if not libraries:
        run([*pip, "install", "--no-deps", VERSION], "Installing torch failed. Is the package index reachable?")
        return
    reason = attempt([*pip, "install", "--no-deps", "--retries", "1", "--index-url", CPU_BUILDS, VERSION])
    if reason is None:
        return
    if not _has_gpu():
        raise SetupFailed(
            f"{reason}\nThe package index has torch only for GPUs, with gigabytes of libraries for a card this machine "
            f"does not have, and {CPU_BUILDS} cannot be reached. Let this machine reach it, or name a place that has "
            f"{VERSION} for processors in PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS, and run the command again."
        )
    print(f"  torch comes as its build for GPUs, with {len(libraries)} libraries", flush=True)
    run([*pip, "install", "--no-deps", VERSION], "Installing torch failed. Is the package index reachable?")
    run([*pip, "install", *libraries], "Installing the libraries of torch's build for GPUs failed.")


def _gpu_libraries(python: Path, pip: Sequence[str]) -> list[str]:
    """What the build that pip would take needs for GPUs; empty for a build for processors, and when pip cannot tell."""
    command = [*pip, "install", "--dry-run", "--ignore-installed", "--no-deps", "--report", "-", VERSION]
    asked = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    try:
        metadata = json.loads(asked.stdout)["install"][0]["metadata"]
    except (ValueError, LookupError):
        return []  # installing says why
    needs = json.dumps(metadata.get("requires_dist", []))
    found = subprocess.run([str(python), "-c", _GPU_LIBRARIES], input=needs, capture_output=True, text=True, check=True)
    return found.stdout.split()


def _has_gpu() -> bool:
    return shutil.which("nvidia-smi") is not None or any(sign.exists() for sign in _GPU_SIGNS)
