"""Settings of the embedded server: PostgreSQL's defaults are made for a machine of long ago, tagdb's work is bulk."""

from __future__ import annotations

import os
from pathlib import Path

PORT = 5432
_MB = 1024**2
_GB = 1024**3


def memory_bytes() -> int:
    """Return the memory this process may use: the machine's, or its container's limit where that is less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):
        return machine
    return min(machine, limit)


def settings(socket_folder: Path) -> str:
    """Return the text of the server's `tagdb.conf`, sized for this machine."""
    memory, cores = memory_bytes(), os.cpu_count() or 1
    # The graph of an HNSW index is built much faster while it fits in here: a million vectors of 1,024 need 2.8 GB.
    maintenance = min(memory // 4, 16 * _GB)
    values: dict[str, str | int] = {
        "listen_addresses": "''",
        "port": PORT,
        "unix_socket_directories": _quoted_list_item(str(socket_folder)),
        "unix_socket_permissions": "0700",
        "max_connections": 40,
        "shared_buffers": _megabytes(min(memory // 8, 4 * _GB)),
        "effective_cache_size": _megabytes(memory // 2),
        "maintenance_work_mem": _megabytes(maintenance),
        "autovacuum_work_mem": _megabytes(min(memory // 96, 256 * _MB)),
        "work_mem": _megabytes(min(memory // 96, 256 * _MB)),
        "temp_buffers": _megabytes(min(memory // 192, 128 * _MB)),
        "dynamic_shared_memory_type": _dynamic_shared_memory(maintenance),
        "max_worker_processes": cores + 8,
        "max_parallel_workers": cores,
        "max_parallel_workers_per_gather": cores,
        "max_parallel_maintenance_workers": cores,
        "wal_level": "minimal",
        "max_wal_senders": 0,
        "max_wal_size": _megabytes(4 * _GB),
        "checkpoint_timeout": "'15min'",
        "random_page_cost": "1.1",
        "jit": "off",
        "search_path": "'\"$user\", public, tagdb'",
        "log_min_messages": "warning",
        "log_checkpoints": "off",
    }
    return "".join(f"{name} = {value}\n" for name, value in values.items())


def _megabytes(size: int) -> str:
    return f"'{max(size // _MB, 8)}MB'"


def _quoted_list_item(path: str) -> str:
    item = '"' + path.replace('"', '""') + '"'
    return "'" + item.replace("\\", "\\\\").replace("'", "''") + "'"


def _dynamic_shared_memory(needed: int) -> str:
    """Parallel workers share memory through /dev/shm, which containers often keep smaller than one index build."""
    try:
        available = os.statvfs("/dev/shm")  # noqa: S108
    except OSError:
        return "posix"
    return "posix" if available.f_bavail * available.f_frsize >= needed else "mmap"
