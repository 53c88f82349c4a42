"""The sandbox, attacked and looked at from within."""
