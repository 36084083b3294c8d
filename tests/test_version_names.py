"""What is read as a model version, and what is not."""

import pytest

from pipeline.version_names import parse


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("models:/digits/3", ("digits", "3")),
        ("digits/12", ("digits", "12")),
        ("models:/my pets@champion", ("my pets", "champion")),
        ("digits@previous", ("digits", "previous")),
    ],
)
def test_a_version_is_named_by_number_or_alias(text: str, meant: tuple[str, str]) -> None:
    assert parse(text) == meant


@pytest.mark.parametrize(
    "text", ["digits", "dropout 0.3 (digits)", "1a2b3c4d", "models:/m-0123abcd", "digits/0", "digits/model.keras", "@x"]
)
def test_anything_else_is_not(text: str) -> None:
    assert parse(text) is None
