"""Is a change slower? Base and head side by side in one job, and three honest verdicts; no torch."""
