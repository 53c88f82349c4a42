"""Archives of submissions: one way to make them, and nothing else is read."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.challenge.archive import pack, read_envelope, unpack
from bench.challenge.envelope import Envelope, check_path
from bench.challenge.tree import files_of
from bench.errors import BenchError, RecordError, SubmissionError
from bench.files import canonical_json, sha256_of_file
from bench.signing import SecretKey

KEY = SecretKey(bytes(32))
LIMITS = {"max_bytes": 1 << 20, "max_files": 20}
LONG_NAME = "a" * 120 + ".txt"
GOLDEN_DIGEST = "aa38a0a652ddbab26a9ce09527e3f52788be7352044930e09185e5f79a282405"
GOLDEN_SHA256 = "6c08abacc6eb894e98e6e31611d20b1cf92758db54a37c6ed0dd151e83432787"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A submission's folder with a subfolder, an empty file, a long name, and what is not handed in."""
    path = tmp_path / "acme" / "net"
    (path / "more").mkdir(parents=True)
    (path / "submission.toml").write_text("title = 'Net'\n")
    (path / "more" / "weights.safetensors").write_bytes(bytes(range(256)) * 5)
    (path / "more" / "empty").touch()
    (path / LONG_NAME).write_text("long")
    (path / ".git").mkdir()
    (path / ".git" / "config").write_text("secret")
    (path / "__pycache__").mkdir()
    (path / "__pycache__" / "model.pyc").write_text("cache")
    return path


def envelope_of(folder: Path, key: SecretKey = KEY) -> Envelope:
    """The signed envelope of a folder."""
    return Envelope(
        challenge="demo",
        phase="test",
        division="closed",
        team="acme",
        account="ann",
        name="net",
        submission="a" * 64,
        files=files_of(folder, **LIMITS),
        key=key.public,
    ).signed_by(key)


@pytest.fixture
def archive(folder: Path, tmp_path: Path) -> Path:
    """Its archive."""
    path = tmp_path / "net.tar"
    pack(folder, envelope_of(folder), path)
    return path


def test_archive_comes_back_as_the_folder_was(folder: Path, archive: Path, tmp_path: Path) -> None:
    """Every file that is handed in comes back, and nothing else."""
    envelope = unpack(archive, tmp_path / "out", **LIMITS)

    assert envelope == envelope_of(folder)
    assert files_of(tmp_path / "out", **LIMITS) == envelope.files
    assert [file.path for file in envelope.files] == [
        LONG_NAME,
        "more/empty",
        "more/weights.safetensors",
        "submission.toml",
    ]


def test_same_folder_gives_the_same_bytes(folder: Path, archive: Path, tmp_path: Path) -> None:
    """Neither times nor modes nor the order of the listing are in the archive."""
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o755)
    again = tmp_path / "again.tar"
    pack(folder, envelope_of(folder), again)

    assert again.read_bytes() == archive.read_bytes()


def test_archive_of_known_files_has_known_bytes(tmp_path: Path) -> None:
    """Every Python writes the same tar: a digest that changes would charge teams twice."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "submission.toml").write_text("title = 'Net'\n")
    (tmp_path / "net" / LONG_NAME).write_text("long")
    envelope = envelope_of(tmp_path / "net")
    pack(tmp_path / "net", envelope, tmp_path / "net.tar")

    assert (envelope.archive_digest, sha256_of_file(tmp_path / "net.tar")) == (GOLDEN_DIGEST, GOLDEN_SHA256)


def test_digest_is_of_what_is_signed(folder: Path) -> None:
    """Another key signs another envelope; the same one has one digest, whatever its signature."""
    envelope = envelope_of(folder)

    assert envelope.model_copy(update={"signature": None}).archive_digest == envelope.archive_digest
    assert envelope_of(folder, SecretKey(b"x" * 32)).archive_digest != envelope.archive_digest


def test_tar_shows_the_archive_to_people(archive: Path) -> None:
    """It is a tar that Python's own reader lists: regular files of mode 644, without owner and time."""
    with tarfile.open(archive) as listed:
        infos = listed.getmembers()

    assert [info.name for info in infos][:2] == ["envelope.json", f"files/{LONG_NAME}"]
    assert {(info.type, info.mode, info.uid, info.mtime) for info in infos} == {(tarfile.REGTYPE, 0o644, 0, 0)}


