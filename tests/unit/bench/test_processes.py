"""What the kernel says of programs."""

import sys
from pathlib import Path

from bench.processes import free_port, program, unique_bytes


def test_a_program_is_measured_while_it_runs_and_ended(tmp_path: Path) -> None:
    """It answers, has taken processor time and memory, and ends when asked."""
    port = free_port()
    command = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port))

    with program(command, port=port, folder=tmp_path, environment={}) as server:
        assert server.until_answering("/") > 0
        assert server.status("/nowhere") == 404
        assert server.cpu_seconds() > 0
        memory = server.memory()
        server.stop()

    assert server.status("/") is None
    assert 0 < memory.unique <= memory.proportional <= memory.resident <= memory.resident_most


def test_memory_of_its_own_grows_with_what_is_held() -> None:
    """Bytes that were written to are this process's alone."""
    before = unique_bytes("self")
    held = bytearray(b"x" * 50_000_000)

    assert unique_bytes("self") - before > 0.9 * len(held)
