"""Hints about a submission's code, from its syntax tree (L30 to L39); the code is never executed.

Hints, not a defence: Python has endless ways around a list of names. The defence is the sandbox. What the hints are
good for is a reader's attention, and an honest team's surprise before the evaluation and not after it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from bench.check.rule import Finding, finding

__all__ = ["MAX_CODE_BYTES", "look_at_code"]

MAX_CODE_BYTES = 2 << 20
_MAX_HINTS = 5
_LARGE_TABLE = 1_000

_MODULES = {
    "L30": {"socket", "ssl", "http", "urllib", "requests", "httpx", "aiohttp", "ftplib", "smtplib", "asyncio"}
    | {"subprocess", "multiprocessing", "ctypes", "cffi", "pty", "fcntl", "mmap", "resource"},
    "L31": {"platform", "getpass", "pwd", "datetime"},
    "L32": {"atexit", "signal", "gc", "inspect", "sys.settrace", "importlib", "pickle", "marshal", "faulthandler"},
    "L34": {"huggingface_hub", "torch.hub", "gdown", "kagglehub", "wandb"},
}
_NAMES = {
    "L30": {"os.system", "os.fork", "os.popen", "os.execv", "os.execve", "os.spawnv", "os.posix_spawn", "os.kill"},
    "L31": {"os.environ", "os.getenv", "os.uname", "os.getuid", "os.getlogin", "time.time", "time.localtime"}
    | {"time.gmtime", "time.strftime", "time.time_ns"},
    "L32": {"sys.modules", "sys._getframe", "sys.settrace", "sys.setprofile", "sys.exit", "os._exit", "os.abort"}
    | {"builtins.exec", "builtins.eval", "exec", "eval", "compile", "__import__", "globals"},
    "L34": {"torch.hub", "load_state_dict_from_url", "hf_hub_download", "snapshot_download", "from_pretrained"}
    | {"urlretrieve", "urlopen"},
    "L38": {"torch.manual_seed", "torch.seed", "random.seed", "np.random.seed", "numpy.random.seed"}
    | {"torch.set_num_threads", "torch.set_num_interop_threads", "torch.cuda.manual_seed_all", "torch.set_rng_state"},
}
_PATCHED = ("torch", "time", "os", "sys", "builtins", "pickle", "numpy", "np", "F", "nn")
_WORDS_OF_LABELS = re.compile(
    r"ILSVRC2012_val|val_label|ground_?truth|LOC_val_solution|imagenet.{0,3}val", re.IGNORECASE
)
_HASH = re.compile(r"[0-9a-fA-F]{32,64}")
_OUTSIDE = re.compile(r"^(/|~|\.\./|[A-Za-z]:\\)")
_FLAGS = ("torch.set_float32_matmul_precision", "torch.use_deterministic_algorithms")
_OPENERS = {"open", "Path", "pathlib.Path", "np.load", "numpy.load", "torch.load", "io.open", "os.open", "os.listdir"}


def look_at_code(path: Path) -> Iterator[Finding]:
    """Breaches of L30 to L39 in a Python file, each rule at most five times.

    Args:
        path: A file that ends in `.py`.
    """
    try:
        if path.stat().st_size > MAX_CODE_BYTES:
            yield finding("L39", f"has more than {MAX_CODE_BYTES:,} bytes, which nobody reviews", path)
            return
        tree = ast.parse(path.read_bytes())
    except OSError:
        return  # what cannot be read is named when the files are hashed
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        yield finding("L39", f"cannot be parsed: {getattr(error, 'msg', None) or error}", path, line=line)
        return
    counts: dict[str, int] = {}
    for rule, line, message in sorted(set(_hints(tree))):
        counts[rule] = counts.get(rule, 0) + 1
        if counts[rule] <= _MAX_HINTS:
            yield finding(rule, message, path, line=line)


def _hints(tree: ast.Module) -> Iterator[tuple[str, int, str]]:
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 1)
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((rule, line, f"imports {name}") for rule, name in _imports(node))
        elif isinstance(node, ast.Attribute | ast.Name):
            yield from ((rule, line, f"uses {name}") for rule, name in _uses(node))
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            yield from ((rule, line, message) for rule, message in _assigns(node))
        elif isinstance(node, ast.Call):
            yield from ((rule, line, message) for rule, message in _calls(node))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            yield from ((rule, line, message) for rule, message in _constants(node.value))
        elif isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict):
            size = len(node.keys) if isinstance(node, ast.Dict) else len(node.elts)
            if size > _LARGE_TABLE:
                yield "L35", line, f"holds a table of {size:,} values"
        if isinstance(node, ast.FunctionDef) and node.name == "forward":
            yield from _forward(node)


def _imports(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    module = getattr(node, "module", None)
    names = [f"{module}.{item.name}" if module else item.name for item in node.names]
    for name in names:
        for rule, modules in _MODULES.items():
            if any(name == known or name.startswith(f"{known}.") for known in modules):
                yield rule, name
        for rule, known_names in _NAMES.items():
            if name in known_names or name.rpartition(".")[2] in known_names - {"compile", "eval", "exec"}:
                yield rule, name


def _uses(node: ast.Attribute | ast.Name) -> Iterator[tuple[str, str]]:
    """Names that are read; `x.eval` and `torch.compile` are no `eval` and `compile`."""
    full = _dotted(node)
    last = node.attr if isinstance(node, ast.Attribute) else None
    for rule, names in _NAMES.items():
        if full in names or (last in names and last not in ("compile", "eval", "exec", "globals")):
            yield rule, full or f"...{last}"
    if full in _FLAGS:
        yield "L33", full


def _assigns(node: ast.Assign | ast.AugAssign | ast.AnnAssign) -> Iterator[tuple[str, str]]:
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        full = _dotted(target) if isinstance(target, ast.Attribute) else None
        if full is not None and full.split(".")[0] in _PATCHED:
            yield "L33", f"assigns to {full}"


def _calls(node: ast.Call) -> Iterator[tuple[str, str]]:
    function = _dotted(node.func)
    first = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
    if function in _OPENERS and isinstance(first, str) and _OUTSIDE.match(first):
        yield "L37", f"opens {first!r}, which lies outside the submission's folder"
    target = _dotted(node.args[0]) if function == "setattr" and node.args else None
    if target is not None and target.split(".")[0] in _PATCHED:
        yield "L33", f"assigns to attributes of {target}"


def _constants(value: str | bytes) -> Iterator[tuple[str, str]]:
    text = value if isinstance(value, str) else value.decode("latin-1")
    if found := _WORDS_OF_LABELS.search(text):
        yield "L35", f"names {found[0]!r}"
    if len(_HASH.findall(text)) > 10 or len(text) > 100_000:
        yield "L35", f"holds a text of {len(text):,} characters that looks like a table"


def _forward(function: ast.FunctionDef) -> Iterator[tuple[str, int, str]]:
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else None
        on = [keyword.value for keyword in node.keywords if keyword.arg == "training"]
        if name == "train" or (on and isinstance(on[0], ast.Constant) and on[0].value is True):
            yield "L36", node.lineno, "switches to training mode in forward"
        if name in ("add_", "mul_", "copy_", "lerp_") and "running_" in ast.dump(node.func):
            yield "L36", node.lineno, "updates running statistics in forward"


def _dotted(node: ast.expr) -> str | None:
    """`a.b.c` of an expression that is one, or None."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])