@given(data=st.data())
def test_any_flipped_bit_is_found(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever is changed on the way, in headers, padding, envelope or files, the archive is refused."""
    top = tmp_path_factory.mktemp("flip")
    (top / "net").mkdir()
    (top / "net" / "submission.toml").write_text("title = 'Net'\n")
    pack(top / "net", envelope_of(top / "net"), top / "net.tar")
    content = bytearray((top / "net.tar").read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    (top / "net.tar").write_bytes(content)

    with pytest.raises(BenchError):
        unpack(top / "net.tar", top / "out", **LIMITS)


def test_any_truncation_or_addition_is_found(archive: Path, tmp_path: Path) -> None:
    """A transfer that was cut off, at any block and within one, and one that goes on, are refused."""
    content = archive.read_bytes()
    cut = [*range(0, len(content), 512), len(content) - 1, len(content) + 1, len(content) + 512]
    for number, length in enumerate(cut):
        archive.write_bytes(content.ljust(length, b"\0")[:length])
        with pytest.raises(SubmissionError):
            unpack(archive, tmp_path / f"out{number}", **LIMITS)


def link_to(target: str, kind: bytes) -> tarfile.TarInfo:
    """A member that points to another file."""
    info = tarfile.TarInfo("files/submission.toml")
    info.type, info.linkname = kind, target
    return info


def named(name: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    """A member of any name and kind."""
    info = tarfile.TarInfo(name)
    info.type = kind
    return info


HOSTILE_MEMBERS = {
    "symbolic link": link_to("/etc/passwd", tarfile.SYMTYPE),
    "hard link": link_to("/etc/passwd", tarfile.LNKTYPE),
    "climbing path": named("files/../../escaped"),
    "absolute path": named("/tmp/escaped"),  # noqa: S108 - a name in an archive
    "FIFO": named("files/submission.toml", tarfile.FIFOTYPE),
    "device": named("files/submission.toml", tarfile.CHRTYPE),
    "folder": named("files", tarfile.DIRTYPE),
    "sparse file": named("files/submission.toml", tarfile.GNUTYPE_SPARSE),
}


@pytest.mark.parametrize("name", HOSTILE_MEMBERS)
def test_hostile_member_is_refused_before_it_is_written(name: str, folder: Path, tmp_path: Path) -> None:
    """Hostile row 36 for archives: a signed envelope with a member that it does not list writes nothing outside."""
    envelope = envelope_of(folder)
    content = envelope.to_bytes()
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as written:
        info = tarfile.TarInfo("envelope.json")
        info.size = len(content)
        written.addfile(info, io.BytesIO(content))
        written.addfile(HOSTILE_MEMBERS[name])
    path = tmp_path / "hostile.tar"
    path.write_bytes(made.getvalue())

    with pytest.raises(SubmissionError, match="differs in the header"):
        unpack(path, tmp_path / "out", **LIMITS)
    assert not (tmp_path / "escaped").exists()
    assert list((tmp_path / "out").rglob("*")) == []


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("../labels.csv", "climbs out"),
        ("/etc/passwd", "absolute"),
        ("a//b", "shortest form"),
        ("a/./b", "shortest form"),
        (".ssh/id", "hidden"),
        ("a\\..\\b", "backslash"),
        ("a\nb", "plain ASCII"),
        ("n\u202egnp.exe", "plain ASCII"),
        ("x" * 256, "characters"),
    ],
)
def test_paths_that_leave_or_deceive_are_refused(name: str, problem: str) -> None:
    """The envelope cannot list what climbs, is absolute, hidden, or looks like something else."""
    with pytest.raises(ValueError, match=problem):
        check_path(name)


def change(**fields: object) -> Callable[[dict[str, object]], None]:
    """A change of an envelope's keys."""
    return lambda value: value.update(fields)


def swap_files(value: dict[str, object]) -> None:
    """Files in another order."""
    value["files"] = list(reversed(value["files"]))  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "edit",
    [change(team="bell"), change(phase="development"), change(submission="b" * 64), change(more=1), swap_files],
)
def test_edited_envelope_is_refused(edit: Callable[[dict[str, object]], None], folder: Path, tmp_path: Path) -> None:
    """Nobody can hand in for another team, or move an archive to another phase."""
    value = envelope_of(folder).as_json()
    edit(value)
    with pytest.raises((SubmissionError, RecordError)):
        Envelope.from_bytes((canonical_json(value) + "\n").encode(), tmp_path)


