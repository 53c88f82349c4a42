"""Where a model runs: in this process, or jailed in another one."""
