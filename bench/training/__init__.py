"""Training under fixed protocols."""
