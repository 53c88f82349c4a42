"""Evaluation, from a submission to a stored result."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.backends.run import RunOptions
from bench.data.dataset import Dataset, open_dataset
from bench.errors import (
    BenchError,
    DataError,
    DeviceError,
    ModelError,
    NonFiniteError,
    OutputError,
    SubmissionError,
    UsageError,
)
from bench.evaluate import evaluate, evaluate_all
from bench.models.source import open_submission
from bench.plan import Outcome
from bench.protocols import load_protocol
from bench.records.protocol import Protocol
from bench.store import Store

MakeSubmission = Callable[..., Path]
OPTIONS = RunOptions(device="cpu", num_threads=2)


@pytest.fixture
def protocol(tiny_protocol: Path) -> Protocol:
    """The protocol of the small pictures."""
    return load_protocol(str(tiny_protocol))


@pytest.fixture
def dataset(tiny_data: Path, protocol: Protocol) -> Dataset:
    """The small pictures."""
    return open_dataset(tiny_data, protocol.dataset, allow_partial=True)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "results")


def _evaluate(folder: Path, protocol: Protocol, dataset: Dataset, store: Store, **change: object) -> Outcome:
    return evaluate(open_submission(str(folder)), protocol, dataset, store, replace(OPTIONS, **change))


def test_a_result_says_what_was_measured_and_how(
    make_submission: MakeSubmission, protocol: Protocol, dataset: Dataset, store: Store
) -> None:
    """Metrics with intervals, input, precision, isolation, environment and costs are all in the record."""
    outcome = _evaluate(make_submission(), protocol, dataset, store)
    result = outcome.result

    assert not outcome.reused
    assert store.load() == [result]
    assert set(result.metrics) == set(protocol.metrics.report)
    assert (result.status, result.isolation, result.precision, result.device_type) == (
        "self-reported",
        "none",
        "fp32",
        "cpu",
    )
    assert result.input is not None
    assert (result.input.geometry.resize, result.input.geometry.crop) == (36, 32)
    assert result.costs["num_params"].value == 48 * 1000 + 1000
    assert {"torch", "python", "batch_size", "num_threads"} <= set(result.environment)
    assert result.metrics["top1"].num_samples == result.dataset.num_samples == 12


def test_the_counts_are_those_of_the_model_run_by_hand(
    make_submission: MakeSubmission, protocol: Protocol, dataset: Dataset, store: Store
) -> None:
    """Decoding, resizing and normalising with torchvision, image by image, gives the same right answers."""
    import importlib.util

    import torch
    from PIL import Image
    from torchvision.transforms._presets import ImageClassification

    folder = make_submission()
    result = _evaluate(folder, protocol, dataset, store).result
    spec = importlib.util.spec_from_file_location("by_hand", folder / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.manual_seed(0)
    model = module.build_model().eval()
    transform = ImageClassification(crop_size=32, resize_size=36)
    with torch.inference_mode():
        logits_NC = torch.cat(
            [model(transform(Image.open(sample.path).convert("RGB"))[None]) for sample in dataset.samples]
        )
    predictions = store.read_predictions(result)

    np.testing.assert_array_equal(predictions.top_classes_NK[:, :5], logits_NC.topk(5).indices)
    np.testing.assert_allclose(
        predictions.top_log_probs_NK[:, 0], logits_NC.log_softmax(1).max(1).values, rtol=1e-4, atol=1e-5
    )
    right = (logits_NC.argmax(1).numpy() == dataset.labels_N).sum()
    assert result.metrics["top1"].count == right


def test_two_evaluations_give_equal_predictions(
    make_submission: MakeSubmission, protocol: Protocol, dataset: Dataset, store: Store
) -> None:
    """Bit for bit, whatever the number of threads."""
    submission = open_submission(str(make_submission()))
    first = evaluate(submission, protocol, dataset, store, OPTIONS)
    second = evaluate(submission, protocol, dataset, store, replace(OPTIONS, num_threads=1), rerun=True)

    assert first.result.run != second.result.run
    assert first.result.predictions == second.result.predictions
    assert first.result.metrics == second.result.metrics


@pytest.mark.parametrize("batch_size", [1, 5, 12, 100])
def test_the_batch_size_does_not_change_the_answers(
    make_submission: MakeSubmission, protocol: Protocol, dataset: Dataset, store: Store, batch_size: int
) -> None:
    """The last batch may be short, no image is lost or counted twice, and the size is recorded as given."""
    folder = make_submission()
    base = _evaluate(folder, protocol, dataset, Store(store.results / "base")).result
    result = _evaluate(folder, protocol, dataset, store, batch_size=batch_size).result

    assert result.environment["batch_size"] == batch_size
    assert result.metrics["top1"] == base.metrics["top1"]
    assert result.metrics["top5"] == base.metrics["top5"]


def test_an_equal_run_is_found_and_not_repeated(
    make_submission: MakeSubmission, protocol: Protocol, dataset: Dataset, store: Store
) -> None:
    """The second call answers from the store; a change of the code is another submission."""
    folder = make_submission()
    first = _evaluate(folder, protocol, dataset, store)
    again = _evaluate(folder, protocol, dataset, store)

    assert again.reused
    assert again.result == first.result

    (folder / "model.py").write_text((folder / "model.py").read_text() + "\n# changed\n")
    assert not _evaluate(folder, protocol, dataset, store).reused


def test_a_part_of_the_images_is_another_measurement(
    make_submission: MakeSubmission, tiny_data: Path, protocol: Protocol, dataset: Dataset, store: Store
) -> None:
    """A limited run is marked incomplete and never answers for the whole."""
    folder = make_submission()
    part = open_dataset(tiny_data, protocol.dataset, allow_partial=True, limit=5)
    limited = _evaluate(folder, protocol, part, store).result
    whole = _evaluate(folder, protocol, dataset, store)

    assert (limited.dataset.num_samples, limited.dataset.complete) == (5, False)
    assert not whole.reused


CODE = """import torch
from torch import nn


