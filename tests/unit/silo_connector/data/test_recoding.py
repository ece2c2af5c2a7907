"""Files of banks that keep the same things differently: the declared steps bring them to the same rows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from federation.protocol.datasets import parse_declaration
from silo_connector.trainer.data import DataError, Prepared, load
from tests.unit.silo_connector.data.conftest import BASE, declare, without

ROWS = [(float(number), "car" if number % 2 else "house", number % 3 - 1) for number in range(12)]
SPLIT = {"method": "stratified_shuffle", "train_fraction": 0.5, "seed": 0}


def file(folder: Path, header: str, lines: list[str]) -> Path:
    path = folder / "data.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


@pytest.fixture
def plain(tmp_path: Path) -> Prepared:
    return load(declare(), file(tmp_path, "x,kind,y", [f"{x},{kind},{y}" for x, kind, y in ROWS]))


def bits(prepared: Prepared) -> list[bytes]:
    parts = (prepared.train, prepared.test)
    return [value.tobytes() for part in parts for value in (part.features, part.labels)]


OTHER: dict[str, Any] = {
    "name": "other",
    "title": "Another bank's export",
    "delimiter": ";",
    "decimal": ",",
    "missing": ["?", "-9"],
    "columns": [
        {"name": "Betrag", "type": "number"},
        {"name": "Art", "type": "integer", "levels": [1, 2, 3]},
        {"name": "Status", "type": "text"},
    ],
    "steps": [
        {
            "step": "map_values",
            "columns": ["Art"],
            "values": [{"value": 2, "to": "house"}, {"value": 1, "to": "car"}, {"value": 3}],
            "levels": ["car", "house"],
        },
        {
            "step": "rename",
            "renames": [{"column": "Betrag", "to": "x"}, {"column": "Art", "to": "kind"}],
        },
        {"step": "drop_rows_with_missing"},
        {"step": "target", "column": "Status", "classes": ["offen", "weg"], "names": ["no", "yes"]},
        {"step": "one_hot", "columns": ["kind"]},
    ],
    "split": SPLIT,
}


def test_another_banks_export_becomes_the_same_rows(tmp_path: Path, plain: Prepared) -> None:
    lines = [
        f"{'weg' if y > 0 else 'offen'};{1 if kind == 'car' else 2};{str(x).replace('.', ',')}" for x, kind, y in ROWS
    ]
    prepared = load(parse_declaration(OTHER), file(tmp_path, "Status;Art;Betrag", [*lines, "weg;3;1,0"]))
    assert bits(prepared) == bits(plain)
    assert (prepared.rows_read, prepared.rows_total) == (13, 12), "3 stands for a missing value"


def test_declared_constants_stand_in_for_what_is_missing(tmp_path: Path) -> None:
    steps = [
        {"step": "impute", "columns": ["x"], "value": 1.5},
        {"step": "impute", "columns": ["kind"], "value": "house"},
        *without("drop_rows_with_missing"),
    ]
    lines = [f"{x},{kind},{y}" for x, kind, y in ROWS]
    found = load(declare(steps=steps), file(tmp_path, "x,kind,y", [*lines, "?,?,1"]))
    same = load(declare(steps=steps), file(tmp_path, "x,kind,y", [*lines, "1.5,house,1"]))
    assert bits(found) == bits(same)


def test_clip_and_log_happen_in_their_order(tmp_path: Path) -> None:
    steps = [
        {"step": "clip", "columns": ["x"], "minimum": 2, "maximum": 8},
        {"step": "log", "columns": ["x"], "offset": 1},
        *BASE["steps"],
    ]
    prepared = load(declare(steps=steps), file(tmp_path, "x,kind,y", [f"{x},{kind},{y}" for x, kind, y in ROWS]))
    found = np.sort(np.concatenate([prepared.train.features[:, 0], prepared.test.features[:, 0]]))
    np.testing.assert_allclose(found, sorted(math.log(min(max(x, 2), 8) + 1) for x, _, _ in ROWS), rtol=1e-6)


def test_what_has_no_logarithm_is_named_by_line_and_by_the_columns_name_in_the_file(tmp_path: Path) -> None:
    data = {**OTHER, "steps": [*OTHER["steps"][:2], {"step": "log", "columns": ["x"]}, *OTHER["steps"][2:]]}
    path = file(tmp_path, "Status;Art;Betrag", ["weg;1;1", "offen;2;0", "weg;1;-2"])
    with pytest.raises(
        DataError, match=r"line 3, column 'Betrag' \(renamed 'x'\): the value has no logarithm"
    ) as caught:
        load(parse_declaration(data), path)
    assert "1 more rows" in caught.value.message


def test_a_value_that_is_not_mapped_is_named(tmp_path: Path) -> None:
    step = {
        "step": "map_values",
        "columns": ["kind"],
        "values": [{"value": "C", "to": "car"}],
        "levels": ["car", "house"],
    }
    columns = [BASE["columns"][0], {"name": "kind", "type": "text"}, BASE["columns"][2]]
    path = file(tmp_path, "x,kind,y", ["1,C,1", "1,house,0", "2,boat,1"])
    with pytest.raises(DataError, match="line 4, column 'kind': the value is not among the mapped values"):
        load(declare(columns=columns, steps=[step, *BASE["steps"]]), path)


@pytest.mark.parametrize(
    ("written", "how"),
    [
        ("yyyy-mm-dd", "%Y-%m-%d"),
        ("dd.mm.yyyy", "%d.%m.%Y"),
        ("dd/mm/yyyy", "%d/%m/%Y"),
        ("mm/dd/yyyy", "%m/%d/%Y"),
        ("yyyymmdd", "%Y%m%d"),
        ("yyyy-mm-dd", "%Y-%m-%d 13:05:00"),
        ("yyyy-mm-dd", "%Y-%m-%dT13:05:00Z"),
    ],
)
def test_rows_are_split_by_date(tmp_path: Path, written: str, how: str) -> None:
    days = np.arange("2019-12-26", "2020-01-07", dtype="datetime64[D]").tolist()
    declaration = by_date(written)
    lines = [f"{x},{kind},{y},{day.strftime(how)}" for (x, kind, y), day in zip(ROWS, days, strict=True)]
    prepared = load(declaration, file(tmp_path, "x,kind,y,made", lines))
    assert prepared.train.features[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert prepared.test.features[:, 0].tolist() == [6, 7, 8, 9, 10, 11]
    with pytest.raises(DataError, match=f"line 14, column 'made': 'soon' is no date written as {written}"):
        load(declaration, file(tmp_path, "x,kind,y,made", [*lines, "1,car,1,soon"]))


def by_date(written: str, **changes: Any) -> Any:
    columns = [*BASE["columns"], {"name": "made", "type": "date", "date_format": written}]
    return declare(
        columns=columns, split={"method": "by_date", "column": "made", "train_before": "2020-01-01"}, **changes
    )


def test_dates_of_parquet_are_read_as_days(tmp_path: Path) -> None:
    days = np.arange("2019-12-26", "2020-01-07", dtype="datetime64[D]").tolist()
    table = {"x": [row[0] for row in ROWS], "kind": [row[1] for row in ROWS], "y": [row[2] for row in ROWS]}
    for made in (pa.array(days), pa.array(days).cast(pa.timestamp("us"))):
        path = tmp_path / "data.parquet"
        pyarrow.parquet.write_table(pa.table({**table, "made": made}), path)
        prepared = load(by_date("dd.mm.yyyy", format="parquet"), path)
        assert prepared.train.features[:, 0].tolist() == [0, 1, 2, 3, 4, 5]


def test_banks_of_the_sba_case_that_export_differently(shared_data: Path, tmp_path: Path) -> None:
    """Real loans: one bank's file as it is, and the same file with other names, values and marks."""
    lines = (shared_data / "sba_loans" / "SBAcase.11.13.17.csv").read_text(encoding="utf-8-sig").splitlines()
    header = lines[0].split(",")
    wanted = ("Selected", "RealEstate", "Portion", "Recession", "Default")
    rows = [dict(zip(header, line.split(","), strict=False)) for line in lines[1:] if '"' not in line]
    path = tmp_path / "own.csv"
    path.write_text(",".join(wanted) + "\n" + "".join(",".join(row[name] for name in wanted) + "\n" for row in rows))
    words = {"0": "nein", "1": "ja"}
    other = tmp_path / "other.csv"
    other.write_text(
        "Ausfall;Teil;Auswahl;Immobilie;Krise\n"
        + "".join(
            f"{words[row['Default']]};{row['Portion'].replace('.', ',')};{row['Selected']};"
            f"{words[row['RealEstate']]};{words[row['Recession']]}\n"
            for row in rows
        )
    )
    levels = [0, 1]
    steps = [{"step": "target", "column": "Default", "classes": levels, "names": ["repaid", "charged off"]}]
    split = {"method": "by_column", "column": "Selected", "train_value": 1}
    common = {"name": "sba-loans", "title": "SBA loans"}
    yes = [{"value": "nein", "to": 0}, {"value": "ja", "to": 1}]
    own = parse_declaration(
        {
            **common,
            "columns": [
                {"name": name, "type": "number"}
                if name == "Portion"
                else {"name": name, "type": "integer", "levels": levels}
                for name in wanted
            ],
            "steps": steps,
            "split": split,
        }
    )
    names = ("Auswahl", "Immobilie", "Teil", "Krise", "Ausfall")
    german: dict[str, Any] = {"type": "category", "levels": ["nein", "ja"]}
    types: tuple[dict[str, Any], ...] = (
        {"type": "integer", "levels": levels},
        german,
        {"type": "number"},
        german,
        german,
    )
    theirs = parse_declaration(
        {
            **common,
            "delimiter": ";",
            "decimal": ",",
            "columns": [{"name": name, **kind} for name, kind in zip(names, types, strict=True)],
            "steps": [
                {
                    "step": "rename",
                    "renames": [{"column": old, "to": new} for old, new in zip(names, wanted, strict=True)],
                },
                {"step": "map_values", "columns": ["RealEstate", "Recession", "Default"], "values": yes},
                *steps,
            ],
            "split": split,
        }
    )
    assert own.schema_digest == theirs.schema_digest
    assert bits(load(own, path)) == bits(load(theirs, other))
