"""The records: what every part of bench reads and writes, frozen and checked; no torch."""

from bench.records.base import FileRecord, Record
from bench.records.board import Board
from bench.records.predictions import Predictions
from bench.records.protocol import Geometry, Protocol
from bench.records.result import Estimate, Result
from bench.records.retraction import Retraction
from bench.records.submission import InputSpec, Submission

__all__ = [
    "Board",
    "Estimate",
    "FileRecord",
    "Geometry",
    "InputSpec",
    "Predictions",
    "Protocol",
    "Record",
    "Result",
    "Retraction",
    "Submission",
]
