"""Results to a data frame to boards, pages, CSV and JSON; no torch."""
