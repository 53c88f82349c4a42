"""Challenges: signed archives, the ledger of what was spent, phases and quotas, hidden labels."""