class Model(nn.Module):
    def forward(self, images):
        {body}


def build_model():
    return Model()
"""


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (
            "return torch.full((len(images), 1000), float('nan'))",
            NonFiniteError,
            r"12,000 logits .* ILSVRC2012_val_00000001",
        ),
        ("return torch.full((len(images), 1000), float('-inf'))", NonFiniteError, "NaN or infinite"),
        ("return torch.zeros(len(images), 10)", OutputError, r"shape \(12, 10\) for 12 images, expected \(12, 1000\)"),
        ("return torch.zeros(len(images), 1001)", OutputError, r"see \[outputs\]"),
        ("return [1]", OutputError, "returned list"),
        ("return torch.zeros(len(images), 1000, dtype=torch.int64)", OutputError, "expected floating-point"),
        ("raise KeyError('gone')", ModelError, r"its forward pass raised KeyError: 'gone' \(model\.py, line 7\)"),
        ("raise torch.OutOfMemoryError()", BenchError, "try --batch-size 6"),
    ],
)
def test_a_model_that_fails_is_one_sentence_and_a_failed_result(
    make_submission: MakeSubmission,
    protocol: Protocol,
    dataset: Dataset,
    store: Store,
    body: str,
    kind: type[BenchError],
    message: str,
) -> None:
    """The error names what was returned; the record keeps its kind, and is not taken for an equal run."""
    folder = make_submission(CODE.format(body=body))
    for _ in range(2):
        with pytest.raises(kind, match=message) as caught:
            _evaluate(folder, protocol, dataset, store, batch_size=12)
    results = store.load()

    assert {result.status for result in results} == {"failed"}
    assert results[0].failure is not None
    assert results[0].failure.outcome == caught.value.outcome
    assert not results[0].metrics


def test_what_a_model_prints_is_no_result(
    make_submission: MakeSubmission,
    protocol: Protocol,
    dataset: Dataset,
    store: Store,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A submission that prints does not get into the JSON on stdout."""
    folder = make_submission(CODE.format(body="print('forged'); return torch.zeros(len(images), 1000)"))
    _evaluate(folder, protocol, dataset, store)
    captured = capsys.readouterr()

    assert "forged" not in captured.out
    assert "forged" in captured.err


def test_a_failure_leaves_earlier_results_whole(
    make_submission: MakeSubmission, protocol: Protocol, dataset: Dataset, store: Store
) -> None:
    """A bad submission does not touch a good one."""
    good = _evaluate(make_submission(name="good"), protocol, dataset, store)
    before = good.path.read_bytes()
    with pytest.raises(NonFiniteError):
        _evaluate(
            make_submission(CODE.format(body="return torch.full((len(images), 1000), float('nan'))"), name="bad"),
            protocol,
            dataset,
            store,
        )

    assert good.path.read_bytes() == before
    assert _evaluate(good.path.parents[4] / "submissions/acme/good", protocol, dataset, store).reused


