"""What this machine can do, and what is said where it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.backends.isolation import choose_isolation, is_enough
from bench.errors import IsolationError
from bench.sandbox import probe


@pytest.fixture
def forgetful() -> Iterator[None]:
    """Probes are remembered for a process; not here."""
    probe.probe.cache_clear()
    yield
    probe.probe.cache_clear()


def test_missing_bubblewrap_is_said_with_what_to_do(forgetful: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` takes a process and says why; the sandbox by name is an error."""
    monkeypatch.setenv("PATH", "/nowhere")

    assert choose_isolation("auto").level == "process"
    assert "apt-get install bubblewrap" in str(choose_isolation("auto").note)
    assert probe.probe_layers() == ()
    with pytest.raises(IsolationError, match="'sandbox' cannot be had here: bubblewrap is not installed"):
        choose_isolation("sandbox")


def test_a_bubblewrap_that_is_too_old_is_named(
    forgetful: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With its version and the one that is needed."""
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho bubblewrap 0.6.1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert probe.why_not() == f"{fake} is bubblewrap 0.6, 0.8 or later is needed"


def test_a_bubblewrap_that_fails_is_quoted(forgetful: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its own last words, and what most often forbids it."""
    fake = tmp_path / "bwrap"
    fake.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo bubblewrap 0.9.0 && exit\n'
        "echo bwrap: setting up uid map: Permission denied >&2\nexit 1\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert "setting up uid map: Permission denied" in str(probe.why_not())


def test_a_sandbox_has_its_layers(needs_sandbox: None) -> None:
    """Namespaces always; the rest as the machine has it."""
    layers = probe.probe_layers()

    assert {"user-namespace", "pid-namespace", "mount-namespace", "network-namespace", "seccomp"} <= set(layers)
    assert choose_isolation("auto").level == "sandbox"


def test_a_stored_run_of_a_lower_level_is_not_enough() -> None:
    """`auto` and `none` ask for nothing."""
    assert is_enough("none", "auto")
    assert is_enough("sandbox", "process")
    assert not is_enough("process", "sandbox")
    assert not is_enough(None, "sandbox")
    assert is_enough(None, "none")
