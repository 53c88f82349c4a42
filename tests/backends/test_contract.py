"""What every place to run must do; a new backend inherits these tests by its line in `BACKENDS`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.backends import BACKENDS
from bench.backends.base import PendingLogits, RunSpec
from bench.errors import ModelError, OutputError
from bench.models.source import open_submission

MakeSubmission = Callable[..., Path]
IMAGES_NHWC = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


def _spec(tmp_path: Path, **change: object) -> RunSpec:
    values = {"device": "cpu", "precision": "fp32", "num_classes": 1000, "cache_folder": tmp_path / "cache"}
    return RunSpec(**values | change)  # type: ignore[arg-type]


@pytest.fixture(params=list(BACKENDS))
def name(request: pytest.FixtureRequest) -> str:
    """Every place to run that this machine has."""
    if request.param == "sandbox":
        request.getfixturevalue("needs_sandbox")
    return str(request.param)


class TestBackend:
    """The contract."""

    def test_logits_are_float32_one_row_an_image(
        self, name: str, tmp_path: Path, make_submission: MakeSubmission
    ) -> None:
        """Shape (N, C), in the order of the images."""
        submission = open_submission(str(make_submission()))
        with BACKENDS[name]().start(submission, _spec(tmp_path)) as session:
            logits_NC = session.logits(IMAGES_NHWC)
            last_NC = session.logits(IMAGES_NHWC[-1:])

        assert (logits_NC.shape, logits_NC.dtype) == ((6, 1000), np.float32)
        np.testing.assert_allclose(logits_NC[-1:], last_NC, rtol=1e-5, atol=1e-6)

    def test_the_same_batch_gives_the_same_bits(
        self, name: str, tmp_path: Path, make_submission: MakeSubmission
    ) -> None:
        """In one session and in the next one."""
        submission = open_submission(str(make_submission()))
        answers = []
        for _ in range(2):
            with BACKENDS[name]().start(submission, _spec(tmp_path)) as session:
                answers += [session.logits(IMAGES_NHWC), session.logits(IMAGES_NHWC)]

        assert all(np.array_equal(answers[0], other) for other in answers)

    def test_batches_in_flight_are_answered_as_one_by_one(
        self, name: str, tmp_path: Path, make_submission: MakeSubmission
    ) -> None:
        """However many are given ahead, of whatever sizes, and though their memory is used again at once."""
        submission = open_submission(str(make_submission()))
        random = np.random.default_rng(0)
        shapes = [(int(random.integers(1, 5)), 32, 32, 3) for _ in range(60)]
        batches = [random.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]
        with BACKENDS[name]().start(submission, _spec(tmp_path)) as session:
            one_by_one = [session.logits(batch) for batch in batches]
            in_flight: deque[PendingLogits] = deque()
            found = []
            for batch in batches:
                pixels = batch.copy()
                in_flight.append(session.submit(pixels))
                pixels[:] = 0
                if len(in_flight) > session.num_ahead:
                    found.append(in_flight.popleft()())
            found += [wait() for wait in in_flight]

        assert all(np.array_equal(mine, other) for mine, other in zip(found, one_by_one, strict=True))

    def test_answers_stay_though_the_model_uses_their_memory_again(
        self, name: str, tmp_path: Path, make_submission: MakeSubmission
    ) -> None:
        """A model may write each of its answers to the same tensor."""
        code = (
            "import torch\nfrom torch import nn\n\n\nclass Frugal(nn.Module):\n    def __init__(self):\n"
            "        super().__init__()\n        self.answer = torch.zeros(1, 1000)\n        self.num_seen = 0\n\n"
            "    def forward(self, images):\n        self.num_seen += 1\n"
            "        return self.answer.fill_(self.num_seen)\n\n\ndef build_model():\n    return Frugal()\n"
        )
        submission = open_submission(str(make_submission(code)))
        with BACKENDS[name]().start(submission, _spec(tmp_path)) as session:
            waiting = [session.submit(IMAGES_NHWC[:1]) for _ in range(3)]
            found = [float(wait()[0, 0]) for wait in waiting]

        assert found == [1, 2, 3]

    def test_pixels_are_normalised_in_float32_and_the_batch_is_left_alone(
        self, name: str, tmp_path: Path, make_submission: MakeSubmission
    ) -> None:
        """Divide by 255, subtract the mean, divide by the standard deviation; the caller keeps its pixels."""
        code = (
            "from torch import nn\n\n\nclass Echo(nn.Module):\n    def forward(self, images):\n"
            "        return images.flatten(1)[:, :1000].contiguous()\n\n\ndef build_model():\n    return Echo()\n"
        )
        more = "[input]\nimg_size = 32\nmean = [0.5, 0.4, 0.3]\nstd = [0.2, 0.3, 0.4]"
        submission = open_submission(str(make_submission(code, more=more)))
        images_NHWC = IMAGES_NHWC.copy()
        with BACKENDS[name]().start(submission, _spec(tmp_path)) as session:
            logits_NC = session.logits(images_NHWC)
        red_NC = (IMAGES_NHWC[..., 0].reshape(6, -1)[:, :1000].astype(np.float32) / 255 - np.float32(0.5)) / np.float32(
            0.2
        )

        np.testing.assert_array_equal(images_NHWC, IMAGES_NHWC)
        np.testing.assert_allclose(logits_NC, red_NC, rtol=1e-6, atol=1e-6)

    def test_the_background_class_is_dropped(self, name: str, tmp_path: Path, make_submission: MakeSubmission) -> None:
        """1001 outputs become 1000 logits, without the first one."""
        more = "kwargs = { num_outputs = 1001 }\n[outputs]\nbackground = true"
        with_background = open_submission(str(make_submission(more=more)))
        without = open_submission(str(make_submission(name="whole", more="kwargs = { num_outputs = 1001 }")))
        with BACKENDS[name]().start(with_background, _spec(tmp_path)) as session:
            logits_NC = session.logits(IMAGES_NHWC)
        with BACKENDS[name]().start(without, _spec(tmp_path, num_classes=1001)) as session:
            all_NC = session.logits(IMAGES_NHWC)

        np.testing.assert_array_equal(logits_NC, all_NC[:, 1:])

    def test_a_wrong_number_of_outputs_is_an_error(
        self, name: str, tmp_path: Path, make_submission: MakeSubmission
    ) -> None:
        """The shape found and the shape expected are both named."""
        submission = open_submission(str(make_submission(more="kwargs = { num_outputs = 7 }")))

        with (
            pytest.raises(OutputError, match=r"\(6, 7\) .* expected \(6, 1000\)"),
            BACKENDS[name]().start(submission, _spec(tmp_path)) as session,
        ):
            session.logits(IMAGES_NHWC)

    def test_a_factory_that_raises_is_an_error_of_the_submission(
        self, name: str, tmp_path: Path, make_submission: MakeSubmission
    ) -> None:
        """The exception is named; it does not pass as a bug of bench."""
        submission = open_submission(str(make_submission("def build_model():\n    raise RuntimeError('no')\n")))

        with pytest.raises(ModelError, match="RuntimeError: no"), BACKENDS[name]().start(submission, _spec(tmp_path)):
            pass

    def test_multiply_adds_and_parameters_are_counted(
        self, name: str, tmp_path: Path, make_submission: MakeSubmission
    ) -> None:
        """A linear layer of 48 x 1000 has that many multiply-adds, and 1000 parameters more."""
        submission = open_submission(str(make_submission()))
        with BACKENDS[name]().start(submission, _spec(tmp_path)) as session:
            assert session.num_params == 48 * 1000 + 1000
            assert session.gmacs(32) == pytest.approx(48_000 / 1e9)

    def test_isolation_is_one_of_the_levels(self, name: str) -> None:
        """Every result says how far code was kept from labels."""
        assert BACKENDS[name].isolation in ("none", "process", "sandbox")
