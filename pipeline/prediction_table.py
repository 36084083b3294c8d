"""Predictions as text for a terminal, and for the programs that read what was meant for one."""

import itertools
from collections.abc import Mapping, Sequence

from pipeline.predictions import Prediction

GAP = "  "
# Columns that give way where a line is too long for the terminal, in this order, and the cells they keep.
GIVE_WAY = {"runners-up": 14, "file": 24, "true label": 12, "label": 12, "likelihood": 10}
NUMBERS = ("likelihood", "pictures")  # columns on the right
CLASSES_SHOWN = 20
MOST_IN_A_LINE = 5  # likeliest classes of a picture; more stand one below the other


def shown(name: str) -> str:
    """A name with whatever would move the cursor, or cannot be printed, spelt out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def encodable(text: str, encoding: str) -> str:
    """With what the terminal's encoding lacks spelt out."""
    return text.encode(encoding, "backslashreplace").decode(encoding)


def table(predictions: Sequence[Prediction], width: int | None) -> list[str]:
    """Lines of aligned columns: file, label, likelihood, runners-up; none is longer than `width` cells, if given.

    With more than `MOST_IN_A_LINE` classes to tell, the file has a line of its own above them.
    """
    if any(len(item.likeliest) > MOST_IN_A_LINE for item in predictions):
        return _lists(predictions, width)
    columns: dict[str, list[str]] = {"file": [shown(item.file) for item in predictions]}
    if any(item.true_label is not None for item in predictions):
        columns["true label"] = [shown(item.true_label or "") for item in predictions]
    columns["label"] = [shown(item.label) for item in predictions]
    columns["likelihood"] = [f"{item.likelihood:.4f}" for item in predictions]
    if any(len(item.likeliest) > 1 for item in predictions):
        columns["runners-up"] = [_runners_up(item) for item in predictions]
    return _aligned(columns, width)


def _lists(predictions: Sequence[Prediction], width: int | None) -> list[str]:
    told = [entry for item in predictions for entry in item.likeliest]
    columns = {"label": [shown(label) for label, _ in told], "likelihood": [f"{value:.4f}" for _, value in told]}
    rows = iter(_aligned(columns, width)[1:])
    lines = []
    for item in predictions:
        true_label = "" if item.true_label is None else f"{GAP}(true label {shown(item.true_label)})"
        lines += ["", _cut(shown(item.file) + true_label, width), *itertools.islice(rows, len(item.likeliest))]
    return lines[1:]


def _runners_up(prediction: Prediction) -> str:
    return ", ".join(f"{shown(label)} {likelihood:.2f}" for label, likelihood in prediction.likeliest[1:])


def _aligned(columns: Mapping[str, Sequence[str]], width: int | None) -> list[str]:
    cells = {name: [name, *texts] for name, texts in columns.items()}
    widths = {name: max(map(_cells, texts)) for name, texts in cells.items()}
    if width is not None:
        _shrink(widths, width)
    lines = zip(
        *([_fitted(text, widths[name], name) for text in texts] for name, texts in cells.items()),
        strict=True,
    )
    return [_cut(GAP.join(line).rstrip(), width) for line in lines]


def _shrink(widths: dict[str, int], width: int) -> None:
    for name, least in GIVE_WAY.items():
        too_long = sum(widths.values()) + len(GAP) * (len(widths) - 1) - width
        if too_long > 0 and name in widths:
            widths[name] = max(min(least, widths[name]), widths[name] - too_long)


def _fitted(text: str, width: int, name: str) -> str:
    """Exactly `width` cells; of a file's name the end is kept, since it tells files apart."""
    if name == "file" and _cells(text) > width:
        while _cells(text) > width - 1:
            text = text[1:]
        text = f"…{text}"
    text = _cut(text, width)
    space = " " * (width - _cells(text))
    return space + text if name in NUMBERS else text + space


def _cut(text: str, width: int | None) -> str:
    if width is None or _cells(text) <= width:
        return text
    while _cells(text) > width - 1:
        text = text[:-1]
    return f"{text}…"


def _cells(text: str) -> int:
    """Chinese letters and pictures take two cells of a terminal."""
    from rich.cells import cell_len

    return cell_len(text)


def counts(per_class: Mapping[str, int], width: int | None) -> list[str]:
    """Lines with the number of pictures per class, the most frequent first."""
    ordered = sorted(per_class.items(), key=lambda item: (-item[1], item[0]))
    first = ordered[:CLASSES_SHOWN]
    columns = {"label": [shown(name) for name, _ in first], "pictures": [f"{number:,}" for _, number in first]}
    more = [f"... and {len(ordered) - len(first)} more classes"] if len(ordered) > len(first) else []
    return [*_aligned(columns, width), *more]
