"""The compare page in a real browser: its statistics against bench.stats, its limits in words, its permalink."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from browser.conftest import OpenPage
from browser.looks import LOOKS, axe
from leaderboard.made_results import BOARD, NUM_SAMPLES, breakdown_of, hostile_names, run_of, write_boards

from bench.leaderboard import site
from bench.leaderboard.slugs import slug
from bench.records.correctness import Correctness
from bench.records.result import Cost, DatasetRef, Result
from bench.stats.intervals import wilson
from bench.stats.paired import mcnemar_p, paired_test
from bench.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Page

NUM_NETS = 9
SLUGS = [slug(f"acme/net-{index}") for index in range(NUM_NETS)]


def _bits() -> np.ndarray:
    """Nine networks that are right on about the same images, shape (9, N)."""
    random = np.random.default_rng(11)
    hardness = random.random(NUM_SAMPLES)
    return np.array([hardness + 0.3 * random.random(NUM_SAMPLES) < 0.5 + 0.06 * index for index in range(NUM_NETS)])


def _net(index: int, right_N: np.ndarray, **fields: Any) -> Result:
    costs = {
        "num_params": Cost(value=1e6 * (1 + index % 5), unit="parameters"),
        "throughput_img_s": Cost(value=900.0 - 50 * (index % 10), unit="img/s", device="A100"),
    }
    return run_of(f"net-{index}", int(right_N.sum()), hours=index, costs=costs, **fields)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine networks with bits and classes, one on other images, one without bits, and hostile names."""
    folder = tmp_path_factory.mktemp("compared")
    store = Store(folder / "results")
    for index, right_N in enumerate(_bits()):
        counts = breakdown_of().model_copy(update={"num_top1": tuple((7 * index + 11 * k) % 51 for k in range(10))})
        store.add(_net(index, right_N), correctness=Correctness(right_N, right_N), breakdown=counts)
    other = DatasetRef(name="shapes10", split="val", digest="d" * 64, num_samples=NUM_SAMPLES)
    right_N = _bits()[3]
    store.add(_net(20, right_N, dataset=other), correctness=Correctness(right_N, right_N))
    store.add(_net(21, _bits()[4]))
    for index, vector in enumerate(vector for vector in hostile_names() if vector["accept"]):
        words = {"title": vector["name"], "team_title": vector["name"]}
        store.add(run_of(f"hostile-{index}", 300 + index, hours=100 + index, words=words))
    return site.publish(store, write_boards(folder / "boards", BOARD), folder / "site").index.parent


def _link(site_: Path | str, *slugs: str, more: str = "") -> str:
    root = site_ if isinstance(site_, str) else site_.as_uri()
    return f"{root}/compare.html#" + "&".join(f"m={name}" for name in slugs) + more


def _wait(page: Page, number: int) -> None:
    page.wait_for_selector(f"body[data-shown='{number}']")


def _pairs(page: Page) -> list[list[str]]:
    rows: list[list[str]] = page.evaluate(
        "[...document.querySelectorAll('#gaps tbody tr')].map(row => [...row.cells].map(cell => cell.textContent))"
    )
    return rows


@pytest.mark.parametrize(("a", "b"), [(0, 1), (3, 8), (5, 4), (2, 2)])
def test_page_and_python_agree_on_a_pair(compared: Path, open_page: OpenPage, a: int, b: int) -> None:
    """The same counts, difference, interval and p as `paired_test`, to 1e-6 and better."""
    bits = _bits()
    expected = paired_test(bits[a], bits[b])
    with open_page(_link(compared, SLUGS[a], SLUGS[b])) as page:
        _wait(page, len({a, b}))
        found = page.evaluate("([a, b]) => paired(loaded.get(a).runs[0], loaded.get(b).runs[0])", [SLUGS[a], SLUGS[b]])

    assert (found["both"], found["onlyA"], found["onlyB"], found["neither"]) == expected[1:5]
    assert [found["difference"], found["low"], found["high"]] == pytest.approx(
        [expected.difference, expected.ci_low, expected.ci_high], abs=1e-12
    )
    assert found["p"] == pytest.approx(expected.p_value, rel=1e-9)


def test_page_and_python_agree_on_p_at_every_size(compared: Path, open_page: OpenPage) -> None:
    """From no discordant image to all of 50,000, far into the tail."""
    counts = [(0, 0), (0, 1), (1, 9), (40, 60), (100, 25), (512, 480), (2400, 2600), (2600, 2700), (4000, 6000)]
    counts += [(24000, 26000), (25000, 25000), (0, 1000), (3000, 9000)]
    with open_page(_link(compared)) as page:
        found = page.evaluate("pairs => pairs.map(([b, c]) => mcnemar(b, c))", counts)

    assert found == pytest.approx([mcnemar_p(*pair) for pair in counts], rel=1e-8)


