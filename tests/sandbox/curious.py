"""The code of a submission that looks everywhere, and tells what it found on its standard output.

It is written into a submission's folder and imported by the runner; `{...}` names stand for what the test planted. It
answers class 740 to everything, and lies about the time.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import gc
import json
import mmap
import os
import re
import socket
import sys
import threading
import time
from pathlib import Path

import torch
from torch import nn

PLANTED = json.loads(Path(__file__).with_name("planted.json").read_text())
_LIBC = ctypes.CDLL(None, use_errno=True)
_FORGED = '{"status": "verified", "metrics": {"top1": 1.0}}'


def errno_of(call, *arguments):
    """The name of the error of a call, or what it gave."""
    try:
        return f"done: {call(*arguments)!r}"[:80]
    except OSError as error:
        return type(error).__name__ if error.errno is None else os.strerror(error.errno)
    except ValueError as error:
        return str(error)


def find_files():
    """Files that may tell a label, by their name, anywhere."""
    pattern = re.compile(r"ILSVRC2012_val|\.JPEG$|ground.?truth|val\.txt|\.parquet$|submissions?$", re.IGNORECASE)
    found = []
    for top, folders, names in os.walk("/"):
        if top in ("/proc", "/sys"):
            folders[:] = []
        found += [os.path.join(top, name) for name in names + folders if pattern.search(name)]
    known = [path for path in PLANTED["paths"] if os.path.lexists(path)]
    packages = (os.path.dirname(os.path.dirname(torch.__file__)), sys.base_prefix, "/usr", "/runner/bench")
    return known + [path for path in found if not path.startswith(packages)]


def find_objects():
    """Objects of the parent's side that live in this process."""
    names = {"Dataset", "Sample", "Predictions", "Ranked", "Store", "Batch", "Auditor"}
    kinds = [
        item
        for item in gc.get_objects()
        if str(type(item).__module__).startswith("bench.") and type(item).__name__ in names
    ]
    frames = []
    frame = sys._getframe()
    while frame is not None:
        frames += [name for name in frame.f_locals if re.search("label|sample_id|order|seed", name)]
        frame = frame.f_back
    return [type(item).__name__ for item in kinds] + frames


def scan_memory():
    """The sample ids that lie in memory that this process can read: one that it makes itself, and any others."""
    wanted = re.compile(b"ILSVRC2012_val_0000[0-9]{4}")
    own = f"ILSVRC2012_val_{9999:08d}"
    found = set()
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, rights, *_ = line.split()
            start, stop = (int(text, 16) for text in span.split("-"))
            if not rights.startswith("r") or stop - start > 1 << 30 or "[v" in line:
                continue
            try:
                memory.seek(start)
                content = memory.read(stop - start)
            except (OSError, ValueError):
                continue
            found.update(wanted.findall(content))
    assert own.encode() in found
    return sorted(text.decode() for text in found)


def processes():
    """What /proc tells of all processes."""
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    told = ""
    for pid in pids:
        for name in ("environ", "cmdline", "comm", "status", "mounts", "mountinfo", "maps"):
            try:
                told += Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace")
            except OSError:
                pass
    return {"pids": len(pids), "secrets": [text for text in PLANTED["secrets"] if text in told]}


