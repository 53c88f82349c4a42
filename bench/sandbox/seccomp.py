"""The system calls that a submission may not make, as a program for the kernel's filter (seccomp, classic BPF).

A deny list and not an allow list: CUDA and torch need many calls and ioctls. What is denied watches or changes other
processes, makes namespaces or mounts, loads code into the kernel, or has been a way out of containers.

Numbers: Linux arch/x86/entry/syscalls/syscall_64.tbl, and include/uapi/asm-generic/unistd.h for aarch64. The layout of
`seccomp_data`: nr at 0, arch at 4, arguments of 8 bytes from 16 on (man 2 seccomp).
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["ARCHITECTURES", "Architecture", "filter_program"]

_KILL, _ALLOW, _ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NR, _ARCH, _FIRST_ARGUMENT = 0, 4, 16
_X32_BIT = 0x40000000
_CLONE_NEWUSER = 0x10000000
_SOCKET_FAMILIES = (1, 2, 10, 16)  # unix, inet, inet6, netlink; not vsock, which no namespace confines, nor the rest

# Same number on every architecture, because they are young.
_YOUNG = {
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "mount_setattr": 442, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "pidfd_getfd": 438,
    "process_madvise": 440, "quotactl_fd": 443, "process_mrelease": 448,
}  # fmt: skip
_X86_64 = {
    "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "perf_event_open": 298, "bpf": 321,
    "userfaultfd": 323, "add_key": 248, "request_key": 249, "keyctl": 250, "mount": 165, "umount2": 166,
    "pivot_root": 155, "unshare": 272, "setns": 308, "chroot": 161, "mknod": 133, "mknodat": 259,
    "open_by_handle_at": 304, "name_to_handle_at": 303, "create_module": 174, "init_module": 175, "delete_module": 176,
    "finit_module": 313, "kexec_load": 246, "kexec_file_load": 320, "swapon": 167, "swapoff": 168, "reboot": 169,
    "acct": 163, "quotactl": 179, "syslog": 103, "iopl": 172, "ioperm": 173, "modify_ldt": 154, "uselib": 134,
    "lookup_dcookie": 212, "nfsservctl": 180, "vhangup": 153, "settimeofday": 164, "clock_settime": 227,
    "clock_adjtime": 305, "adjtimex": 159, "sethostname": 170, "setdomainname": 171, "fanotify_init": 300,
}  # fmt: skip
_AARCH64 = {
    "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272, "perf_event_open": 241, "bpf": 280,
    "userfaultfd": 282, "add_key": 217, "request_key": 218, "keyctl": 219, "mount": 40, "umount2": 39,
    "pivot_root": 41, "unshare": 97, "setns": 268, "chroot": 51, "mknodat": 33, "open_by_handle_at": 265,
    "name_to_handle_at": 264, "init_module": 105, "delete_module": 106, "finit_module": 273, "kexec_load": 104,
    "kexec_file_load": 294, "swapon": 224, "swapoff": 225, "reboot": 142, "acct": 89, "quotactl": 60, "syslog": 116,
    "lookup_dcookie": 18, "nfsservctl": 42, "vhangup": 58, "settimeofday": 170, "clock_settime": 112,
    "clock_adjtime": 266, "adjtimex": 171, "sethostname": 161, "setdomainname": 162, "fanotify_init": 262,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What the filter must know of a processor."""

    audit: int
    """AUDIT_ARCH_* of linux/audit.h."""
    denied: Mapping[str, int]
    """The refused calls and their numbers."""
    clone: int
    clone3: int
    socket: int


ARCHITECTURES: dict[str, Architecture] = {
    "x86_64": Architecture(audit=0xC000003E, denied=_X86_64 | _YOUNG, clone=56, clone3=435, socket=41),
    "aarch64": Architecture(audit=0xC00000B7, denied=_AARCH64 | _YOUNG, clone=220, clone3=435, socket=198),
}
"""The processors that there is a filter for, by `platform.machine()`."""


def filter_program(machine: str) -> bytes | None:
    """The filter as an array of `struct sock_filter`, or None for a processor that there is none for.

    It kills a process that calls with another processor's numbers (32-bit ones, x32), which would slip through;
    refuses the denied calls with EPERM; refuses new user namespaces; says that there is no clone3, whose flags lie in
    memory that a filter cannot read (the C library then uses clone); and allows sockets of four families only.

    Args:
        machine: What `platform.machine()` says.
    """
    target = ARCHITECTURES.get(machine)
    if target is None:
        return None
    program = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, target.audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NR),
        (_AT_LEAST, 0, 1, _X32_BIT),  # no other number is that high
        (_RETURN, 0, 0, _KILL),
    ]
    for number in sorted(target.denied.values()):
        program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    families = [(_EQUAL, len(_SOCKET_FAMILIES) - at, 0, family) for at, family in enumerate(_SOCKET_FAMILIES)]
    program += [
        (_EQUAL, 0, 1, target.clone3),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
        (_EQUAL, 0, 4, target.clone),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_ANY_BIT, 0, 1, _CLONE_NEWUSER),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
        (_EQUAL, 0, len(families) + 2, target.socket),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        *families,
        (_RETURN, 0, 0, _ERRNO | errno.EAFNOSUPPORT),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("<HBBI", *step) for step in program)
