"""The resized images that lie in a cache folder: find and remove them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.data.cache_files import remove_files
from bench.data.resized import RECORD_FILE, ResizedRecord, images_in, part_path
from bench.errors import RecordError, StoreError

__all__ = ["StoredResized", "list_resized", "remove_resized"]


@dataclass(frozen=True, kw_only=True)
class StoredResized:
    """Resized images in a cache folder."""

    folder: Path
    """Where they lie."""
    record: ResizedRecord
    """What they are."""
    num_filled: int
    """How many images are there."""
    disk_bytes: int
    """What they take of the disk."""
    last_used: datetime
    """When a run last opened them."""

    @property
    def key(self) -> str:
        """The folder's name."""
        return self.folder.name


def list_resized(cache_folder: Path) -> list[StoredResized]:
    """All folders of resized images in a cache folder, sorted; those without a valid record are passed over.

    Raises:
        StoreError: A folder cannot be read.
    """
    found = []
    for path in sorted((cache_folder / "resized").glob(f"*/{RECORD_FILE}")):
        try:
            record = ResizedRecord.load(path)
            last_used = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            parts = {part_path(path.parent, number): images_in(record, number) for number in range(record.num_parts)}
            sizes = {part: part.stat().st_size for part in parts if part.is_file()}
        except RecordError:
            continue
        except OSError as error:
            raise StoreError(f"cannot be read ({error.strerror or error})", path=path.parent) from error
        found.append(
            StoredResized(
                folder=path.parent,
                record=record,
                num_filled=sum(parts[part] for part in sizes),
                disk_bytes=sum(sizes.values()),
                last_used=last_used,
            )
        )
    return found


def remove_resized(stored: StoredResized) -> list[str]:
    """Removes resized images; a training that reads them goes on with what it has open, and decodes the rest.

    Returns:
        The names of files in the folder that are not bench's: they stay, and the folder with them.

    Raises:
        StoreError: A file cannot be removed.
    """
    return remove_files(stored.folder, "*.u8", ".*.tmp", RECORD_FILE)