def test_all_pairs_are_tested_with_the_base_first(compared: Path, open_page: OpenPage) -> None:
    """What the table shows is what Python says, Holm's adjustment over all six tests included."""
    bits, picked = _bits(), [0, 3, 5, 8]
    base = 3
    with open_page(_link(compared, *(SLUGS[index] for index in picked), more=f"&base={SLUGS[base]}")) as page:
        _wait(page, 4)
        rows = _pairs(page)
    order = [(0, 3), (5, 3), (8, 3), (0, 5), (0, 8), (5, 8)]
    tests = [paired_test(bits[a], bits[b]) for a, b in order]
    by_p = sorted(range(6), key=lambda k: tests[k].p_value)
    adjusted, worst = [0.0] * 6, 0.0
    for rank, k in enumerate(by_p):
        worst = max(worst, min(1.0, tests[k].p_value * (6 - rank)))
        adjusted[k] = worst

    for row, test, holm, (a, b) in zip(rows, tests, adjusted, order, strict=True):
        assert row[0].startswith(f"{picked.index(a) + 1} Net-{a} \N{MINUS SIGN} {picked.index(b) + 1} Net-{b}")
        assert row[0].endswith("(base)") == (b == base)
        assert float(row[1]) == pytest.approx(100 * test.difference, abs=0.005)
        assert float(row[2]) == pytest.approx(bits[a].mean() / bits[b].mean(), abs=5e-5)
        low, high = (float(end) for end in row[3].split(" to "))
        assert (low, high) == pytest.approx((100 * test.ci_low, 100 * test.ci_high), abs=0.0051)
        assert row[4] == "paired"
        assert [float(row[5]), float(row[6])] == pytest.approx([test.p_value, holm], rel=0.05, abs=0.0005)
        assert [int(text) for text in row[7:]] == list(test[1:5])


@pytest.mark.parametrize(
    ("name", "why"),
    [("net-20", "dataset digests differ"), ("net-21", "which images were right is not kept")],
)
def test_without_a_paired_test_the_page_says_why(compared: Path, open_page: OpenPage, name: str, why: str) -> None:
    """And shows Newcombe's interval, by his formula from the Wilson intervals."""
    one, other = int(_bits()[3 if name == "net-20" else 4].sum()), int(_bits()[0].sum())
    (low_a, high_a), (low_b, high_b) = wilson(one, NUM_SAMPLES), wilson(other, NUM_SAMPLES)
    a, b = one / NUM_SAMPLES, other / NUM_SAMPLES
    low = a - b - np.hypot(a - low_a, high_b - b)
    high = a - b + np.hypot(high_a - a, b - low_b)
    with open_page(_link(compared, SLUGS[0], slug(f"acme/{name}"))) as page:
        _wait(page, 2)
        (row,) = _pairs(page)

    assert row[4] == f"unpaired: {why}"
    assert [float(end) for end in row[3].split(" to ")] == pytest.approx([100 * low, 100 * high], abs=0.0051)
    assert row[5:] == ["\N{EN DASH}"] * 6


def test_the_best_are_marked_in_the_right_direction(compared: Path, open_page: OpenPage) -> None:
    """High accuracy, few parameters, much throughput; a tie marks both."""
    with open_page(_link(compared, SLUGS[1], SLUGS[6], SLUGS[8])) as page:
        _wait(page, 3)
        best = page.evaluate(
            """Object.fromEntries([...document.querySelectorAll('#side tbody tr:not(.group)')].map(row =>
            [row.cells[0].textContent, [...row.cells].slice(1).map(cell => Boolean(cell.querySelector('b')))]))"""
        )
        speeds = page.locator("#side tbody svg rect").evaluate_all("rects => rects.map(r => +r.getAttribute('width'))")

    assert best["Top-1, %"] == [False, False, True]
    assert best["Params, M"] == [True, True, False]
    assert best["NLL"] == [False] * 3
    assert speeds == pytest.approx([100, 100 * 600 / 850, 100 * 500 / 850])