def test_an_image_that_cannot_be_decoded_fails_the_run_by_name(
    make_submission: MakeSubmission, tiny_data: Path, protocol: Protocol, store: Store
) -> None:
    """It is never skipped or replaced."""
    bad = next((tiny_data / "val").rglob("*_00000004.JPEG"))
    bad.write_bytes(bad.read_bytes()[:400])
    dataset = open_dataset(tiny_data, protocol.dataset, allow_partial=True)

    with pytest.raises(DataError, match="ILSVRC2012_val_00000004"):
        _evaluate(make_submission(), protocol, dataset, store)
    assert store.load()[0].failure is not None


def test_outputs_of_another_dataset_are_refused(
    make_submission: MakeSubmission, protocol: Protocol, dataset: Dataset, store: Store
) -> None:
    """A ten-class network is not scored on ImageNet."""
    folder = make_submission(more='[outputs]\nclasses = "shapes10"')

    with pytest.raises(SubmissionError, match=r"outputs\.classes: is 'shapes10', but the classes"):
        _evaluate(folder, protocol, dataset, store)


def test_a_protocol_that_is_not_for_evaluation_is_refused(
    make_submission: MakeSubmission, dataset: Dataset, store: Store
) -> None:
    """Training protocols and reported numbers cannot be evaluated."""
    with pytest.raises(UsageError, match="is of kind 'train'"):
        _evaluate(make_submission(), load_protocol("shapes10-train"), dataset, store)


@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
def test_other_precisions_are_recorded_and_close(
    make_submission: MakeSubmission, protocol: Protocol, dataset: Dataset, store: Store, precision: str
) -> None:
    """Half precision is a run of its own, with nearly the same likelihood."""
    folder = make_submission()
    single = _evaluate(folder, protocol, dataset, store).result
    half = _evaluate(folder, protocol, dataset, store, precision=precision).result

    assert half.precision == precision
    assert half.run != single.run
    assert half.metrics["nll"].value == pytest.approx(single.metrics["nll"].value, abs=0.02)


def test_a_precision_that_the_protocol_forbids_is_refused(
    make_submission: MakeSubmission, protocol: Protocol, dataset: Dataset, store: Store
) -> None:
    """The protocol has the last word."""
    strict = Protocol.parse(protocol.as_json() | {"precision": {"allowed": ["fp32"], "default": "fp32"}})

    with pytest.raises(UsageError, match="does not allow precision 'bf16', only fp32"):
        _evaluate(make_submission(), strict, dataset, store, precision="bf16")


