"""Model source `python`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bench.errors import ModelError, SubmissionError, WeightsError
from bench.models.build import build_model
from bench.models.source import open_submission

PYTHON = 'source = "python"\nfile = "model.py"\nfactory = "build_model"\n'
Make = Callable[..., Path]


def test_a_model_is_in_evaluation_mode_in_float32_without_gradients(make_submission: Make, tmp_path: Path) -> None:
    """However the factory leaves it, the model is ready for inference."""
    code = (
        "from torch import nn\ndef build_model():\n    return nn.Sequential(nn.Linear(3, 2).double(), nn.Dropout())\n"
    )
    built = build_model(open_submission(str(make_submission(code=code))), cache_folder=tmp_path)
    assert not any(module.training for module in built.module.modules())
    assert all(parameter.dtype == torch.float32 for parameter in built.module.parameters())
    assert not any(parameter.requires_grad for parameter in built.module.parameters())
    assert built.input.img_size == 32


def test_a_factory_draws_the_same_weights_each_time(make_submission: Make, tmp_path: Path) -> None:
    """The generator is seeded with 0 before the factory, and the caller's generator is left alone."""
    submission = open_submission(str(make_submission()))
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first = build_model(submission, cache_folder=tmp_path).module.state_dict()
    assert torch.equal(torch.rand(1), expected)
    second = build_model(submission, cache_folder=tmp_path).module.state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_neighbours_can_be_imported_and_do_not_leak(make_submission: Make, tmp_path: Path) -> None:
    """Two submissions may each have a layers.py; the second one does not get the first one's."""
    code = "from layers import WIDTH\nfrom torch import nn\ndef build_model():\n    return nn.Linear(3, WIDTH)\n"
    widths = []
    for name, width in (("one", 4), ("two", 5)):
        folder = make_submission(code=code, name=name)
        (folder / "layers.py").write_text(f"WIDTH = {width}\n")
        built = build_model(open_submission(str(folder)), cache_folder=tmp_path)
        widths.append(built.module.get_parameter("weight").shape[0])
        assert not (folder / "__pycache__").exists()
    assert widths == [4, 5]
    assert "layers" not in sys.modules
    assert not any(str(tmp_path) in entry for entry in sys.path)


def test_kwargs_reach_the_factory(make_submission: Make, tmp_path: Path) -> None:
    """The manifest's kwargs are the factory's arguments."""
    folder = make_submission(model=PYTHON + "kwargs = { num_outputs = 7 }\n")
    built = build_model(open_submission(str(folder)), cache_folder=tmp_path)
    assert built.module(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (
            "def build_model():\n    raise KeyError('depth')\n",
            r"raised KeyError: 'depth'\n  model\.py:2: raise KeyError",
        ),
        ("import no_such_package\n", r"importing model\.py raised ModuleNotFoundError: .*no_such_package"),
        ("def build_model(:\n", r"importing model\.py raised SyntaxError"),
        ("def build_model():\n    raise SystemExit(0)\n", "raised SystemExit"),
        ("def build_model(depth):\n    return depth\n", "raised TypeError: .*'depth'"),
        ("def build_model():\n    return 'resnet'\n", "build_model returned str, expected a torch.nn.Module"),
        ("from torch import nn\ndef build_model():\n    return nn.LazyLinear(3)\n", "lazy layers without a shape"),
        ("from torch import nn\ndef build_model():\n    return nn.Linear(3, 3, device='meta')\n", "cannot be moved"),
    ],
)
def test_what_the_submissions_code_does_wrong_is_said(
    make_submission: Make, tmp_path: Path, code: str, says: str
) -> None:
    """The exception and the line in the submission's own file are in the message."""
    submission = open_submission(str(make_submission(code=code)))
    with pytest.raises(ModelError, match=says):
        build_model(submission, cache_folder=tmp_path)


