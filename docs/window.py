"""What `pictures` does with a page before it keeps what the window shows: waiting, clicking, scrolling, a palette."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from tests.browser import picture

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

COLORS = 256  # of a palette
Step = Callable[["Chrome"], object]


def take(window: "Chrome", address: str, target: Path, *steps: Step) -> None:
    """Opens a page, does the steps, and keeps what the window shows."""
    window.get("about:blank")
    window.get(address)
    for step in (*steps, without_assistant):
        step(window)
    picture(window, target)
    shrink(target)
    print(f"{target.name}: {target.stat().st_size // 1000} kB", flush=True)


def shrink(file: Path) -> None:
    """A palette: half the bytes, and no difference one sees.

    The commonest colours stay as they are, so that surfaces keep their tint; the others, of lines and
    charts, are spread over what is left of the palette.
    """
    with Image.open(file) as shot:
        image = shot.convert("RGB")
    counted = sorted(image.getcolors(image.width * image.height), reverse=True)
    exact = [color for _, color in counted[: COLORS // 2]]
    spread = image.quantize(COLORS - len(exact), Image.Quantize.MAXCOVERAGE).getpalette()
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for color in exact for value in color] + spread)
    image.quantize(palette=palette, dither=Image.Dither.NONE).save(file, optimize=True)


def until(selector: str, count: int = 1) -> Step:
    """Waits until so many elements are there."""

    def step(window: "Chrome") -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(window, 90).until(lambda _: len(window.find_elements("css selector", selector)) >= count)

    return step


def settled(window: "Chrome") -> None:
    """Waits until the page stops changing."""
    before = ""
    for _ in range(40):
        window.execute_async_script("setTimeout(arguments[0], 700)")
        now = window.get_screenshot_as_base64()
        if now == before:
            return
        before = now


def click_all(text: str) -> Step:
    """Clicks every element with exactly this text, one that lies outside the window too."""

    def step(window: "Chrome") -> None:
        for found in window.find_elements("xpath", f"//*[normalize-space(text())='{text}']"):
            window.execute_script("arguments[0].click()", found)

    return step


def show(text: str) -> Step:
    """Scrolls so that the element with this text is near the top."""

    def step(window: "Chrome") -> None:
        found: Any = window.find_element("xpath", f"//*[normalize-space(text())='{text}']")
        window.execute_script("arguments[0].style.scrollMarginTop = '64px'; arguments[0].scrollIntoView()", found)

    return step


def without_assistant(window: "Chrome") -> None:
    """Takes away the round button over the lower right corner."""
    window.execute_script(
        "for (const item of document.elementsFromPoint(innerWidth - 40, innerHeight - 40))"
        " if (item.closest('button')) item.closest('button').style.visibility = 'hidden'"
    )
