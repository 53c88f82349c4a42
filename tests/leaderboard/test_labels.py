"""Labels find room or are left out."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from bench.leaderboard.labels import Box, Label, placed_labels
from bench.leaderboard.text_width import text_width

ROOM = Box(0, 0, 400, 300)
POINTS = st.lists(st.tuples(st.floats(0, 400), st.floats(0, 300)), max_size=12)


def _box(label: Label) -> Box:
    width = text_width(label.text, 10)
    left = label.x if label.anchor == "start" else label.x - width
    return Box(left, label.y - 8, left + width, label.y + 2.5)


@given(POINTS, POINTS, st.booleans())
def test_labels_touch_nothing(
    points: list[tuple[float, float]], others: list[tuple[float, float]], leftwards: bool
) -> None:
    """No other label, no point and no line of the staircase; and all lie inside the room."""
    steps = list(zip(sorted(x for x, _ in points), sorted(y for _, y in points), strict=True))
    texts = [f"entry {index}" for index in range(len(steps))]

    boxes = [_box(label) for label in placed_labels(steps, texts, ROOM, size=10, leftwards=leftwards, others=others)]

    assert all(ROOM.holds(box) for box in boxes)
    assert not any(one.meets(other) for one, other in combinations(boxes, 2))
    assert not any(box.left < x < box.right and box.top < y < box.bottom for box in boxes for x, y in [*steps, *others])
    for (x, y), (next_x, next_y) in pairwise(steps):
        assert not any(box.meets(Box(x, y, next_x, y)) or box.meets(Box(next_x, y, next_x, next_y)) for box in boxes)


def test_the_ends_are_named_first() -> None:
    """Of three points that share their room the middle one goes without a name."""
    room = Box(95, 80, 400, 120)

    labels = placed_labels([(100, 95), (100, 100), (100, 105)], "abc", room, size=10, leftwards=False)

    assert [label.text for label in labels] == ["a", "c"]


def test_a_label_goes_to_the_other_side_where_there_is_no_room() -> None:
    """The cheapest entry stands at the left edge of the plot."""
    (label,) = placed_labels([(2, 150)], ["net"], ROOM, size=10, leftwards=True)

    assert (label.anchor, label.x) == ("start", 9)


def test_a_label_stands_on_the_free_side() -> None:
    """Left of its point where low is better, right of it where high is."""
    (left,), (right,) = (
        placed_labels([(200, 150)], ["net"], ROOM, size=10, leftwards=leftwards) for leftwards in (True, False)
    )

    assert (left.anchor, right.anchor) == ("end", "start")
    assert left.x < 200 < right.x
