"""A study's live table drawn: a heading, the rows, where it stands; never wider than the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.metrics import Metric
from pipeline.study_rows import MOST, Moment, Row, rows

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table

GAP = 2
STATE, PARAMS = 1, 3  # columns
AROUND = 7  # lines of the terminal that the rows must leave: heading, titles, foot
NARROWEST = 12  # of the params
TITLE = 10  # columns; the name of an objective is broken at its underscores
COLOURS = {
    "complete": "",
    "running": "cyan",
    "pruned": "dim",
    "failed": "red",
    "killed": "yellow",
    "interrupted": "yellow",
}


@dataclass(frozen=True)
class Screen:
    """Something that rich can draw."""

    trials: "Sequence[FrozenTrial]"
    objectives: Sequence[Metric]
    best: "Sequence[FrozenTrial]"
    moment: Moment
    heading: str
    footing: str

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from rich.text import Text

        yield Text(self.heading, style="bold")
        most = max(3, min(MOST, console.height - AROUND))
        found = rows(self.trials, self.objectives, self.best, self.moment, most)
        if found:
            yield self._table(found, options.max_width)
        yield Text(self.footing)

    def _table(self, found: Sequence[Row], width: int) -> "Table":
        from rich.table import Table
        from rich.text import Text

        against = f"params, against trial {self.best[0].number}" if self.best else "params"
        titles = ["trial", "state", "epoch", against, *(broken(m.name) for m in self.objectives), "seconds"]
        cells = [[str(row.trial), row.state, row.epoch, "", *row.values, row.seconds] for row in found]
        widths = [max(len(part) for text in column for part in text.split("\n")) for column in zip(titles, *cells)]
        room = max(NARROWEST, width - sum(widths[:PARAMS]) - sum(widths[PARAMS + 1 :]) - GAP * (len(titles) - 1))
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
        for place, title in enumerate(titles):
            size = room if place == PARAMS else widths[place]
            table.add_column(Text(title), width=size, no_wrap=True, overflow="ellipsis", vertical="bottom")
            table.columns[place].justify = "left" if place in (STATE, PARAMS) else "right"
        for row, texts in zip(found, cells):
            texts[PARAMS] = fitted(row.parts, room)
            style = "bold green" if row.is_best else COLOURS.get(row.state, "")
            table.add_row(*map(Text, texts), style=style)
        return table


def fitted(parts: Sequence[str], room: int) -> str:
    """As many parts as fit, and how many more there are."""
    for count in range(len(parts), 0, -1):
        rest = f", +{len(parts) - count}" if count < len(parts) else ""
        text = ", ".join(parts[:count]) + rest
        if len(text) <= room:
            return text
    return ", ".join(parts)


def broken(name: str) -> str:
    """A long name in lines, broken after its underscores."""
    lines = [""]
    for part in name.replace("_", "_ ").split():
        if lines[-1] and len(lines[-1] + part) > TITLE:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)