@pytest.mark.parametrize("over", ["file", "http"])
def test_eight_are_compared_and_a_ninth_is_refused(
    compared: Path, open_page: OpenPage, serve: Callable[[Path], str], over: str
) -> None:
    """A link with eight opens alone; a ninth is refused in words, from the link and from the search."""
    root = compared if over == "file" else serve(compared)
    with open_page(_link(root, *SLUGS)) as page:
        _wait(page, 8)
        assert page.locator("#side thead th").count() == 8
        assert page.locator("#gaps tbody tr").count() == 28
        assert "At most 8 are compared; left out: Net-8" in str(page.locator("#said").text_content())
        page.fill("#find", "net-8")
        page.keyboard.press("Enter")
        assert "remove one before you add Net-8" in str(page.locator("#said").text_content())
        page.click("[aria-label='Remove Net-0']")
        _wait(page, 7)
        page.fill("#find", "NET-8 acme")
        page.click("#found button")
        _wait(page, 8)
        assert page.locator("#side thead a").last.text_content() == "Net-8"
        assert page.locator("#said").text_content() == ""


def test_unknown_names_are_named_and_ask_for_nothing(compared: Path, open_page: OpenPage) -> None:
    """Nonsense in the address is text; there is no request that could fail."""
    nonsense = ["nope", "../../etc/passwd", "__proto__", "<img src=x>", "x" * 900]
    with open_page(_link(compared, *nonsense, SLUGS[0], more="&base=constructor&p=%00&x=[&m=&&=")) as page:
        _wait(page, 1)
        said = str(page.locator("#said").text_content())
        assert all(name[:200] in said for name in nonsense[:4])
        assert len(said) < 600
        assert page.locator("#side thead th").count() == 1
        assert page.locator("img").count() == 0


def test_nothing_compared_says_how_to_begin(compared: Path, open_page: OpenPage) -> None:
    """Empty, with a way to add."""
    with open_page(_link(compared)) as page:
        _wait(page, 0)
        assert page.locator("#empty").is_visible()
        assert page.locator("#side").is_hidden()
        page.fill("#find", "no such net")
        assert page.locator("#none").is_visible()


def test_the_address_holds_the_comparison(compared: Path, open_page: OpenPage) -> None:
    """Everything set, reloaded, equal."""
    read = "['base', 'p', 'a', 'b', 'x'].map(key => state[key])"
    with open_page(_link(compared, *SLUGS[:3])) as page:
        _wait(page, 3)
        page.locator(f"#base-{SLUGS[1]}").check()
        page.select_option("#a", SLUGS[2])
        page.select_option("#b", SLUGS[1])
        page.select_option("#x", label="Params, M")
        before, address = page.locator("main").inner_text(), page.url
        chosen = page.evaluate(read)
        assert chosen == [SLUGS[1], None, SLUGS[2], SLUGS[1], "num_params"]
    with open_page(address) as page:
        _wait(page, 3)
        assert page.evaluate(read) == chosen
        assert page.locator("main").inner_text() == before
        page.evaluate("location.hash = '#main'")  # an anchor is not a state
        page.wait_for_timeout(50)
        assert page.locator("#side thead th").count() == 3


def test_classes_are_plotted_and_the_outliers_named(compared: Path, open_page: OpenPage) -> None:
    """A dot a class at its two accuracies; the largest differences first, as Python sorts them."""
    right = {index: [(7 * index + 11 * k) % 51 for k in range(10)] for index in (2, 5)}
    with open_page(_link(compared, SLUGS[2], SLUGS[5])) as page:
        _wait(page, 2)
        dots = page.locator("#classes circle").evaluate_all(
            "dots => dots.map(dot => [(dot.getAttribute('cx') - 44) / 344, (356 - dot.getAttribute('cy')) / 344])"
        )
        listed = page.locator("#classes ol li").all_text_contents()

    expected = [(b / 50, a / 50) for a, b in zip(right[2], right[5], strict=True)]
    assert np.array(dots) == pytest.approx(np.array(expected))
    gaps = sorted((abs(a - b) for a, b in zip(right[2], right[5], strict=True) if a != b), reverse=True)
    assert [abs(float(text.split(", ")[1].split()[0])) for text in listed] == [2 * gap for gap in gaps]
    k = int(np.argmax(np.abs(np.subtract(right[2], right[5]))))
    assert any(f"{2 * right[2][k]:.1f} against {2 * right[5][k]:.1f} %" in text for text in listed)


