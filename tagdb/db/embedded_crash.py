"""What a server that was killed leaves behind, and what keeps the next one from starting until it is gone."""

from __future__ import annotations

from pathlib import Path


def forget_dead_server(*lock_files: Path) -> None:
    """Remove lock files of a server that was killed, when the process number in them is another program's by now.

    PostgreSQL would take that process for a server of this cluster. It happens after a reboot, and in containers,
    where numbers are small, come again, and stay with processes that have ended while nobody asks for their end.
    Should processes of the dead server be left, PostgreSQL still refuses to start, by the memory they share.
    """
    for lock_file in lock_files:
        try:
            pid = int(lock_file.read_text().split("\n")[0])
            program, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
        except (OSError, ValueError):
            continue
        if not program.endswith("(postgres") or rest.split()[0] == "Z":
            lock_file.unlink()


def log_size(log: Path) -> int:
    """Return where in the log the next line will stand, in bytes."""
    return log.stat().st_size if log.exists() else 0


def last_words(log: Path, start: int) -> str:
    """Return why a server did not start, by what its log says from byte `start` on."""
    if not log.exists():
        return "it gave no reason"
    with log.open("rb") as lines:
        lines.seek(start)
        text = lines.read().decode(errors="replace")
    reasons = [line.split("FATAL:")[1].strip() for line in text.splitlines() if "FATAL:" in line]
    return "; ".join(reasons) or last_line(text)


def last_line(text: str) -> str:
    """Return the last line of a program's output."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it gave no reason"
