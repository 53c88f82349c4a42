"""`bench env`: the machine and the libraries, for bug reports, and what is missing."""

from __future__ import annotations

import click

from bench.cli.common import json_option, print_json, print_table

__all__ = ["env"]


@click.command(short_help="Show what a bug report needs, and what is missing here.")
@json_option
def env(as_json: bool) -> None:
    """Show the machine and the library versions, and what parts of bench lack here.

    \b
    Examples:
      bench env
      bench env --json
    """
    from dataclasses import asdict

    from bench.measure.environment import best_device_type, environment, needs
    from bench.version import __version__

    found = {"bench": __version__} | environment(best_device_type())
    wanted = needs()
    if as_json:
        print_json({"environment": found, "needs": [asdict(need) for need in wanted]})
        return
    print_table("Environment", ["what", "value"], [[key, str(value)] for key, value in found.items()])
    print_table(
        "Beyond Python packages",
        ["what", "found", "what for"],
        [[need.name, need.found or "missing", need.advice] for need in wanted],
    )
