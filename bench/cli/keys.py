"""`bench keys`: the keys that sign archives, ledger entries and results, and open hidden labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.common import json_option, note, print_json, print_table

if TYPE_CHECKING:
    from bench.signing import SecretKey

__all__ = ["keys"]


@click.group(short_help="Make and show the keys that sign archives and results.")
def keys() -> None:
    """Make and show your keys (Ed25519).

    A key has two halves. The secret one stays in a file that only you can read; the public one is a line of text that
    a challenge lists. A team signs what it submits, an evaluator signs the ledger and opens hidden labels.
    """


@keys.command(short_help="Make a key.")
@click.argument("name", metavar="NAME")
@click.option(
    "--key", "path", type=click.Path(dir_okay=False, path_type=Path), help="The file; default: NAME among your keys."
)
def new(name: str, path: Path | None) -> None:
    """Make a key and print its public half, the line that a challenge lists. A key that is there is never replaced.

    \b
    Examples:
      bench keys new acme
      bench keys new evaluator --key /secure/evaluator.key
    """
    from pydantic import TypeAdapter, ValidationError

    from bench.errors import UsageError
    from bench.records.names import Identifier
    from bench.signing import SecretKey, named_key, write_key

    try:
        TypeAdapter(Identifier).validate_python(name)
    except ValidationError:
        raise UsageError(f"{name!r} is no name for a key; use a-z, 0-9, '.', '_' and '-'") from None
    path = path or named_key(name)
    key = SecretKey.generate()
    write_key(path, key)
    note(f"Wrote {path}; keep it secret, and keep a copy: nothing else can sign in its name.")
    click.echo(key.public)


@keys.command("list", short_help="List your keys.")
@json_option
def list_keys(as_json: bool) -> None:
    """List your keys with their public halves.

    \b
    Example:
      bench keys list
    """
    from bench.signing import keys_folder, read_key

    found = [(path, read_key(path)) for path in sorted(keys_folder().glob("*.key"))]
    if as_json:
        print_json([{"name": path.stem, "path": str(path)} | _public(key) for path, key in found])
        return
    if not found:
        note(f"There are no keys in {keys_folder()}; `bench keys new NAME` makes one.")
        return
    print_table(None, ["name", "public key"], [[path.stem, key.public] for path, key in found])


@keys.command(short_help="Show one key's public half and fingerprint.")
@click.argument("name", metavar="NAME|FILE")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a key's public half, and its fingerprint to compare by eye or on the telephone.

    \b
    Examples:
      bench keys show acme
      bench keys show /secure/evaluator.key --json
    """
    from bench.signing import named_key, read_key

    path = Path(name) if "/" in name or name.endswith(".key") else named_key(name)
    public = _public(read_key(path))
    if as_json:
        print_json({"path": str(path)} | public)
        return
    for word, value in ({"path": str(path)} | public).items():
        click.echo(f"{word:12} {value}")


def _public(key: SecretKey) -> dict[str, str]:
    from bench.signing import fingerprint

    return {"public": key.public, "fingerprint": fingerprint(key.public)}
