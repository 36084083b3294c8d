"""From numbers to the report: one HTML page that needs nothing else, neither network nor other files; pure.

The page says nothing that changes when a run is made again. Where times and machine belong stand marks,
which `fill` replaces in a copy.
"""

import base64
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import figures, findings, page_parts
from pipeline.about import About, Facts
from pipeline.metrics import confusion
from pipeline.page_parts import Numbers, short, visible

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

ASSETS = Path(__file__).parent / "assets"
SCRIPTS = ("report.js", "mistakes.js", "figures.js")  # each goes on where the one before ends
QUARANTINED, EPOCHS = 300, 100  # rows of a table


def render(about: About, numbers: Numbers) -> str:
    """The page as HTML text."""
    counts = confusion(numbers.labels, numbers.probabilities.argmax(axis=1), len(numbers.classes))
    full = [visible(name) for name in numbers.classes]
    names = [short(name) for name in full]
    script = '"use strict";\n{\n' + "".join(asset(name) for name in SCRIPTS) + "}\n"
    context = {
        "about": about,
        "names": names,
        "metrics": numbers.metrics,
        "claim": findings.said(numbers.metrics, "accuracy"),
        "others": [findings.said(numbers.metrics, n) for n in findings.measured(numbers.metrics) if n != "accuracy"],
        "splits": {name: sum(per.values()) for name, per in about.counts.get("per_class", {}).items()},
        "left_out": {k.replace("_", " "): v for k, v in about.counts.items() if isinstance(v, int)},
        "curves": [figures.learning_curve(numbers.history, name) for name in ("loss", "accuracy")],
        "epochs": figures.thinned(numbers.history, EPOCHS),
        "scores": list(zip(full, numbers.scores)),
        **page_parts.confusion_parts(numbers, counts),
        **page_parts.mistake_parts(numbers, names),
        **page_parts.calibration_parts(numbers),
        "quarantined": about.quarantined[:QUARANTINED],
        "style": _markup(asset("report.css")),
        "script": _markup(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }
    return environment().get_template("report.html").render(context)


def fill(page: str, facts: Facts) -> str:
    """The page with times and machine where it has marks for them; without marks it stays as it is."""
    rows = _markup("<tr><th scope='row'>{}<td><bdi>{}</bdi>")
    texts = {
        "when": _markup("{}").format(visible(facts.line)),
        "commit": _markup("{}").format(visible(facts.commit)),
        "facts": _markup("").join(rows.format(name, visible(value)) for name, value in facts.rows),
    }
    return re.sub(
        r"<!--(when|commit|facts)-->.*?<!--/\1-->",
        lambda found: f"<!--{found[1]}-->{texts[found[1]]}<!--/{found[1]}-->",
        page,
        flags=re.DOTALL,
    )


def run_key_of(page: str) -> str | None:
    """The run key a page was made for."""
    found = re.search(r'<meta name="run-key" content="([0-9a-f]+)">', page)
    return found[1] if found else None


def environment() -> "Environment":
    """Templates that escape whatever they show."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        autoescape=True,
        loader=FileSystemLoader(ASSETS),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"visible": visible, "number": findings.number, "percent": findings.percent}
    return made


def asset(name: str) -> str:
    """The text of a file in `assets`."""
    return (ASSETS / name).read_text(encoding="utf-8")


def _markup(text: str) -> "Markup":
    from markupsafe import Markup

    return Markup(text)
