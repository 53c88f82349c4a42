"""The `bench` command: its groups and commands load when they are called, so that `bench --help` is quick."""

from __future__ import annotations

import atexit
import gc
import importlib
import signal
import sys
from types import FrameType
from typing import Any

import click

from bench.errors import BenchError
from bench.version import __version__

__all__ = ["COMMANDS", "LazyGroup", "cli", "main"]

COMMANDS = {
    "attest": ("bench.cli.attest:attest", "Sign verified results with your key."),
    "bisect": ("bench.cli.bisect:bisect", "Find the commit that made a benchmark slower."),
    "challenge": ("bench.cli.challenge:challenge", "Run a challenge: evaluate archives, seal labels, rule."),
    "check": ("bench.cli.check:check", "Check submissions, results, boards, protocols, challenges and ledgers."),
    "compare": ("bench.cli.compare:compare", "Say whether two runs differ (exact paired test)."),
    "data": ("bench.cli.data:data", "Verify a dataset, draw a synthetic one, look after decoded images."),
    "demo": ("bench.cli.demo:demo", "Run the whole pipeline on a small drawn dataset."),
    "env": ("bench.cli.env:env", "Show what a bug report needs, and what is missing here."),
    "evaluate": ("bench.cli.evaluate:evaluate", "Evaluate submissions under a protocol."),
    "gate": ("bench.cli.gate:gate", "Say whether head is slower than base, measured side by side."),
    "import": ("bench.cli.importing:importing", "Take over numbers that others published."),
    "keys": ("bench.cli.keys:keys", "Make and show the keys that sign archives and results."),
    "ledger": ("bench.cli.ledger:ledger", "Show a challenge's ledger, and prove it untampered."),
    "list": ("bench.cli.listing:listing", "List protocols, metrics, columns, sources, boards, submissions, results."),
    "new": ("bench.cli.new:new", "Make the folder of a new submission."),
    "publish": ("bench.cli.publish:publish", "Write the leaderboard site."),
    "retract": ("bench.cli.retract:retract", "Withdraw a result; it stays visible as retracted."),
    "score": ("bench.cli.score:score", "Score a file of predictions; nothing is stored."),
    "score-training": (
        "bench.cli.score_training:score_training",
        "Score the attempts of a training, and keep the result.",
    ),
    "screen": ("bench.cli.screen:screen", "Show where stored speeds may have changed, and what to gate."),
    "show": ("bench.cli.show:show", "Show one run, protocol, board or submission."),
    "submit": ("bench.cli.submit:submit", "Pack a submission for a challenge: a signed archive."),
    "throughput": ("bench.cli.throughput:throughput", "Measure what submissions cost on this machine."),
    "train": ("bench.cli.train:train", "Train a submission under a fixed recipe."),
    "verify": ("bench.cli.verify:verify", "Run a stored result again and compare its answers."),
}
"""From command name to where it is and its line in `bench --help`."""


class LazyGroup(click.Group):
    """A group that imports a command when it is called, and shows every BenchError as one clear message."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command, importing its module."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Writes the list of commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; failures that the user can repair become a message and an exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _interrupted() from None
        except Exception as error:
            # A library that was being imported may turn Ctrl-C into a failure of its own.
            if _INTERRUPTS:
                raise _interrupted() from None
            if isinstance(error, BenchError):
                raise _ShownError(error) from error
            raise


_INTERRUPTS: list[int] = []
"""The SIGINTs that arrived in this process."""


def _on_interrupt(number: int, frame: FrameType | None) -> None:
    _INTERRUPTS.append(number)
    signal.default_int_handler(number, frame)


def _interrupted() -> click.exceptions.Exit:
    click.echo("Interrupted; results are whole, the same command goes on from here.", err=True)
    return click.exceptions.Exit(130)


class _ShownError(click.ClickException):
    def __init__(self, error: BenchError) -> None:
        from bench.inert import inert_lines

        super().__init__(inert_lines(str(error)))  # keys and values are those of strangers' files
        # click declares this for the class, and reads it from the instance
        vars(self)["exit_code"] = error.exit_code


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="bench")
def cli() -> None:
    """Evaluate ImageNet models under fixed protocols and publish leaderboards.

    \b
    Examples:
      bench demo
      bench evaluate timm:resnet50.a1_in1k --protocol imagenet-val-open --data /data/imagenet
      bench publish

    Exit codes: 0 done, 1 failed or a check found a fault, 2 wrong usage, 75 saved and to be resumed, 130 interrupted.
    """


def _leave_memory() -> None:
    """The kernel takes all memory back: a last search for cycles among thousands of records only delays the prompt.

    Libraries below torch look then whether all that is theirs was freed, and complain at length where it was not.
    """
    if "torch" not in sys.modules:
        gc.freeze()


def main() -> None:
    """Entry point of the console script."""
    if sys.platform == "win32":
        sys.exit("bench runs on Linux and macOS; on Windows use WSL.")
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not under nohup or in a background job
        signal.signal(signal.SIGINT, _on_interrupt)
    atexit.register(_leave_memory)
    cli(prog_name="bench")