def descriptors():
    """Where each of the descriptors 0 to 1023 leads, numbers left out."""
    found = {}
    for number in range(1024):
        try:
            found[number] = re.sub(r"\d+", "N", os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            pass
    return found


def batch_memory(found):
    """What can be done to the memory that the batches lie in."""
    numbers = [number for number, place in found.items() if "batches" in place]
    number = numbers[0]
    return {
        "shrink": errno_of(os.ftruncate, number, 0),
        "grow": errno_of(os.ftruncate, number, 1 << 40),
        "write": errno_of(os.pwrite, number, b"x", 0),
        "map": errno_of(lambda: mmap.mmap(number, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE)),
        "unseal": errno_of(fcntl.fcntl, number, fcntl.F_ADD_SEALS, 0),
        "reopen": errno_of(lambda: os.pwrite(os.open(f"/proc/self/fd/{number}", os.O_RDWR), b"x", 0)),
    }


def network():
    """Ways out."""

    def connect(family, kind, address):
        with socket.socket(family, kind) as out:
            out.settimeout(5)
            out.connect(address)
            out.send(b"x")

    return {
        "tcp": errno_of(connect, socket.AF_INET, socket.SOCK_STREAM, ("1.1.1.1", 53)),
        "udp": errno_of(connect, socket.AF_INET, socket.SOCK_DGRAM, ("1.1.1.1", 53)),
        "host": errno_of(connect, socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", PLANTED["port"])),
        "abstract": errno_of(connect, socket.AF_UNIX, socket.SOCK_STREAM, "\0" + PLANTED["abstract"]),
        "dns": errno_of(socket.getaddrinfo, "example.com", 443),
        "vsock": errno_of(lambda: socket.socket(40, socket.SOCK_STREAM)),
        "packet": errno_of(lambda: socket.socket(17, socket.SOCK_RAW)),
    }


def writes():
    """Where files can be made."""
    places = ["/", "/dev", "/usr", "/usr/lib", "/submission", "/runner/bench", "/etc", sys.prefix, *PLANTED["paths"]]
    return {place: errno_of(lambda place=place: open(os.path.join(place, "canary"), "x")) for place in places}


def fills():
    """How much of each scratch space can be filled, in MiB."""
    filled = {}
    for place in ("/tmp", "/dev/shm"):
        num = 0
        try:
            with open(f"{place}/fill", "wb") as out:
                while num < 4096:
                    num += out.write(bytes(1 << 20)) >> 20
                    out.flush()
        except OSError as error:
            filled[place] = (num, os.strerror(error.errno))
        os.remove(f"{place}/fill")
    return filled


def calls():
    """System calls that are refused, by the name of their error."""

    def call(name, *arguments):
        ctypes.set_errno(0)
        result = getattr(_LIBC, name)(*arguments)
        return "done" if result >= 0 else os.strerror(ctypes.get_errno())

    return {
        "ptrace": call("ptrace", 16, 1, 0, 0),
        "unshare": call("unshare", 0x10000000),
        "setns": call("setns", 0, 0),
        "mount": call("mount", b"none", b"/tmp", b"tmpfs", 0, 0),
        "chroot": call("chroot", b"/tmp"),
        "keyctl": call("syscall", 250 if os.uname().machine == "x86_64" else 219, 0, 0, 0, 0, 0),
        "io_uring": call("syscall", 425, 1, 0),
        "open_tree": call("syscall", 428, -100, b"/", 1),
        "bpf": call("syscall", 321 if os.uname().machine == "x86_64" else 280, 0, 0, 0),
    }


def look():
    """All of it."""
    found = descriptors()
    return {
        "files": find_files(),
        "objects": find_objects(),
        "memory": scan_memory(),
        "processes": processes(),
        "descriptors": sorted(found.values()),
        "batch_memory": batch_memory(found),
        "network": network(),
        "writes": writes(),
        "fills": fills(),
        "calls": calls(),
        "environment": dict(os.environ),
        "place": [os.uname().nodename, os.getuid(), os.getgid(), os.getcwd(), os.getgroups()],
    }


class Curious(nn.Module):
    """Looks around in its first forward pass, when there is a batch to be seen."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.report = None

    def forward(self, images):
        if self.report is None:
            self.report = look()
            os.write(1, b"REPORT " + json.dumps(self.report).encode() + b"\n")
            patch()
        logits = torch.zeros(len(images), 1000)
        logits[:, 740] = self.scale
        return logits


def patch():
    """Changes every clock and function that a harness in this process would trust, and prints forged results."""
    time.perf_counter = time.monotonic = time.time = lambda: 0.0
    time.perf_counter_ns = time.monotonic_ns = lambda: 0
    torch.topk = torch.Tensor.topk = lambda *_, **__: None
    torch.load = lambda *_, **__: None
    torch.Tensor.argmax = lambda *_, **__: None
    torch.cuda.Event = None
    print(_FORGED, flush=True)
    atexit.register(print, _FORGED)
    threading.Thread(target=lambda: os.write(1, _FORGED.encode())).start()


def build_model():
    """The submission's factory."""
    return Curious()
