"""The record of a decision as a page of Markdown, for whoever asks months later; pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline.comparison import MARKED
from pipeline.comparison_text import DASH
from pipeline.page_parts import visible

Record = Mapping[str, Any]
LISTED = 100  # classes, or images, that the page lists; the record has all
MEANING = {
    "metric": "what the candidate must be better in, on the test images",
    "least_gain": "what it must gain over the champion",
    "level": "chance that a candidate that gains no more than that is promoted all the same",
    "least_images": "test images that neither model was trained or validated on; with fewer nothing is decided",
    "class_floor": "recall that a class may lose; 1: off",
    "calibration": "what the expected calibration error may grow by; 1: off",
    "max_megabytes": "size of the model file; 0: no budget",
    "max_milliseconds": "time to answer one image, median; 0: no budget",
    "bootstrap": "resamples of the interval of the gain",
    "seed": "of the resamples",
}
SCORES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "calibration_error": "expected calibration error",
    "megabytes": "model file, MB",
    "milliseconds": "one image, ms",
}


def headline(record: Record) -> str:
    """One line, as in `version 3 was not promoted, version 2 stays the champion: ...`."""
    why = "; ".join(failures(record)) if record["kind"] == "keep" else record["reason"]
    if record["kind"] == "promote":
        why = _found(record, "gain") or _found(record, "champion")
    return f"{outcome(record)}: {why}" if why else outcome(record)


def outcome(record: Record) -> str:
    """What happened, without why."""
    version, champion = f"version {record['candidate']['number']}", record["champion"]
    before = f"version {champion['number']}" if champion else ""
    if record["kind"] == "rollback":
        return f"{version} is the champion again, in place of {before}"
    if record["kind"] == "keep":
        return f"{version} was not promoted, {f'{before} stays the champion' if before else 'there is no champion'}"
    how = "was made the champion by force" if record["kind"] == "force" else "was promoted to champion"
    return f"{version} {how}, {f'in place of {before}' if before else 'as the first one'}"


def failures(record: Record) -> list[str]:
    """The lines of the rule that were not met, in words."""
    return [item["text"] for item in _findings(record) if not item["passed"]]


def page(record: Record) -> str:
    """The whole page."""
    parts = [_head(record), _rule_lines(record), _models(record), _images(record), _classes(record), _differing(record)]
    return "\n".join(line for part in parts for line in part)


def _findings(record: Record) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = record["decision"]["findings"] if record["decision"] else ()
    return found


def _found(record: Record, name: str) -> str:
    return next((item["text"] for item in _findings(record) if item["name"] == name), "")


def _head(record: Record) -> Iterator[str]:
    yield f"# {_plain(record['name'])}: {_plain(outcome(record))}"
    yield ""
    yield f"- When: {datetime.fromisoformat(record['when']):%Y-%m-%d %H:%M:%S} UTC, by {_plain(record['who'])}"
    if record["kind"] == "rollback":
        yield f"- Rolled back. Reason: {_plain(record['reason'])}"
        return
    yield f"- Forced: yes. Reason: {_plain(record['reason'])}" if record["kind"] == "force" else "- Forced: no"
    if record["refused"]:
        yield f"- The gate decided nothing: {_plain(record['refused'])}"
    elif record["decision"]:
        verdict = "the rule is met" if record["decision"]["promoted"] else "the rule is not met"
        yield f"- By the gate: {verdict}"
        yield from (f"  - not met: {_plain(text)}" for text in failures(record))


def _rule_lines(record: Record) -> Iterator[str]:
    if findings := _findings(record):
        yield from ("", "## What was found", "")
        yield from _table(("", "rule", "found", "limit", "in words"), [_finding_cells(item) for item in findings])
    if rule := record["rule"]:
        yield from ("", "## The rule", "", "The section `promote` of `params.yaml` at that time.", "")
        rows = [(f"`{key}`", _plain(value), MEANING.get(key, "")) for key, value in rule.items()]
        yield from _table(("key", "value", "meaning"), rows)


def _finding_cells(item: Mapping[str, Any]) -> Sequence[str]:
    verdict = "met" if item["passed"] else "**not met**"
    return (verdict, _plain(item["name"]), _number(item["value"]), _number(item["limit"]), _plain(item["text"]))


def _models(record: Record) -> Iterator[str]:
    now = "serves again" if record["kind"] == "rollback" else "candidate"
    yield from ("", "## The models", "")
    sides = [_model_cells(record, "candidate"), _model_cells(record, "champion")]
    titles = dict.fromkeys([*sides[0], *sides[1]])
    rows = [(title, *(side.get(title, DASH) for side in sides)) for title in titles]
    yield from _table(("", now, "champion until then"), rows)


def _model_cells(record: Record, side: str) -> dict[str, str]:
    """Title -> what is known of one of the two."""
    version, decided = record[side], record["decision"]
    if not version:
        return {"version": "none"}
    scores: Mapping[str, Any] = (decided["numbers"][side] or {}) if decided else {}
    cells = {"version": str(version["number"]), "run": _plain(version["called"])}
    cells |= {title: _number(scores[key]) for key, title in SCORES.items() if scores.get(key) is not None}
    return cells | {_plain(name): _fact(value) for name, value in version["facts"].items()}


def _images(record: Record) -> Iterator[str]:
    if not record["decision"]:
        return
    numbers = record["decision"]["numbers"]
    left_out, copies = numbers["left_out"], numbers["copies"]
    yield from ("", "## The test images", "")
    yield f"- {numbers['images']:,} judged; digest of the test split `{record['test']}`"
    for name, count in left_out.items():
        whose = "both models" if name == "both" else f"the {name} alone"
        yield f"- {count:,} left out: in the training or validation data of {whose}"
    yield f"- {copies:,} left out: copies of images that are judged"
    if numbers["champion"]:
        differing, one, other = (numbers[name] for name in ("differing", "only_candidate", "only_champion"))
        right = f"only the candidate has right {one:,} of them, only the champion {other:,}"
        yield f"- {differing:,} on which the two differ: {right}, neither {differing - one - other:,}"


def _classes(record: Record) -> Iterator[str]:
    classes = record["decision"]["numbers"].get("classes") if record["decision"] else None
    if not classes:
        return
    lost = {name: item["only_champion"] - item["only_candidate"] for name, item in classes.items()}
    order = sorted(classes, key=lambda name: -lost[name] / max(1, classes[name]["images"]))
    yield from ("", "## The classes", "", f"Those that lost most first.{_more(len(order), 'classes')}", "")
    rows = [_class_cells(name, classes[name]) for name in order[:LISTED]]
    titles = ("class", "images", "change of recall", "only candidate right", "only champion right", "p (Holm)")
    yield from _table(titles, rows)


def _class_cells(name: str, item: Mapping[str, Any]) -> Sequence[str]:
    only = (item["only_candidate"], item["only_champion"])
    change = f"{(only[0] - only[1]) / item['images']:+.4f}" if item["images"] else DASH
    return (_plain(name), f"{item['images']:,}", change, *(f"{count:,}" for count in only), _number(item["p"]))


def _differing(record: Record) -> Iterator[str]:
    found = record["decision"]["differing"] if record["decision"] else ()
    if not found:
        yield ""
        return
    yield from ("", "## Images on which the two differ", "")
    yield f"By the hash of their pixels, as in the manifest of the split.{_more(len(found), 'images')}"
    yield ""
    names = ("label", "candidate", "champion")
    rows = [(f"`{item['hash']}`", *(_plain(item[name]) for name in names)) for item in found[:LISTED]]
    yield from _table(("pixel hash", *names), rows)
    yield ""


def _more(count: int, what: str) -> str:
    return f" The first {LISTED} of {count:,} {what}; the JSON file beside this page has all." if count > LISTED else ""


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for cells in (titles, ["---"] * len(titles), *rows):
        yield f"| {' | '.join(cells)} |"


def _plain(value: object) -> str:
    """A text as it is, whatever marks it has."""
    return visible(value).translate(MARKED)


def _fact(value: str) -> str:
    return DASH if not value else f"`{value}`" if value.isalnum() else _plain(value)


def _number(value: float | None) -> str:
    return DASH if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
