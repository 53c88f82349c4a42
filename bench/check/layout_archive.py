"""The directory and the pickle of an archive that torch.save writes; neither is unpacked nor unpickled."""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Iterator
from typing import IO, Any

from bench.check.pickles import Call, Global, PersistentId, PickleError, read_pickle
from bench.check.span import ITEM_BYTES, MAX_HEADER_BYTES, LayoutError, Span, are_sizes

__all__ = ["archive_spans"]

_MAX_MEMBERS = 100_000
_STORAGES = {
    "BoolStorage": "BOOL",
    "ByteStorage": "U8",
    "CharStorage": "I8",
    "ShortStorage": "I16",
    "IntStorage": "I32",
    "LongStorage": "I64",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "FloatStorage": "F32",
    "DoubleStorage": "F64",
}
_CONTAINERS = frozenset(
    {
        Global("collections", "OrderedDict"),
        Global("", "setstate"),
        Global("torch", "Size"),
        Global("torch._utils", "_rebuild_tensor_v2"),
        Global("torch._utils", "_rebuild_parameter"),
        *(Global("torch", name) for name in _STORAGES),
    }
)
_REBUILD_TENSOR = Global("torch._utils", "_rebuild_tensor_v2")
_REBUILDS = frozenset({_REBUILD_TENSOR, Global("torch._utils", "_rebuild_parameter")})


def archive_spans(stream: IO[bytes], size: int) -> Iterator[Span]:
    """The spans of the storages that the tensors of an archive view; views of one storage share its span.

    Args:
        stream: The file.
        size: Its size in bytes.

    Raises:
        LayoutError: Directory or pickle break L20, L21 or L22.
    """
    if (count := _num_members(stream, size)) > _MAX_MEMBERS:
        raise LayoutError("L20", f"holds {count:,} members, at most {_MAX_MEMBERS:,} are taken")
    try:
        with zipfile.ZipFile(stream) as archive:
            members = {item.filename: item for item in archive.infolist()}
            if any(name.endswith("/constants.pkl") for name in members):
                raise LayoutError("L20", "is a TorchScript archive, which is code")
            _check_members(archive.infolist(), members, size)
            content = _pickle_of(archive, members)
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise LayoutError("L20", f"is truncated or no archive of torch.save ({error})") from error
    folder = content[0].rpartition("/")[0]
    try:
        built = read_pickle(content[1])
    except PickleError as error:
        raise LayoutError("L21", f"is no state dict: {error}") from error
    declared, seen = 0, set()
    for name, call in _tensors(built):
        span, num_bytes, view = _view(name, call, members, folder, stream)
        if view not in seen:  # tied weights share their storage
            seen.add(view)
            declared += num_bytes
            if declared > size:
                raise LayoutError("L22", f"declares more bytes of tensors than the {size:,} that it has")
            yield span


