"""The filter of system calls, run by an interpreter of its own little language."""

from __future__ import annotations

import errno
import struct

import pytest

from bench.sandbox.seccomp import ARCHITECTURES, filter_program

KILL, ALLOW, ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
MASK = 0xFFFF0000


def run(program: bytes, *, number: int, arch: int, first: int = 0) -> int:
    """What the kernel's filter machine would return for a call."""
    steps = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    data = struct.pack("<IIQ6Q", number, arch, 0, first, 0, 0, 0, 0, 0)
    at = value = 0
    while True:
        code, if_true, if_false, constant = steps[at]
        at += 1
        if code == 0x06:
            return constant
        if code == 0x20:
            value = struct.unpack_from("<I", data, constant)[0]
        else:
            holds = {0x15: value == constant, 0x35: value >= constant, 0x45: bool(value & constant)}[code]
            at += if_true if holds else if_false


@pytest.fixture(params=list(ARCHITECTURES))
def machine(request: pytest.FixtureRequest) -> str:
    """Each processor that there is a filter for."""
    return str(request.param)


def test_denied_calls_are_refused_and_others_pass(machine: str) -> None:
    """EPERM for the listed numbers; every other number of the first 600 goes through."""
    target, program = ARCHITECTURES[machine], filter_program(machine)
    assert program is not None

    special = {target.clone3, target.socket}
    for number in set(range(600)) - special:
        expected = ERRNO | errno.EPERM if number in target.denied.values() else ALLOW
        assert run(program, number=number, arch=target.audit) == expected, number


def test_a_new_user_namespace_is_refused_and_a_thread_is_not(machine: str) -> None:
    """By the flags of clone; clone3, whose flags cannot be read, does not exist."""
    target, program = ARCHITECTURES[machine], filter_program(machine)
    assert program is not None

    assert run(program, number=target.clone, arch=target.audit, first=0x10000000) == ERRNO | errno.EPERM
    assert run(program, number=target.clone, arch=target.audit, first=0x003D0F00) == ALLOW
    assert run(program, number=target.clone3, arch=target.audit) == ERRNO | errno.ENOSYS


def test_only_four_families_of_sockets(machine: str) -> None:
    """A vsock reaches the host of a virtual machine through every namespace."""
    target, program = ARCHITECTURES[machine], filter_program(machine)
    assert program is not None

    allowed = [
        family for family in range(64) if run(program, number=target.socket, arch=target.audit, first=family) == ALLOW
    ]

    assert allowed == [1, 2, 10, 16]


def test_numbers_of_another_processor_kill(machine: str) -> None:
    """32-bit calls, and x32 ones, have other numbers and would slip through."""
    target, program = ARCHITECTURES[machine], filter_program(machine)
    assert program is not None

    assert run(program, number=1, arch=0x40000003) == KILL
    assert run(program, number=0x40000001, arch=target.audit) == KILL


def test_the_kernel_takes_no_more_than_4096_steps(machine: str) -> None:
    """BPF_MAXINSNS of linux/bpf_common.h; jumps are within 255."""
    program = filter_program(machine)

    assert program is not None
    assert len(program) // 8 <= 4096


def test_an_unknown_processor_has_no_filter() -> None:
    """The layer is then missing from the result."""
    assert filter_program("s390x") is None
