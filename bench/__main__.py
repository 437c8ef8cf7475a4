"""All benchmarks in one run, as one report: ``uv run task bench``, or ``python -m bench``.

Each section runs in a process of its own, one after the other, so that no section warms or burdens
the next. The report is printed, and written as Markdown and JSON.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from bench.harness.report import Section, section_lines, summary_lines, tell

SECTIONS: Final = (
    "ingest",
    "matching",
    "memory",
    "accept",
    "persistence",
    "answer",
    "open_orders",
    "start",
    "growth",
)
"""The modules of this package that are measured, in the order of the report."""


def main() -> int:
    """Measure the chosen sections; return 1 if one could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").strip())
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="measure only these sections")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("bench-report"),
        metavar="PATH",
        help="write PATH.md and PATH.json (default: bench-report)",
    )
    arguments = parser.parse_args()
    names = arguments.only or SECTIONS
    sections: list[Section] = []
    failed: list[str] = []
    for number, name in enumerate(names, 1):
        tell(f"[{number} of {len(names)}] {name}")
        section = _measured(name)
        if section is None:
            failed.append(name)
        else:
            sections.append(section)
    machine = machine_facts()
    text = "\n".join(_report(machine, sections, failed))
    print(text)
    arguments.out.with_suffix(".md").write_text(text + "\n")
    data = {"machine": machine, "sections": [asdict(one) for one in sections], "failed": failed}
    arguments.out.with_suffix(".json").write_text(
        json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    )
    return 1 if failed else 0


def machine_facts() -> dict[str, str]:
    """Describe the machine and the date."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{pages / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _measured(name: str) -> Section | None:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "section.json"
        command = [sys.executable, "-m", f"bench.{name}", "--json", str(found)]
        done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)  # noqa: S603 - ours
        if done.returncode:
            tell(f"{name} failed with {done.returncode}")
            return None
        tell(f"{name} took {time.monotonic() - started:.0f} s")
        return msgspec.json.decode(found.read_bytes(), type=Section)


def _report(machine: dict[str, str], sections: list[Section], failed: list[str]) -> list[str]:
    lines = ["# Benchmark report", ""]
    lines += [f"- {name}: {value}" for name, value in machine.items()]
    lines += ["", "## Goals", "", *summary_lines(sections), ""]
    if failed:
        lines += [f"Could not be measured: {', '.join(failed)}.", ""]
    for section in sections:
        lines += section_lines(section)
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
