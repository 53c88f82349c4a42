"""Statistics: intervals, paired tests and ranks; numpy and scipy, no torch."""
