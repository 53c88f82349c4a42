"""The jail of a submission's process: what it may see, what it may take, how it is spoken to, how it ends."""
