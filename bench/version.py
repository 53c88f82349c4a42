"""The version of bench, in a module of its own so that no part needs the package's front door for it."""

__version__ = "0.1.0"