def test_only_lines_of_the_submission_are_shown(make_submission: Make, tmp_path: Path) -> None:
    """Frames of Python's import machinery or of bench help nobody to find a slip."""
    submission = open_submission(str(make_submission(code="def build_model(:\n")))
    with pytest.raises(ModelError) as raised:
        build_model(submission, cache_folder=tmp_path)
    assert str(raised.value).endswith("(model.py, line 1)")


def test_what_a_factory_prints_stays_out_of_stdout(
    make_submission: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stdout is for results, and may be JSON."""
    folder = make_submission(
        code="from torch import nn\ndef build_model():\n    print('hi')\n    return nn.Linear(3, 3)\n"
    )
    build_model(open_submission(str(folder)), cache_folder=tmp_path)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "hi\n")


def test_a_factory_that_is_not_there_offers_what_is(make_submission: Make, tmp_path: Path) -> None:
    """A misspelt factory gets the nearest function."""
    folder = make_submission(code="def build_net():\n    return None\n")
    with pytest.raises(SubmissionError, match="no function 'build_model': did you mean build_net"):
        build_model(open_submission(str(folder)), cache_folder=tmp_path)


def test_altered_weights_are_refused_before_the_code_runs(make_submission: Make, tmp_path: Path) -> None:
    """With a wrong sha256 nothing of the submission is executed."""
    code = f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n"
    folder = make_submission(code=code, model=PYTHON + f'weights = "w.bin"\nsha256 = "{"a" * 64}"\n')
    (folder / "w.bin").write_bytes(b"x")
    with pytest.raises(WeightsError, match=r"expected a{64}"):
        build_model(open_submission(str(folder)), cache_folder=tmp_path)
    assert not (tmp_path / "ran").exists()


def test_without_weights_the_file_is_not_read(make_submission: Make, tmp_path: Path) -> None:
    """Training starts from the factory's own weights."""
    folder = make_submission(model=PYTHON + 'weights = "w.bin"\n')
    (folder / "w.bin").write_bytes(b"no weights at all")
    build_model(open_submission(str(folder)), cache_folder=tmp_path, with_weights=False)
    with pytest.raises(WeightsError):
        build_model(open_submission(str(folder)), cache_folder=tmp_path)


def test_a_file_of_answers_is_no_model(make_submission: Make, tmp_path: Path) -> None:
    """Source predictions has nothing to build, and the message says what reads it."""
    folder = make_submission(model='source = "predictions"\nfile = "model.py"\n')
    with pytest.raises(SubmissionError, match="holds answers and no model"):
        build_model(open_submission(str(folder)), cache_folder=tmp_path)


@pytest.mark.parametrize(
    ("file", "width", "img_size"), [("mobilenet_v1_0.25_128", 0.25, 128), ("mobilenet_v1_0.5_160", 0.5, 160)]
)
def test_the_real_mobilenets_load(
    real_data: Path, make_submission: Make, tmp_path: Path, file: str, width: float, img_size: int
) -> None:
    """Two pretrained networks load with every key, the promised sha256, and 1001 outputs."""
    from bench.files import sha256_of_file
    from bench.measure.parameters import count_parameters

    source = real_data / "real-models" / f"{file}.safetensors"
    model = PYTHON + f'kwargs = {{ width = {width} }}\nweights = "w.safetensors"\nsha256 = "{sha256_of_file(source)}"\n'
    code = Path(__file__).parents[1] / "data" / "mobilenet_v1" / "model.py"
    folder = make_submission(model=model, code=code.read_text())
    (folder / "w.safetensors").write_bytes(source.read_bytes())
    built = build_model(open_submission(str(folder)), cache_folder=tmp_path)
    logits_NC = built.module(torch.zeros(2, 3, img_size, img_size))
    assert logits_NC.shape == (2, 1001)
    assert bool(logits_NC.isfinite().all())
    # Howard et al. 2017, table 6 and 7: 0.5 and 1.3 million; here without the folded batch normalisation.
    assert count_parameters(built.module) == {0.25: 467_593, 0.5: 1_326_633}[width]
