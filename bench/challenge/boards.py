"""Do the boards that a challenge names exist, and do they show what its tracks measure?"""

from __future__ import annotations

from pathlib import Path

from bench.challenge.loaded import LoadedChallenge
from bench.errors import BenchError
from bench.records.board import Board
from bench.records.challenge import Track

__all__ = ["board_faults"]


def board_faults(loaded: LoadedChallenge, boards: Path) -> list[str]:
    """What keeps a track's results from being shown as the challenge says, a sentence each.

    Args:
        loaded: The challenge.
        boards: The folder of board files.
    """
    tracks = [track for phase in loaded.rules.phases for track in phase.tracks]
    faults = (_fault(loaded.rules.id, track, boards / f"{track.board}.toml") for track in tracks)
    return [fault for fault in faults if fault]


def _fault(challenge: str, track: Track, path: Path) -> str:
    if not path.is_file():
        return f"{path}: there is no such board, so nobody sees the {track.division} track of {track.protocol}"
    try:
        board = Board.load(path)
    except BenchError as error:
        return str(error)
    if board.protocol != track.protocol:
        return f"{path}: protocol: is {board.protocol!r}, the track's is {track.protocol!r}"
    if board.challenge != challenge:
        return f'{path}: challenge: is missing, so it ranks runs of no challenge too; write challenge = "{challenge}"'
    return ""
