"""The MLflow UI as our runs fill it, clicked through in Chromium: names, columns, comparison, parallel coordinates."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pipeline import tracking, tracking_server
from tests import browser, tracked_runs
from tests.checkout import free_port, mlflow_server

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = [
    pytest.mark.skipif(bool(browser.missing()), reason=str(browser.missing())),
    pytest.mark.slow,
]

# (changes, hex digit of the data, test accuracy)
DIGITS = [
    ((), "a", 0.98),
    (("model.dropout=0.3", "train.epochs=5"), "a", 0.99),
    ((), "b", 0.97),
]
MNIST = [
    ((f"model.dropout={number / 20}", f"train.seed={number % 3}"), "a", 0.9 + number / 200) for number in range(10)
]
WAIT = 60  # seconds, for a page on a busy machine
CLOSED_ASSISTANT = "localStorage['mlflow.assistant.fab.autoOpenedOnFirstLoad_v1'] = 'true'"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Experiment -> address of its view; a server with three runs of digits and ten of MNIST."""
    folder = tmp_path_factory.mktemp("pages")
    with mlflow_server(folder / "server", free_port()) as server, tracked_runs.checkout(folder, server):
        for number, (changes, digit, accuracy) in enumerate(DIGITS):
            tracked_runs.write_lock(folder, digit)
            tracked_runs.make_run(tracked_runs.params_of(*changes), f"digits-{number}", accuracy)
        for number, (changes, _, accuracy) in enumerate(MNIST):
            params = tracked_runs.params_of(*changes, preset="mnist")
            tracked_runs.make_run(params, f"mnist-{number}", accuracy, num_epochs=3)
        yield tracking.views(tracking_server.connect(), server)


@pytest.fixture(scope="module")
def driver(pages: dict[str, str]) -> Iterator["Chrome"]:
    with browser.browser(1500, 1000) as window:
        window.get(pages["digits"].partition("#")[0] + "health")
        window.execute_script(CLOSED_ASSISTANT)
        yield window


def until(driver: "Chrome", found: Callable[[], Any]) -> Any:
    """What `found` returns as soon as it is something; elements that were redrawn meanwhile are looked for again."""
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait

    waiting = WebDriverWait(driver, WAIT, ignored_exceptions=[StaleElementReferenceException])
    return waiting.until(lambda _: found())


def all_of(driver: "Chrome", selector: str) -> list[Any]:
    return driver.find_elements("css selector", selector)


def run_names(driver: "Chrome") -> list[Any]:
    return all_of(driver, '.ag-row a[href*="/runs/"]')


def open_page(driver: "Chrome", address: str, count: int) -> list[Any]:
    """Opens a view anew and returns the cells with the names, of as many runs as there are."""
    driver.get("about:blank")
    driver.get(address)
    names: list[Any] = until(driver, lambda: len(names := run_names(driver)) == count and names)
    return names


def column(driver: "Chrome", key: str) -> list[str]:
    return [cell.text for cell in all_of(driver, f'.ag-row [col-id="{key}"]')]


def rows(driver: "Chrome", table: int) -> dict[str, list[str]]:
    """A table of the compare page: 1 is params, 2 is tags."""
    words = [
        [cell.text for cell in row.find_elements("css selector", "th, td")]
        for row in all_of(driver, "table")[table].find_elements("css selector", "tbody tr")
    ]
    return {name: values for name, *values in words}


def test_the_run_table_says_which_change_helped(pages: dict[str, str], driver: "Chrome") -> None:
    names = open_page(driver, pages["digits"], len(DIGITS))
    assert [name.text for name in names] == ["dropout 0.3, epochs 5 (digits)", "digits", "digits"]
    assert all(name.get_property("scrollWidth") <= name.get_property("clientWidth") for name in names), "names are cut"
    assert column(driver, "metrics.`test/accuracy`") == ["0.99", "0.98", "0.97"]
    assert column(driver, "tags.`interval`")[0] == "0.980 to 1.000"
    assert column(driver, "tags.`reprolens.changes`")[0] == "model.dropout 0 -> 0.3; train.epochs 40 -> 5"


def test_comparing_two_runs_shows_what_differs(pages: dict[str, str], driver: "Chrome") -> None:
    open_page(driver, pages["digits"], len(DIGITS))
    for box in all_of(driver, ".ag-row .ag-selection-checkbox input")[:2]:
        box.click()
    until(driver, lambda: [button for button in all_of(driver, "button") if button.text == "Compare"])[0].click()
    until(driver, lambda: len(all_of(driver, "table")) >= 3)
    assert rows(driver, 1)["model.dropout"] in (["0.0", "0.3"], ["0.3", "0.0"])
    assert rows(driver, 1)["train.seed"] == ["0", "0"]
    for switch in driver.find_elements("xpath", "//*[text()='Show diff only']"):
        driver.execute_script("arguments[0].click()", switch)
    assert until(driver, lambda: len(rows(driver, 1)) == 2 and set(rows(driver, 1))) == {
        "model.dropout",
        "train.epochs",
    }
    assert {"network", "reprolens.changes"} <= set(rows(driver, 2))
    assert not {"data", "split", "code", "packages"} & set(rows(driver, 2))


def test_other_data_shows_in_the_tags(pages: dict[str, str], driver: "Chrome") -> None:
    open_page(driver, pages["digits"], len(DIGITS))
    driver.execute_script("document.querySelector('.ag-body-horizontal-scroll-viewport').scrollLeft = 2000")
    data = until(driver, lambda: len(found := column(driver, "tags.`data`")) == len(DIGITS) and found)
    assert data == ["a" * 8, "a" * 8, "b" * 8]
    code = column(driver, "tags.`code`")
    assert len(set(code)) == 1 and len(code[0]) == 8


def test_parallel_coordinates_of_ten_runs_have_the_params_that_differ(pages: dict[str, str], driver: "Chrome") -> None:
    names = open_page(driver, pages["mnist"].replace("=TABLE", "=CHART"), len(MNIST))
    assert names[0].text == "dropout 0.45 (mnist)"
    labels = until(driver, lambda: all_of(driver, ".parcoords .axis .label"))
    assert [label.get_property("textContent") for label in labels] == ["model.dropout", "train.seed", "test/accuracy"]


def test_the_description_leads_to_the_view(pages: dict[str, str], driver: "Chrome") -> None:
    driver.get("about:blank")
    driver.get(pages["mnist"].partition("?")[0])
    until(driver, lambda: driver.find_elements("link text", "the charts"))[0].click()
    until(driver, lambda: len(driver.window_handles) == 2 or "viewStateShareKey=reprolens" in driver.current_url)
    driver.switch_to.window(driver.window_handles[-1])
    assert until(driver, lambda: len(run_names(driver)) == len(MNIST))
    assert "compareRunsMode=CHART" in driver.current_url
