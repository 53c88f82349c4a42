"""Boards: their files, checked against the protocols and columns that there are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError, RecordError, UsageError, nearest
from bench.leaderboard.column import Column
from bench.leaderboard.columns import columns_of
from bench.protocols import load_protocol, protocol_ids
from bench.records.board import Board
from bench.records.protocol import Protocol

__all__ = ["LoadedBoard", "board_ids", "load_board", "load_boards"]


@dataclass(frozen=True, kw_only=True)
class LoadedBoard:
    """A board with the protocol and the columns that it names."""

    board: Board
    protocol: Protocol
    columns: tuple[Column, ...]
    protocol_digest: str

    @property
    def rank_by(self) -> str:
        """The metric that decides the order."""
        assert self.protocol.metrics is not None, "load_board refuses the others"  # noqa: S101 - our own invariant
        return self.protocol.metrics.rank_by


def board_ids(folder: Path) -> list[str]:
    """The names of the board files in a folder, sorted."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def load_board(path: Path) -> LoadedBoard:
    """The board in a file, checked against the protocols and columns that there are.

    Raises:
        RecordError: The file is no valid board, or names a protocol or a column that does not exist.
    """
    board = Board.load(path)
    if board.id != path.stem:
        raise RecordError(f"is {board.id!r}, but the file is named {path.name!r}", path=path, key="id")
    _check_protocol(board.protocol, path, "protocol")
    for number, join in enumerate(board.joins):
        _check_protocol(join.protocol, path, f"joins.{number}.protocol")
    columns = columns_of(board.columns, board.joins, path=path)
    if "model" not in board.columns:
        raise RecordError("the column 'model' is missing; it links to the submissions", path=path, key="columns")
    if board.plot_against is not None and not any(c.name == board.plot_against and c.is_axis for c in columns):
        axes = [column.name for column in columns if column.is_axis]
        raise RecordError(
            f"there is no such number in the board's columns: {nearest(board.plot_against, axes)}",
            path=path,
            key="plot_against",
        )
    protocol = load_protocol(board.protocol)
    if protocol.metrics is None:
        raise RecordError(
            f"{board.protocol!r} has no metric to rank by; name it in a [[joins]] instead", path=path, key="protocol"
        )
    return LoadedBoard(board=board, protocol=protocol, columns=tuple(columns), protocol_digest=protocol.digest())


def load_boards(folder: Path) -> tuple[list[LoadedBoard], list[BenchError]]:
    """All boards of a folder in the order of the index page, and what is wrong with the files that are not valid.

    Raises:
        UsageError: There is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder of boards {str(folder)!r}; name one with --boards")
    loaded, broken = [], []
    for name in board_ids(folder):
        try:
            loaded.append(load_board(folder / f"{name}.toml"))
        except BenchError as error:
            broken.append(error)
    return sorted(loaded, key=lambda item: (item.board.order, item.board.id)), broken


def _check_protocol(name: str, path: Path, key: str) -> None:
    if name not in protocol_ids():
        raise RecordError(f"there is no protocol {name!r}: {nearest(name, protocol_ids())}", path=path, key=key)
