"""Audits: questions put to a model among the scored batches, so that a verified number means something.

`auditor` puts them, `evidence` keeps what came back, and the functions of `AUDITS` judge it.
"""

from __future__ import annotations

from bench.audits.auditor import Auditor
from bench.audits.evidence import Evidence
from bench.audits.table import AUDITS, judge

__all__ = ["AUDITS", "Auditor", "Evidence", "judge"]
