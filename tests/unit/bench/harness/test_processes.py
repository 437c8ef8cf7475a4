"""The kernel's figures of programs."""

import sys
from pathlib import Path

from bench.harness.processes import free_port, program


def test_a_program_is_measured_while_it_runs_and_stopped(tmp_path: Path) -> None:
    """It answers, has taken processor time and memory, and exits when asked."""
    port = free_port()
    command = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port))

    with program(command, port=port, folder=tmp_path, environment={}) as server:
        assert server.until_answering("/") > 0
        assert server.status("/nowhere") == 404
        assert server.cpu_seconds() > 0
        assert server.cpu().total > 0
        memory = server.memory()
        server.stop()

    assert server.status("/") is None
    assert 0 < memory.unique <= memory.resident_most