def test_models_with_equal_input_share_one_pass(
    make_submission: MakeSubmission,
    protocol: Protocol,
    dataset: Dataset,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three models see each image decoded once, and answer what each answers alone."""
    import bench.data.loader

    folders = [
        make_submission(
            CODE.format(body=f"return images.flatten(1)[:, {start}:][:, :1000].contiguous()"), name=f"m{start}"
        )
        for start in (0, 100, 900)
    ]
    alone = [_evaluate(folder, protocol, dataset, Store(store.results / "alone")).result for folder in folders]
    decoded = []
    decode = bench.data.loader.decode
    monkeypatch.setattr(bench.data.loader, "decode", lambda *words: decoded.append(words[1]) or decode(*words))
    entries = [open_submission(str(folder)) for folder in folders]
    together = evaluate_all(entries, protocol, dataset, store, OPTIONS)

    assert len(decoded) == len(dataset)
    assert [item.result.predictions for item in together if isinstance(item, Outcome)] == [
        item.predictions for item in alone
    ]


def test_a_model_that_fails_never_takes_the_others_down(
    make_submission: MakeSubmission, protocol: Protocol, dataset: Dataset, store: Store
) -> None:
    """One raises when it is built, one in the forward pass, one answers NaN; the fourth is measured."""
    bodies = {"late": "raise ValueError('late')", "nan": "return torch.full((len(images), 1000), float('nan'))"}
    folders = [make_submission(CODE.format(body=body), name=name) for name, body in bodies.items()]
    folders += [make_submission("def build_model():\n    raise ValueError('early')\n", name="early"), make_submission()]
    entries = [open_submission(str(folder)) for folder in folders]
    outcomes = evaluate_all(entries, protocol, dataset, store, OPTIONS)

    assert [type(outcome).__name__ for outcome in outcomes] == ["ModelError", "NonFiniteError", "ModelError", "Outcome"]
    assert sorted(result.status for result in store.load()) == ["failed", "failed", "failed", "self-reported"]


def test_models_that_do_not_fit_together_run_alone(
    make_submission: MakeSubmission,
    protocol: Protocol,
    dataset: Dataset,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When the memory is too small for two at once, each gets a pass of its own."""
    from bench.backends.local import _LocalSession

    submit = _LocalSession.submit
    batches: list[int] = []

    def crowded(self: _LocalSession, images_NHWC: np.ndarray) -> object:
        batches.append(len(images_NHWC))
        if len(batches) == 2:  # the second model's first batch, while the first model is there too
            raise DeviceError("out of memory")
        return submit(self, images_NHWC)

    monkeypatch.setattr(_LocalSession, "submit", crowded)
    entries = [open_submission(str(make_submission(name=name))) for name in ("a", "b")]
    outcomes = evaluate_all(entries, protocol, dataset, store, OPTIONS)

    assert all(isinstance(outcome, Outcome) for outcome in outcomes)
    assert sorted(result.environment["num_models"] for result in store.load()) == [1, 2]


def test_a_model_that_does_not_start_beside_another_starts_alone(
    make_submission: MakeSubmission,
    protocol: Protocol,
    dataset: Dataset,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Memory that another model holds is no fault of the submission."""
    from bench.backends import local

    build, started = local.build_model, []

    def crowded(*words: object, **options: object) -> object:
        started.append(words)
        if len(started) == 2:
            raise DeviceError("out of memory")
        return build(*words, **options)

    monkeypatch.setattr(local, "build_model", crowded)
    entries = [open_submission(str(make_submission(name=name))) for name in ("a", "b")]
    outcomes = evaluate_all(entries, protocol, dataset, store, OPTIONS)

    assert all(isinstance(outcome, Outcome) for outcome in outcomes)
    assert len(started) == 3


def test_the_same_submission_named_twice_is_one_run(
    make_submission: MakeSubmission, protocol: Protocol, dataset: Dataset, store: Store
) -> None:
    """It waits for no lock of its own."""
    entry = open_submission(str(make_submission()))
    outcomes = evaluate_all([entry, entry], protocol, dataset, store, OPTIONS, rerun=True)

    assert outcomes[0] == outcomes[1]
    assert len(store.load()) == 1


def test_several_devices_answer_as_one(
    make_submission: MakeSubmission, protocol: Protocol, dataset: Dataset, store: Store
) -> None:
    """Batches go round among the devices; every image is answered once, with the same bits."""
    folder = make_submission()
    one = _evaluate(folder, protocol, dataset, Store(store.results / "one"), batch_size=5).result
    three = _evaluate(folder, protocol, dataset, store, batch_size=5, device="cpu,cpu,cpu").result

    assert three.predictions == one.predictions
    assert three.environment["num_devices"] == 3


SLOW = CODE.format(body="import sys, time; print('forward', file=sys.stderr, flush=True); time.sleep(600)")
RUN = """
import sys
from pathlib import Path
from bench.cli.main import main
sys.argv = ["bench", "evaluate", sys.argv[1], "--protocol", sys.argv[2], "--data", sys.argv[3], "--allow-partial",
            "--results", sys.argv[4], "--device", "cpu"]
main()
"""


def _start(folder: Path, protocol: Path, data: Path, store: Store) -> subprocess.Popen[str]:
    arguments = [str(folder), str(protocol), str(data), str(store.results)]
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_run_that_is_stopped_leaves_nothing_half_written(
    make_submission: MakeSubmission, tiny_protocol: Path, tiny_data: Path, store: Store, sent: int, code: int
) -> None:
    """After Ctrl-C or kill -9 in the forward pass, the next run finds no broken file and does the work."""
    folder = make_submission(SLOW)
    child = _start(folder, tiny_protocol, tiny_data, store)
    assert child.stderr is not None
    while child.stderr.readline() != "forward\n":
        assert child.poll() is None
    child.send_signal(sent)
    _, errors = child.communicate(timeout=60)

    assert child.returncode == code, errors
    assert "Traceback" not in errors
    assert not list(store.results.rglob("*.json"))
    (folder / "model.py").write_text(CODE.format(body="return torch.zeros(len(images), 1000)"))
    child = _start(folder, tiny_protocol, tiny_data, store)
    _, errors = child.communicate(timeout=120)
    assert child.returncode == 0, errors
    assert len(store.load()) == 1


@pytest.mark.slow
def test_two_processes_that_evaluate_the_same_submission_make_one_result(
    make_submission: MakeSubmission, tiny_protocol: Path, tiny_data: Path, store: Store
) -> None:
    """The second one waits for the first and answers from the store."""
    folder = make_submission(CODE.format(body="import time; time.sleep(2); return torch.zeros(len(images), 1000)"))
    children = [_start(folder, tiny_protocol, tiny_data, store) for _ in range(2)]
    outputs = [child.communicate(timeout=120)[0] for child in children]

    assert [child.returncode for child in children] == [0, 0]
    assert len(store.load()) == 1
    assert sum("from the store" in output for output in outputs) == 1