def _num_members(stream: IO[bytes], size: int) -> int:
    """How many members the end of a zip file announces; reading a directory of millions takes gigabytes."""
    stream.seek(max(0, size - 65_557))
    tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + 20 > len(tail):
        raise LayoutError("L20", "is truncated or no archive of torch.save (it has no directory)")
    count, directory = struct.unpack_from("<HI", tail, at + 10)
    locator = tail[at - 20 : at] if at >= 20 else b""
    if locator[:4] == b"PK\x06\x07":
        stream.seek(struct.unpack_from("<Q", locator, 8)[0])
        end = stream.read(56)
        if end[:4] != b"PK\x06\x06" or len(end) < 56:
            raise LayoutError("L20", "is truncated or no archive of torch.save (its directory is damaged)")
        count, directory = struct.unpack_from("<QQ", end, 32)
    # An entry has at least 46 bytes: the announced number may lie, the size of the directory is what will be read.
    return max(int(count), int(directory) // 46 if int(directory) > 46 * _MAX_MEMBERS * 4 else 0)


def _check_members(items: list[zipfile.ZipInfo], members: dict[str, zipfile.ZipInfo], size: int) -> None:
    if len(members) != len(items):
        raise LayoutError("L20", "holds two members of one name")
    for item in items:
        if item.compress_type != zipfile.ZIP_STORED or item.compress_size != item.file_size:
            raise LayoutError("L22", f"holds the compressed member {item.filename!r}, which could become anything")
        if item.flag_bits & 1:
            raise LayoutError("L20", f"holds the encrypted member {item.filename!r}")
    if sum(item.file_size for item in items) > size:
        raise LayoutError("L22", f"has members that share bytes: they declare more than the {size:,} bytes of the file")


def _pickle_of(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> tuple[str, bytes]:
    found = [name for name in members if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(found) != 1:
        raise LayoutError("L20", f"holds {len(found)} members data.pkl, an archive of torch.save has one")
    if members[found[0]].file_size > MAX_HEADER_BYTES:
        raise LayoutError("L20", f"has a data.pkl of {members[found[0]].file_size:,} bytes")
    return found[0], archive.read(found[0])


def _tensors(built: Any) -> Iterator[tuple[str, Call]]:
    """The calls that rebuild tensors, by key; every name in the pickle is looked at on the way.

    Raises:
        LayoutError: There is a name that is none of a state dict, or something else than tensors by name.
    """
    calls = list(_rebuilt(built))
    for name, value in _entries(built):
        if not (isinstance(value, Call) and value.function in _REBUILDS):
            raise LayoutError("L20", f"holds no tensor under {name!r}: it is a checkpoint and no state dict")
    yield from calls


def _entries(built: Any) -> list[tuple[Any, Any]]:
    """The items of the dict that a pickle builds, whatever kind of dict it is.

    Raises:
        LayoutError: It is no dict.
    """
    while isinstance(built, Call) and isinstance(built.arguments, tuple) and built.arguments:
        built = built.arguments[0]  # OrderedDict([...]), with its state set on it
    if isinstance(built, Call):
        return []
    if not isinstance(built, list) or not all(isinstance(item, tuple) and len(item) == 2 for item in built):
        raise LayoutError("L20", "holds no dict of tensors")
    return built


def _rebuilt(built: Any) -> Iterator[tuple[str, Call]]:
    pending: list[tuple[str, Any]] = [("", built)]
    visited: set[int] = set()
    while pending:
        name, item = pending.pop()
        if isinstance(item, Global):
            if item not in _CONTAINERS:
                raise LayoutError("L21", f"names {item.module}.{item.name}, which loading would import")
            continue
        if not isinstance(item, tuple | list) or id(item) in visited:
            continue
        visited.add(id(item))
        if isinstance(item, Call):
            if not isinstance(item.function, Global):
                raise LayoutError("L21", "calls what it has built itself")
            if item.function == _REBUILD_TENSOR:
                yield name, item
        for child in item:
            is_pair = type(child) is tuple and len(child) == 2 and isinstance(child[0], str)
            pending.append((child[0], child[1]) if is_pair else (name, child))


def _view(
    name: str, call: Call, members: dict[str, zipfile.ZipInfo], folder: str, stream: IO[bytes]
) -> tuple[Span, int, tuple[Any, ...]]:
    """A tensor's storage, the bytes that it declares itself, and what tells views apart."""
    damaged = LayoutError("L20", f"describes the tensor {name!r} in no known way")
    arguments = call.arguments
    if not isinstance(arguments, tuple) or len(arguments) < 4 or not isinstance(arguments[0], PersistentId):
        raise damaged
    offset, shape, strides, reference = arguments[1], arguments[2], arguments[3], arguments[0].value
    if not isinstance(reference, tuple) or len(reference) < 5 or not isinstance(reference[1], Global):
        raise damaged
    dtype, member = _STORAGES.get(reference[1].name), members.get(f"{folder}/data/{reference[2]}".lstrip("/"))
    if (
        dtype is None
        or member is None
        or not are_sizes([offset, reference[4]])
        or not are_sizes(shape)
        or not are_sizes(strides)
        or len(shape) != len(strides)
    ):
        raise damaged
    if _overlaps(shape, strides):
        raise LayoutError(
            "L22", f"tensor {name!r} of shape {tuple(shape)} counts elements twice (strides {tuple(strides)})"
        )
    item = ITEM_BYTES[dtype]
    last = offset + sum(stride * (count - 1) for stride, count in zip(strides, shape, strict=True))
    if math.prod(shape) and (last + 1) * item > member.file_size:
        raise LayoutError("L22", f"tensor {name!r} reaches beyond its storage of {member.file_size:,} bytes")
    start = _data_start(stream, member)
    view = (reference[2], offset, tuple(shape), tuple(strides))
    return Span(name, dtype, start, member.file_size // item * item), math.prod(shape) * item, view


def _overlaps(shape: Any, strides: Any) -> bool:
    """Whether two indices of a tensor may share one element."""
    reach = 1
    for stride, size in sorted((stride, size) for stride, size in zip(strides, shape, strict=True) if size > 1):
        if stride < reach:
            return True
        reach += stride * (size - 1)
    return False


def _data_start(stream: IO[bytes], member: zipfile.ZipInfo) -> int:
    """Where the bytes of a stored member begin: behind its local header, whose name and extra field vary."""
    stream.seek(member.header_offset + 26)
    name, extra = struct.unpack("<HH", stream.read(4))
    return member.header_offset + 30 + int(name) + int(extra)
