"""What people write for a model version: `models:/NAME/3`, `NAME/3`, `models:/NAME@champion`, `NAME@champion`."""

import re

FORM = re.compile(r"(?:models:/)?(?P<name>[^/@:]+)(?:/(?P<number>[1-9][0-9]*)|@(?P<alias>[A-Za-z][\w.-]*))")


def parse(text: str) -> tuple[str, str] | None:
    """The name of the registered model, and the number or alias; None if the text is of another form."""
    found = FORM.fullmatch(text)
    return (found["name"], found["number"] or found["alias"]) if found else None
