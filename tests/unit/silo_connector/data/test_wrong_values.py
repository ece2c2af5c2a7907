"""What silo IT is shown about values that are not as declared: all of it at once, and what to do."""

from __future__ import annotations

from pathlib import Path

from tests.unit.silo_connector.data.conftest import BASE, declare
from tests.unit.silo_connector.data.test_files import PLAIN, refusal


def test_what_to_do_is_reported_with_what_is_wrong(tmp_path: Path) -> None:
    german = declare(delimiter=";", decimal=",", encoding="windows-1252")
    text = PLAIN.replace(",", ";").replace("1.5", "1,5").replace(".25", ",25")
    for value, advice in (
        ("1.234,50", "marks of thousands are not read"),
        ("1.234", 'decimal = "."; marks of thousands'),  # never read as 1.234
        ("1.5", 'then say decimal = "."'),
        ("k.A.", 'then name it in missing: "k.A."'),
    ):
        assert advice in refusal(tmp_path, f"{text}{value};car;1\n", german).message
    assert 'encoding = "windows-1252"' in refusal(tmp_path, PLAIN.encode() + b"1,c\xe4r,1\n").message
    assert "UTF-16" in refusal(tmp_path, PLAIN.encode("utf-16")).message
    name = "x (\N{EURO SIGN})"
    euro = declare(encoding="latin-1", columns=[{"name": name, "type": "number"}, *BASE["columns"][1:]])
    assert '"windows-1252"?' in refusal(tmp_path, PLAIN.replace("x", name, 1).encode("cp1252"), euro).message
    twice = PLAIN.replace("x,kind,y", "x,kind,x,y").replace(",car", ",car,1")
    assert "its own name" in refusal(tmp_path, twice).message


def test_a_value_that_is_wrong_hides_none_that_is_missing_nor_its_like(tmp_path: Path) -> None:
    steps = [step for step in BASE["steps"] if step["step"] != "drop_rows_with_missing"]
    content = PLAIN + "low,boat,1\n?,car,1\nhigh,ship,?\n1,boat,0\n"
    error = refusal(tmp_path, content, declare(steps=steps))
    low = "'low' is not a number (does it stand for a missing value? then name it in missing: \"low\")"
    boat = "'boat' is not among the declared levels"
    assert [(one.code.removeprefix("data."), one.message.split(": ", 1)[1]) for one in (error, *error.more)] == [
        ("bad_value", f"line 14, column 'x': {low}. So it is in 1 more rows, with 'high' too."),
        ("bad_value", f"line 14, column 'kind': {boat}. So it is in 2 more rows, with 'ship' too."),
        ("missing_value", "line 16, column 'y': the value is missing."),
        ("missing_value", "line 15, column 'x': the value is missing."),
    ]
