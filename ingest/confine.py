"""Takes rights away from the process that calls it: what a render child does before it sees a document.

`limit()` comes first (resource limits, death with the parent), `seal()` after everything is imported and
warm: from then on the process may compute, use memory, and talk over descriptors that it already has.
It cannot open a file (not even for reading), make a socket, start a process or thread, signal or trace
another process. Each returns the names of the protections that really took hold; what a platform lacks is
left out and nothing is raised, so that `SandboxRenderer.protections()` can tell.

Linux (x86_64, aarch64) has all of them. Elsewhere resource limits remain. Knows nothing of documents.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
import struct
import sys

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

PROTECTIONS = (
    "address_space",  # allocations over the limit fail
    "cpu_time",  # a request over its CPU seconds is killed
    "no_file_writes",  # RLIMIT_FSIZE 0
    "few_descriptors",  # RLIMIT_NOFILE
    "no_core_dump",
    "dies_with_parent",
    "network_namespace",  # no interface but a loopback that is down
    "system_calls",  # seccomp allow-list: no open, socket, exec, fork, ptrace, kill
)

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 22, 4, 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_EPERM = 1

# System calls that computing on open descriptors needs, by (x86_64, aarch64) number; None: does not exist there.
# Everything else answers EPERM, so a call that a new libc tries first fails softly.
_ALLOWED: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63),
    "write": (1, 64),
    "readv": (19, 65),
    "writev": (20, 66),
    "pread64": (17, 67),
    "close": (3, 57),
    "fstat": (5, 80),
    "newfstatat": (262, 79),  # glibc's fstat
    "lseek": (8, 62),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "brk": (12, 214),
    "futex": (202, 98),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "getrusage": (98, 165),
    "getrlimit": (97, None),
    "setrlimit": (160, None),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "getrandom": (318, 278),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "poll": (7, None),
    "ppoll": (271, 73),
    "select": (23, None),
    "pselect6": (270, 72),
    "restart_syscall": (219, 128),
    "rseq": (334, 293),
    "set_robust_list": (273, 99),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "times": (100, 153),
    "getcpu": (309, 168),
    "sysinfo": (99, 179),
    "uname": (63, 160),
    "membarrier": (324, 283),
    "recvfrom": (45, 207),
    "recvmsg": (47, 212),
    "sendto": (44, 206),
    "shutdown": (48, 210),
    "dup": (32, 23),
    "fcntl": (72, 25),
}
# Allowed unless the memory is to be executable.
_MAPPING = {"mmap": (9, 222), "mprotect": (10, 226)}
_PROT_EXEC = 4
# Allowed for this very process: by its number (abort() raises its signal with tgkill), or as 0.
_OWN_PID_ONLY = {"tgkill": (234, 131), "prlimit64": (302, 261)}
_ARCHES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def limit(*, memory_bytes: int, parent_pid: int) -> list[str]:
    """Resource limits of this process, and its death when the parent is gone."""
    done: list[str] = []
    if resource is not None:
        if set_soft_memory(memory_bytes):
            done.append("address_space")
        if hasattr(resource, "RLIMIT_CPU"):
            done.append("cpu_time")  # armed anew for each request: see `arm_cpu`
        for name, value, label in (
            ("RLIMIT_FSIZE", 0, "no_file_writes"),
            ("RLIMIT_NOFILE", 64, "few_descriptors"),
            ("RLIMIT_CORE", 0, "no_core_dump"),
        ):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                resource.setrlimit(getattr(resource, name), (value, value))
                done.append(label)
    libc = _libc()
    if libc is not None and libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0:
        done.append("dies_with_parent")
    if os.getppid() != parent_pid:  # it died before we asked
        os._exit(0)
    return done


def set_soft_memory(memory_bytes: int) -> bool:
    """Set the soft limit of address space; False where the platform has none."""
    try:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        soft = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    except (OSError, ValueError, AttributeError):
        return False
    return sys.platform != "darwin"  # accepted there, but not enforced


def arm_cpu(seconds: float) -> None:
    """From now on this process may use `seconds` more of CPU; then SIGXCPU ends it."""
    if resource is None:
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    with contextlib.suppress(OSError, ValueError):
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        soft = int(usage.ru_utime + usage.ru_stime + seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def seal() -> list[str]:
    """No network, and no system call beyond computing. Call when all code is loaded; there is no way back."""
    done: list[str] = []
    libc = _libc()
    if libc is None:
        return done
    namespaces = _CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWNET | _CLONE_NEWUSER
    if libc.unshare(namespaces) == 0:
        done.append("network_namespace")
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    program = filter_program(platform.machine(), os.getpid())
    if program and libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 and _install(libc, program):
        done.append("system_calls")
    return done


def filter_program(machine: str, pid: int) -> bytes | None:
    """The BPF program for a machine as `platform.machine()` names it: an array of `struct sock_filter`."""
    if machine not in _ARCHES:
        return None
    column, arch = _ARCHES[machine]
    load, jeq, jset, ret = 0x20, 0x15, 0x45, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000 | _EPERM

    def op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("=HBBI", code, if_true, if_false, value)

    # struct seccomp_data: nr at 0, arch at 4, arguments of 8 bytes from 16 (low word first on both machines).
    program = [op(load, 4), op(jeq, arch, 1, 0), op(ret, 0x80000000), op(load, 0)]  # another ABI: kill
    for numbers in _ALLOWED.values():
        if (number := numbers[column]) is not None:
            program += [op(jeq, number, 0, 1), op(ret, allow)]
    for numbers in _MAPPING.values():
        program += [op(jeq, numbers[column], 0, 4), op(load, 32), op(jset, _PROT_EXEC, 0, 1), op(ret, refuse)]
        program += [op(ret, allow)]
    for numbers in _OWN_PID_ONLY.values():
        program += [op(jeq, numbers[column], 0, 5), op(load, 16), op(jeq, pid, 1, 0), op(jeq, 0, 0, 1)]
        program += [op(ret, allow), op(ret, refuse)]
    program.append(op(ret, refuse))
    return b"".join(program)


def _install(libc: ctypes.CDLL, program: bytes) -> bool:
    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    described = Program(len(program) // 8, program)
    libc.prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong]
    return libc.prctl(_PR_SET_SECCOMP, 2, ctypes.addressof(described), 0, 0) == 0


def _libc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
    return libc
