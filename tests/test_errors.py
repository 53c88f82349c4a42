"""Messages of errors."""

from bench.errors import BenchError, UsageError, nearest


def test_a_message_starts_with_the_file_and_the_key() -> None:
    """File, key and sentence stand in this order."""
    error = BenchError("is missing", path="submission.toml", key="model.file")

    assert str(error) == "submission.toml: model.file: is missing"


def test_wrong_usage_has_exit_code_two() -> None:
    """Failures exit with 1, wrong usage with 2."""
    assert (BenchError.exit_code, UsageError.exit_code) == (1, 2)


def test_an_unknown_name_is_answered_with_the_nearest_ones() -> None:
    """Few known names are all listed; of many only the nearest are shown."""
    assert nearest("top-1", ["top1", "ece"]) == "did you mean top1? Known: ece, top1"
    assert "did you mean model_7" in nearest("modle_7", [f"model_{index}" for index in range(100)])
    assert nearest("b", ["a", "a"]) == "Known: a"
    assert nearest("x", []) == "none exist"
