"""The report in a headless Chromium with the network cut: sort, point, open, step; phone, dark, no script."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline import page, paths
from pipeline.files import write_text
from tests.browser import browser, errors_of, missing
from tests.conftest import REPOSITORY
from tests.judged import ABOUT, ODD_NAMES, judged
from tests.test_page import page_of

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

pytestmark = pytest.mark.skipif(missing() is not None, reason=missing() or "")
CUT = "--host-resolver-rules=MAP * ~NOTFOUND"
SIZES = (2, 10, 100)
CONTRAST = """
const light = (rgb) => { const [r, g, b] = rgb.map((v) => v / 255)
  .map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const bytes = (colour, under) => { canvas.fillStyle = under; canvas.fillRect(0, 0, 1, 1); canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3); };
const ground = (item) => { const chain = []; for (let at = item; at; at = at.parentElement) chain.unshift(at);
  return chain.reduce((under, at) => `rgb(${bytes(getComputedStyle(at).backgroundColor, under)})`, "white"); };
const every = "p, dt, dd, td, th, a, button, span, h1, h2, li, code, summary, figcaption, small";
return [...document.querySelectorAll(every)]
  .filter((item) => item.checkVisibility() && [...item.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
  .filter((item) => parseFloat(getComputedStyle(item).fontSize) > 0)
  .map((item) => { const under = ground(item);
    const [a, b] = [light(bytes(getComputedStyle(item).color, under)), light(bytes("transparent", under))];
    return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), item.outerHTML.slice(0, 80)]; })
  .filter(([ratio]) => ratio < 4.5);
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages with 2, 10 and 100 classes, and one with odd names."""
    made = tmp_path_factory.mktemp("pages")
    for num_classes in SIZES:
        answers = judged(num_classes, 20 * num_classes + 200, side=12)
        (made / f"{num_classes}.html").write_text(page_of(answers), encoding="utf-8")
    odd = page_of(judged(len(ODD_NAMES), 400, ODD_NAMES, side=80, channels=3))
    (made / "odd.html").write_text(odd, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def driver() -> Iterator["Chrome"]:
    with browser(1280, 900, CUT) as started:
        yield started


def opened(driver: "Chrome", folder: Path, name: object) -> "Chrome":
    """The page, in a window of usual size and in the light."""
    emulate(driver, 1280, 900, "light")
    driver.get((folder / f"{name}.html").as_uri())
    return driver


def emulate(driver: "Chrome", width: int, height: int, scheme: str) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def one(driver: "Chrome", selector: str) -> "WebElement":
    return driver.find_element("css selector", selector)


def texts(driver: "Chrome", selector: str) -> list[str]:
    found: list[str] = driver.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map((item) => item.textContent.trim())", selector
    )
    return found


def point_at(driver: "Chrome", target: "WebElement") -> None:
    from selenium.webdriver import ActionChains

    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", target)
    ActionChains(driver).move_by_offset(0, 0).move_to_element(target).perform()


def press(driver: "Chrome", *keys: str) -> None:
    from selenium.webdriver import ActionChains

    ActionChains(driver).send_keys(*keys).perform()


def click(driver: "Chrome", target: "WebElement") -> None:
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", target)
    target.click()


@pytest.mark.parametrize("name", [*SIZES, "odd"])
def test_the_page_opens_without_a_complaint(driver: "Chrome", folder: Path, name: object) -> None:
    opened(driver, folder, name)
    assert one(driver, "html").get_attribute("class") == "script"
    assert one(driver, "h1").text.endswith("accuracy")
    assert errors_of(driver) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [*SIZES, "odd"])
def test_a_phone_shows_it_without_moving_sideways(driver: "Chrome", folder: Path, name: object, scheme: str) -> None:
    opened(driver, folder, name)
    emulate(driver, 360, 740, scheme)
    script = "const d = document.documentElement; return [d.scrollWidth, d.clientWidth]"
    scrolled, shown = driver.execute_script(script)
    assert (scrolled, shown) == (360, 360)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(driver: "Chrome", folder: Path, scheme: str) -> None:
    opened(driver, folder, 10)
    emulate(driver, 1280, 900, scheme)
    assert driver.execute_script(CONTRAST) == []


def test_the_dark_is_dark(driver: "Chrome", folder: Path) -> None:
    colour = "return getComputedStyle(document.body).backgroundColor"
    light = opened(driver, folder, 2).execute_script(colour)
    emulate(driver, 1280, 900, "dark")
    assert (light, driver.execute_script(colour)) == ("rgb(250, 250, 248)", "rgb(19, 22, 25)")


@pytest.mark.parametrize("name", SIZES)
def test_the_matrix_changes_its_order_and_back(driver: "Chrome", folder: Path, name: int) -> None:
    opened(driver, folder, name)
    rows, columns, counts = ".matrix tbody th", ".matrix thead th", ".matrix td.d"
    before, right = texts(driver, rows), sorted(texts(driver, counts))
    click(driver, one(driver, "[data-order=errors]"))
    sorted_rows = texts(driver, rows)
    assert sorted_rows == texts(driver, columns) and sorted(sorted_rows) == sorted(before)
    assert name == 2 or sorted_rows != before
    diagonal = "return [...document.querySelectorAll('.matrix tbody tr')].map((row, i) => row.cells[i + 1].className)"
    assert set(driver.execute_script(diagonal)) <= {"d", ""}
    assert sorted(texts(driver, counts)) == right
    click(driver, one(driver, "[data-order=name]"))
    assert texts(driver, rows) == texts(driver, columns) == before


def test_likeness_puts_neighbours_side_by_side(driver: "Chrome", folder: Path) -> None:
    opened(driver, folder, 100)
    click(driver, one(driver, "[data-order=errors]"))
    click(driver, one(driver, "[data-order=likeness]"))
    order = [int(text.removeprefix("class ")) for text in texts(driver, ".matrix tbody th")]
    beside = sum(abs(order.index(number) - order.index(number + 1)) == 1 for number in range(0, 100, 2))
    assert beside > 25  # `judged` confuses class 2n with 2n + 1


def test_pointing_at_a_cell_tells_label_guess_count_and_share(driver: "Chrome", folder: Path) -> None:
    opened(driver, folder, 10)
    cell = one(driver, ".matrix tbody tr:nth-child(1) td:nth-child(3)")
    count, support = int(cell.text), sum(map(int, filter(None, texts(driver, ".matrix tbody tr:nth-child(1) td"))))
    point_at(driver, cell)
    shown = one(driver, "#tip").text.splitlines()
    assert shown[:2] == ["label class 0", "guess class 1"]
    assert shown[2] == f"{count} images, {100 * count / support:.1f}% of its {support}"


@pytest.mark.parametrize("name", SIZES)
def test_the_matrix_can_be_walked_by_keys(driver: "Chrome", folder: Path, name: int) -> None:
    from selenium.webdriver import Keys

    opened(driver, folder, name)
    driver.execute_script("document.querySelector('.matrix td[tabindex=\"0\"]').focus()")
    press(driver, Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ARROW_UP)
    said = driver.execute_script("return document.activeElement.getAttribute('aria-label')")
    assert said.startswith("label class 0, guess class 1, ")
    press(driver, Keys.ENTER)
    assert one(driver, "#gallery-says").text.startswith("Images of class 0 taken for class 1: ")


@pytest.mark.parametrize("name", SIZES)
def test_a_cell_leads_to_its_mistakes(driver: "Chrome", folder: Path, name: int) -> None:
    opened(driver, folder, name)
    cell = one(driver, ".matrix tbody tr:nth-child(1) td:nth-child(3)")
    count = int(cell.get_attribute("textContent") or 0)
    click(driver, cell)
    cards = texts(driver, "#gallery li .is")
    assert len(cards) == count > 0 and set(cards) == {"is class 0"}
    click(driver, one(driver, "#gallery-tools button"))
    assert len(texts(driver, "#gallery li")) == len(texts(driver, "#gallery li img")) > count


def test_a_pair_leads_to_the_mistakes_of_both_ways(driver: "Chrome", folder: Path) -> None:
    opened(driver, folder, 10)
    button = one(driver, "[data-pair]")
    total = int(button.get_attribute("data-total") or 0)
    click(driver, button)
    assert len(texts(driver, "#gallery li")) == total
    assert len(set(texts(driver, "#gallery li .is"))) == 2


@pytest.mark.parametrize("column", [1, 2, 3, 4, 5])
def test_the_class_table_sorts_by_each_column(driver: "Chrome", folder: Path, column: int) -> None:
    opened(driver, folder, 10)
    script = "return [...document.querySelectorAll('.sortable tbody tr')].map((row) => row.cells[arguments[0]]"
    values = f"{script}).map((cell) => cell.dataset.v ?? cell.textContent.trim())"
    button = one(driver, f".sortable thead th:nth-child({column}) button")
    key: Any = (lambda text: int(text.removeprefix("class "))) if column == 1 else float
    click(driver, button)
    rising = [key(value) for value in driver.execute_script(values, column - 1)]
    click(driver, button)
    assert rising == sorted(rising)
    assert [key(value) for value in driver.execute_script(values, column - 1)] == rising[::-1]
    assert button.find_element("xpath", "..").get_attribute("aria-sort") == "descending"


@pytest.mark.parametrize("name", [*SIZES, "odd"])
def test_a_mistake_opens_and_the_arrows_go_on(driver: "Chrome", folder: Path, name: object) -> None:
    from selenium.webdriver import Keys

    opened(driver, folder, name)
    click(driver, one(driver, "#gallery button"))
    place, first = one(driver, "#viewer-place"), one(driver, "#viewer-file").text
    assert place.text.startswith("1 of ") and first.endswith(".png")
    assert 2 <= len(texts(driver, "#viewer-bars .row")) <= 5
    assert driver.execute_script("return document.querySelector('#viewer-picture img').naturalWidth") > 0
    press(driver, Keys.ARROW_RIGHT)
    assert place.text.startswith("2 of ") and one(driver, "#viewer-file").text != first
    press(driver, Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    number, _, count = place.text.partition(" of ")
    assert number == count
    press(driver, Keys.ESCAPE)
    assert not one(driver, "#viewer").is_displayed()
    focused = "return document.activeElement.dataset.mistake"
    assert driver.execute_script(focused) == "0"
    assert errors_of(driver) == []


def test_curves_tell_their_values(driver: "Chrome", folder: Path) -> None:
    from selenium.webdriver import Keys

    opened(driver, folder, 2)
    point_at(driver, one(driver, "svg.curve"))
    assert one(driver, "#tip").text.splitlines()[1:] in (
        ["training 1", "validation 1.1"],
        ["training 0.5", "validation 0.55"],
    )
    one(driver, "svg.curve").send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert one(driver, "#tip").text == "epoch 1\ntraining 1\nvalidation 1.1"


def test_bins_of_the_diagram_tell_their_values(driver: "Chrome", folder: Path) -> None:
    opened(driver, folder, 10)
    point_at(driver, one(driver, ".bin:last-of-type .images"))
    assert one(driver, "#tip").text.startswith("Stated ")


def test_without_script_tables_and_pictures_are_there(driver: "Chrome", folder: Path) -> None:
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened(driver, folder, 10)
        assert len(driver.find_elements("css selector", ".matrix tbody tr")) == 10
        assert one(driver, "#gallery img").is_displayed() and one(driver, ".sortable").is_displayed()
        assert not one(driver, "[data-order]").is_displayed()
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_a_script_that_is_not_ours_does_not_run(driver: "Chrome", folder: Path) -> None:
    text = page_of(judged(2)).replace("</main>", "<script>document.title = 'taken'</script></main>")
    (folder / "taken.html").write_text(text, encoding="utf-8")
    opened(driver, folder, "taken")
    assert driver.title.startswith("pictures: accuracy")
    assert any("Content Security Policy" in message for message in errors_of(driver))


def test_a_filled_page_shows_when_it_was_made(driver: "Chrome", folder: Path) -> None:
    from tests.test_page import FACTS

    (folder / "filled.html").write_text(page.fill(page_of(judged(2), ABOUT), FACTS), encoding="utf-8")
    opened(driver, folder, "filled")
    assert one(driver, "#when").text == "Trained in 3 s."
    assert "Machine <b>" in one(driver, "#again").text


def test_the_page_of_dvc_shows_the_report_above_its_plots(driver: "Chrome", folder: Path, tmp_path: Path) -> None:
    from dvc_render.html import HTML

    template = (REPOSITORY / ".dvc" / "plots.html").read_text(encoding="utf-8")
    write_text(tmp_path / "dvc_plots" / "index.html", HTML(template).with_element("<p id='own'>plots</p>").embed())
    write_text(tmp_path / paths.REPORT_PAGE, (folder / "10.html").read_text(encoding="utf-8"))
    opened(driver, tmp_path / "dvc_plots", "index")
    assert one(driver, "iframe + #own").text == "plots"
    driver.switch_to.frame(one(driver, "iframe"))
    assert one(driver, "h1").text.endswith("accuracy") and errors_of(driver) == []