@pytest.mark.parametrize("content", [b"[" * 100_000, b"9" * 5000, b"\xff", b"[1]", b"", b'{"a":1,"a":2}'])
def test_broken_envelopes_are_refused(content: bytes, tmp_path: Path) -> None:
    """Deep nesting, long numbers and what is no JSON end in a sentence."""
    with pytest.raises(BenchError):
        Envelope.from_bytes(content, tmp_path)


def test_large_size_field_reads_nothing(tmp_path: Path) -> None:
    """A header that promises gigabytes is refused before anything is read or allocated."""
    header = bytearray(512)
    header[:13] = b"envelope.json"
    header[124:135] = b"7" * 11
    with pytest.raises(SubmissionError, match="is no archive"):
        read_envelope(io.BytesIO(bytes(header)), tmp_path)


def test_archives_over_the_limits_are_refused(archive: Path, tmp_path: Path) -> None:
    """Size and number of files are bounded on the evaluator's side too."""
    with pytest.raises(SubmissionError, match="bytes, at most"):
        unpack(archive, tmp_path / "a", max_bytes=100, max_files=20)
    with pytest.raises(SubmissionError, match="holds 4 files"):
        unpack(archive, tmp_path / "b", max_bytes=1 << 20, max_files=3)


def test_links_and_devices_are_not_packed(folder: Path, tmp_path: Path) -> None:
    """Hostile row 36 for folders: each is refused with its path."""
    outside = tmp_path / "labels.csv"
    outside.write_text("secret")

    def hard(path: Path) -> None:
        path.hardlink_to(outside)

    makers: dict[str, tuple[Callable[[Path], None], str]] = {
        "link to a file": (lambda path: path.symlink_to(outside), "is a link"),
        "link to a folder": (lambda path: path.symlink_to(tmp_path), "is a link"),
        "hard link": (hard, "hard link"),
        "FIFO": (os.mkfifo, "no regular file"),
    }
    for make, problem in makers.values():
        bad = folder / "bad"
        make(bad)
        with pytest.raises(SubmissionError, match=problem):
            files_of(folder, **LIMITS)
        bad.unlink()


def test_folders_over_the_limits_are_refused(folder: Path) -> None:
    """Too many files end the listing early; too many bytes end the hashing."""
    with pytest.raises(SubmissionError, match="3 files"):
        files_of(folder, max_bytes=1 << 20, max_files=3)
    with pytest.raises(SubmissionError, match="100 bytes"):
        files_of(folder, max_bytes=100, max_files=20)


def test_names_that_differ_in_case_are_refused(folder: Path) -> None:
    """A Mac keeps one of them."""
    (folder / "README").touch()
    (folder / "readme").touch()
    with pytest.raises(SubmissionError, match="upper and lower case"):
        files_of(folder, **LIMITS)


def test_file_that_changes_while_it_is_packed_is_named(folder: Path, tmp_path: Path) -> None:
    """An archive never holds another file than its envelope says; what was begun is removed."""
    envelope = envelope_of(folder)
    (folder / "more" / "weights.safetensors").write_bytes(bytes(256 * 5))

    with pytest.raises(SubmissionError, match=r"weights\.safetensors"):
        pack(folder, envelope, tmp_path / "bad.tar")
    assert list(tmp_path.glob("*.tar")) == list(tmp_path.glob(".*.tmp")) == []
