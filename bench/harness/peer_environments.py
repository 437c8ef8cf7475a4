"""The environments in which other people's packages run, apart from the product's own.

Each set of packages is a file beside the scripts that use them: ``bench/peers/NAME.txt`` with exact
versions. It is installed once into ``.bench/NAME`` with uv, and again after the file has changed.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from bench.harness.report import tell

_ROOT: Final = Path(__file__).resolve().parents[2]
_PEERS: Final = _ROOT / "bench" / "peers"
_ENVIRONMENTS: Final = _ROOT / ".bench"


def peer_python(name: str) -> Path:
    """Return the interpreter that has the packages of ``bench/peers/NAME.txt``, and only those.

    Raises:
        subprocess.CalledProcessError: uv cannot install them.
    """
    requirements = _PEERS / f"{name}.txt"
    folder = _ENVIRONMENTS / name
    python = folder / "bin" / "python"
    stamp = folder / "requirements.sha256"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        tell(f"installing the packages of {requirements.name} into {folder}")
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        _run("uv", "venv", "--quiet", "--clear", "--python", version, str(folder))
        _run("uv", "pip", "install", "--quiet", "--python", str(python), "-r", str(requirements))
        stamp.write_text(digest)
    return python


def peer_script(name: str) -> Path:
    """Return ``bench/peers/NAME``."""
    return _PEERS / name


def installed_wheel() -> Path:
    """Build the wheel, install it as the image does, and return the folder of that environment.

    Raises:
        subprocess.CalledProcessError: uv cannot build or install it.
    """
    folder = _ENVIRONMENTS / "papertape"
    python = folder / "bin" / "python"
    if not python.exists():
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        _run("uv", "venv", "--quiet", "--python", version, str(folder))
    install = ("uv", "pip", "install", "--quiet", "--python", str(python))
    _run(*install, "-r", str(_ROOT / "deploy" / "requirements.txt"))
    with tempfile.TemporaryDirectory() as built:
        _run("uv", "build", "--quiet", "--wheel", "--out-dir", built, str(_ROOT))
        (wheel,) = Path(built).glob("*.whl")
        _run(*install, "--no-deps", "--reinstall", str(wheel))
    return folder


def run_peer(
    name: str, script: str, *arguments: str, seconds_max: float | None = None
) -> dict[str, object]:
    """Run ``bench/peers/SCRIPT`` there and return the JSON object that it prints last.

    Raises:
        subprocess.SubprocessError: it failed, or took longer than ``seconds_max`` and was killed.
    """
    done = subprocess.run(  # noqa: S603 - our own script
        [str(peer_python(name)), str(peer_script(script)), *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=seconds_max,
    )
    last: object = json.loads(done.stdout.strip().splitlines()[-1])
    assert isinstance(last, dict), "a peer prints one object"
    return last


def _run(*command: str) -> None:
    subprocess.run(command, check=True)  # noqa: S603 - no shell, fixed words