def test_the_small_frontier_is_that_of_brute_force(compared: Path, open_page: OpenPage) -> None:
    """For parameters (fewer are better) and for throughput (more is better); the line has only steps."""
    bits, picked = _bits(), list(range(8))
    top1 = {index: int(bits[index].sum()) for index in picked}
    axes = {
        "Params, M": lambda index: -(1 + index % 5),
        "Inference, A100, fp32, torch 2.15.0, img/s": lambda index: 900 - 50 * index,
    }
    with open_page(_link(compared, *(SLUGS[index] for index in picked))) as page:
        _wait(page, 8)
        for label, good in axes.items():
            page.select_option("#x", label=label)
            items = page.locator("#cost li").all_text_contents()
            found = {int(item.split("Net-")[1].split(":")[0]) for item in items if item.endswith("on the frontier")}
            path = str(page.locator("#cost .stairs").get_attribute("d"))
            expected = {
                one
                for one in picked
                if not any(
                    good(other) >= good(one)
                    and top1[other] >= top1[one]
                    and (good(other), top1[other]) != (good(one), top1[one])
                    for other in picked
                )
            }
            assert found == expected, label
            assert set("".join(c for c in path if c.isalpha())) <= set("MHV")


def test_hostile_names_stay_text(compared: Path, open_page: OpenPage) -> None:
    """In headers, tables, plots and messages."""
    names = [vector.get("shown", vector["name"]) for vector in hostile_names() if vector["accept"]]
    for start in range(0, len(names), 8):
        some = [slug(f"acme/hostile-{index}") for index in range(start, min(start + 8, len(names)))]
        with open_page(_link(compared, *some)) as page:
            _wait(page, len(some))
            assert page.locator("#side thead a bdi").all_text_contents() == names[start : start + 8]
            assert page.locator("img, iframe, object, [onerror], [onload], main script:not([type])").count() == 0


def test_the_keyboard_alone_builds_a_comparison(compared: Path, open_page: OpenPage) -> None:
    """Search, Enter, Tab to the results, Space on a base, Enter on remove; focus is never lost."""
    focused = "document.activeElement.id || document.activeElement.getAttribute('aria-label')"
    with open_page(_link(compared)) as page:
        _wait(page, 0)
        page.focus("#find")
        page.keyboard.type("net-1 acme")
        page.keyboard.press("Enter")
        _wait(page, 1)
        page.keyboard.type("net-2")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        _wait(page, 2)
        assert page.evaluate(focused) == "find"
        page.focus(f"#base-{SLUGS[1]}")
        page.keyboard.press("ArrowDown")
        assert page.evaluate("state.base") == page.evaluate("state.m[1]")
        assert page.evaluate(focused) == page.evaluate("`base-${state.m[1]}`")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        _wait(page, 1)
        assert page.evaluate(focused) == "find"


def test_without_javascript_the_page_says_so(compared: Path, open_page: OpenPage) -> None:
    """And links the boards."""
    with open_page(compared / "compare.html", java_script_enabled=False) as page:
        assert "needs JavaScript" in page.locator("noscript p").inner_text()
        assert page.locator("main a[href='boards/tiny.html']").is_visible()
        assert page.locator("#find").is_hidden()


@pytest.mark.parametrize("width", [320, 390, 1440])
def test_eight_columns_scroll_in_their_own_box(compared: Path, open_page: OpenPage, width: int) -> None:
    """The page does not; header and first column stay in view."""
    with open_page(_link(compared, *SLUGS[:8]), viewport={"width": width, "height": 800}) as page:
        _wait(page, 8)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.evaluate("document.querySelector('.side').scrollTo(300, 200)")
        box, head, name = page.evaluate(
            """['.side', '.side thead th', '.side tbody tr:nth-child(4) th'].map(name => {
            const box = document.querySelector(name).getBoundingClientRect(); return [box.left, box.top] })"""
        )
        assert abs(head[1] - box[1]) <= 1
        assert abs(name[0] - box[0]) <= 1
        corner = "([x, y]) => document.elementFromPoint(x + 20, y + 20).closest('thead') !== null"
        page.evaluate("document.querySelector('.side').scrollIntoView()")
        left, top = page.evaluate(
            "(box => [box.left, box.top])(document.querySelector('.side').getBoundingClientRect())"
        )
        assert page.evaluate(corner, [left, top])


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_axe_finds_nothing(compared: Path, open_page: OpenPage, look: dict[str, Any]) -> None:
    """Three networks and the empty page."""
    for slugs in (SLUGS[:3], []):
        with open_page(_link(compared, *slugs), **look) as page:
            _wait(page, len(slugs))
            assert axe(page) == []


def test_the_classes_of_two_are_read_once(compared: Path) -> None:
    """The class table is a file of its own, not a copy in each submission's."""
    data = json.loads((compared / f"compare/{SLUGS[0]}.js").read_text().removeprefix("benchCompare(")[:-3])

    assert set(data["runs"][0]["classes"]) == {"table", "total", "right"}
    assert (compared / "compare/classes.shapes10.js").is_file()
