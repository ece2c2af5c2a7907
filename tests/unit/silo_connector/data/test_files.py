"""Files as sites have them: good ones in all their shapes are read, bad ones are named by file, row and column."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from federation.errors import FederationError, Invalid
from federation.protocol.datasets import DatasetDeclaration
from silo_connector.trainer.data import DataError, Prepared, load, read_declaration
from silo_connector.trainer.data import files as files_module
from tests.unit.silo_connector.data.conftest import BASE, EXAMPLES, declare

ROWS = [("1.5", "car", "1"), ("2", "house", "0"), ("-3e0", "car", "1"), (".25", "house", "0")] * 3
PLAIN = "x,kind,y\n" + "".join(",".join(row) + "\n" for row in ROWS)


def read(folder: Path, content: str | bytes, declaration: DatasetDeclaration | None = None) -> Prepared:
    path = folder / "loans.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load(declaration or declare(), path)


def refusal(folder: Path, content: str | bytes, declaration: DatasetDeclaration | None = None) -> DataError:
    with pytest.raises(DataError) as caught:
        read(folder, content, declaration)
    assert str(folder / "loans.csv") in caught.value.message
    return caught.value


def same(one: Prepared, other: Prepared) -> bool:
    return all(
        getattr(a, name).tobytes() == getattr(b, name).tobytes()
        for a, b in ((one.train, other.train), (one.test, other.test))
        for name in ("features", "labels")
    )


@pytest.fixture
def plain(tmp_path: Path) -> Prepared:
    return read(tmp_path, PLAIN)


def test_the_values_are_those_of_the_file(plain: Prepared) -> None:
    features = np.concatenate([plain.train.features, plain.test.features])
    assert sorted(set(map(tuple, features.tolist()))) == [(-3, 1, 0), (0.25, 0, 1), (1.5, 1, 0), (2, 0, 1)]
    assert (plain.rows_read, plain.rows_total) == (12, 12)


@pytest.mark.parametrize(
    ("content", "changes"),
    [
        pytest.param(PLAIN.encode("utf-8-sig"), {}, id="byte order mark"),
        pytest.param(PLAIN.replace("\n", "\r\n"), {}, id="windows line ends"),
        pytest.param(PLAIN.rstrip("\n"), {}, id="no last line end"),
        pytest.param(PLAIN + "\n\n", {}, id="empty lines at the end"),
        pytest.param(PLAIN.replace(",", ";"), {"delimiter": ";"}, id="semicolons"),
        pytest.param(PLAIN.replace(",", "\t"), {"delimiter": "\t"}, id="tabs"),
        pytest.param(PLAIN.replace(",", ";").replace(".", ","), {"delimiter": ";", "decimal": ","}, id="decimal comma"),
        pytest.param(PLAIN.replace(",", " , "), {}, id="spaces around"),
        pytest.param(PLAIN.replace("car", '"car"').replace("2,", '"2",'), {}, id="quoted"),
        pytest.param(PLAIN.split("\n", 1)[1], {"header": False}, id="no header"),
        pytest.param(
            "".join(f"{k},{x},{y},note\n" for x, k, y in [("x", "kind", "y"), *ROWS]),
            {},
            id="other order, more columns",
        ),
        pytest.param(
            'x,kind,y,"free, text"\n' + "".join(f'{x},{k},{y},"a ""b"",\nc"\n' for x, k, y in ROWS), {}, id="quoting"
        ),
        pytest.param(
            'x,kind,y,"two\nlines"\n' + "".join(f"{x},{k},{y},\n" for x, k, y in ROWS), {}, id="line end in the header"
        ),
        pytest.param(
            ("x,kind,y,straße\n" + "".join(f"{x},{k},{y},Köln\n" for x, k, y in ROWS)).encode("windows-1252"),
            {"encoding": "windows-1252"},
            id="windows encoding",
        ),
    ],
)
def test_equal_rows_in_another_file_format_prepare_equally(
    tmp_path: Path, plain: Prepared, content: str | bytes, changes: dict[str, Any]
) -> None:
    assert same(read(tmp_path, content, declare(**changes)), plain)


def test_a_symbolic_link_is_followed(tmp_path: Path, plain: Prepared) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "loans.csv")
    assert same(load(declare(), link), plain)


@pytest.mark.parametrize("name", ["loans.csv.gz", "loans.zip", "loans"])
def test_the_name_of_a_file_means_nothing(tmp_path: Path, plain: Prepared, name: str) -> None:
    path = tmp_path / name
    path.write_text(PLAIN)
    assert same(load(declare(), path), plain)


def _gone(path: Path) -> None:
    path.unlink(missing_ok=True)


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


@pytest.mark.parametrize("make", [_gone, _folder, _pipe, _loop, _dangling])
@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path, make: Callable[[Path], None], format_: str) -> None:
    path = tmp_path / "loans.csv"
    make(path)
    with pytest.raises(DataError) as caught:
        load(declare(format=format_), path)
    assert caught.value.code == "data.unreadable"


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        pytest.param("", "data.no_rows", ["empty"], id="empty file"),
        pytest.param("x,kind,y\n", "data.no_rows", [], id="header only"),
        pytest.param(PLAIN.replace("x,kind", "z,kind"), "data.missing_column", ["'x'"], id="column missing"),
        pytest.param(PLAIN.replace("x,kind,y", "x,kind,X"), "data.missing_column", ["'y'"], id="case matters"),
        pytest.param("x,kind,y,x\n1,car,1,1\n", "data.duplicate_column", ["'x'", "2"], id="column twice"),
        pytest.param(PLAIN + "1,car\n", "data.malformed", ["2 values, not 3"], id="short row"),
        pytest.param(PLAIN + "1,car,1,1\n", "data.malformed", ["4 values, not 3"], id="long row"),
        pytest.param(PLAIN + '1,"car,1\n', "data.malformed", [], id="quote never closed"),
        pytest.param(PLAIN + "1,car,high\n", "data.bad_value", ["line 14", "'y'", "'high'"], id="text for a number"),
        pytest.param(PLAIN + "0x10,car,1\n", "data.bad_value", ["line 14", "'x'", "0x10"], id="hexadecimal"),
        pytest.param(PLAIN + "nan,car,1\n", "data.bad_value", ["line 14", "not a finite"], id="nan as text"),
        pytest.param(PLAIN + "inf,car,1\n", "data.bad_value", ["line 14", "not a finite"], id="infinity"),
        pytest.param(PLAIN + "1e999,car,1\n", "data.bad_value", ["line 14"], id="above all numbers"),
        pytest.param(PLAIN + "1e60,car,1\n", "data.not_finite", ["line 14", "'x'"], id="above float32"),
        pytest.param(
            PLAIN + "1,car,1.5\n", "data.bad_value", ["line 14", "'y'", "whole"], id="fraction for an integer"
        ),
        pytest.param(
            PLAIN + "1,boat,1\n", "data.bad_value", ["line 14", "'kind'", "'boat'", "levels"], id="unknown level"
        ),
        pytest.param(PLAIN + "1,Car,1\n", "data.bad_value", ["'Car'"], id="level in other letters"),
        pytest.param(
            "x,kind,y\n?,car,1\n1,?,1\n1,car,?\n", "data.no_rows", ["misses"], id="every row misses something"
        ),
        pytest.param("x,kind,y\n1,car,1\n", "data.no_rows", ["split"], id="one row"),
        pytest.param(PLAIN.encode() + b"1,c\xe4r,1\n", "data.encoding", ["line 14, byte 4"], id="other encoding"),
        pytest.param(b"x,kind,y,caf\xe9\n", "data.encoding", ["line 1, byte 13"], id="other encoding in the header"),
        pytest.param(PLAIN.encode("utf-16"), "data.encoding", ["line 1"], id="utf-16"),
        pytest.param(b"\x89PNG\r\n\x1a\n\0\0", "data.encoding", [], id="an image"),
        pytest.param(b"\0" * 100, "data.missing_column", [], id="zeros"),
    ],
)
def test_says_what_is_wrong_and_where(tmp_path: Path, content: str | bytes, code: str, words: list[str]) -> None:
    error = refusal(tmp_path, content)
    assert error.code == code
    assert [word for word in words if word not in error.message] == []


def test_lines_are_those_of_an_editor(tmp_path: Path) -> None:
    """Empty lines and line ends within quotes count as lines, though not as rows."""
    content = 'x,kind,y,"two\nlines"\n\n1,car,1,"a\n""b""\nc"\n\n2,house,0,\nhigh,car,1,\n'
    assert "line 9, column 'x': 'high'" in refusal(tmp_path, content).message
    headless = PLAIN.split("\n", 1)[1] + "high,car,1\n"
    assert "line 13, column 'x'" in refusal(tmp_path, headless, declare(header=False)).message
    assert "line 14 has 2 values, not 3" in refusal(tmp_path, PLAIN + "1,car\n").message


def test_everything_that_is_wrong_is_reported_at_once(tmp_path: Path) -> None:
    error = refusal(tmp_path, PLAIN + "high,boat,1\nlow,car,1.5\n")
    assert [one.message.split(", ", 1)[1].split(":")[0] for one in (error, *error.more)] == [
        "column 'x'",
        "column 'kind'",
        "column 'y'",
    ]
    error = refusal(tmp_path, "a,KIND,b\n1,2,3\n")
    assert [one.code for one in (error, *error.more)] == ["data.missing_column"] * 3
    assert "It has 'KIND'" in error.more[0].message
    error = refusal(tmp_path, PLAIN + "1,car\n1,car,1\n1\n")
    assert ["line 14" in error.message, *("line 16" in one.message for one in error.more)] == [True, True]
    steps = [step for step in BASE["steps"] if step["step"] != "drop_rows_with_missing"]
    error = refusal(tmp_path, PLAIN + "?,car,1\n1,?,1\n1,car,?\n1,car,?\n", declare(steps=steps))
    assert len(error.more) == 2
    assert "line 16, column 'y': the value is missing. So it is in 1 more rows." in error.message


@pytest.mark.parametrize(("delimiter", "shown"), [(";", '";"'), ("\t", '"\\t"'), ("|", '"|"')])
def test_a_wrong_delimiter_is_recognised(tmp_path: Path, delimiter: str, shown: str) -> None:
    error = refusal(tmp_path, PLAIN.replace(",", delimiter))
    assert (error.code, f"Say delimiter = {shown}." in error.message) == ("data.wrong_delimiter", True)
    headless = PLAIN.split("\n", 1)[1].replace(",", delimiter)
    assert refusal(tmp_path, headless, declare(header=False)).code == "data.wrong_delimiter"


def test_a_wrong_decimal_mark_is_recognised(tmp_path: Path) -> None:
    error = refusal(tmp_path, PLAIN.replace(",", ";").replace("1.5", "1,5"), declare(delimiter=";"))
    assert 'then say decimal = ","' in error.message


def test_a_long_value_is_not_repeated_whole(tmp_path: Path) -> None:
    message = refusal(tmp_path, PLAIN + "x" * 5000 + ",car,1\n").message
    assert len(message) - len(str(tmp_path)) < 150


def test_data_files_beyond_bounds_are_refused(tmp_path: Path) -> None:
    columns = copy.deepcopy(BASE["columns"])
    columns[0] |= {"minimum": -3.0, "maximum": 2.0}
    read(tmp_path, PLAIN, declare(columns=columns))
    assert (
        "line 14, column 'x': '-3.1' is below -3"
        in refusal(tmp_path, PLAIN + "-3.1,car,1\n", declare(columns=columns)).message
    )
    assert "is above 2" in refusal(tmp_path, PLAIN + "2.1,car,1\n", declare(columns=columns)).message


def test_a_hundred_thousand_columns_are_refused_at_once(tmp_path: Path) -> None:
    names = ",".join(f"c{number}" for number in range(100_000))
    assert refusal(tmp_path, names + "\n" + "1," * 99_999 + "1\n").code == "data.too_many_columns"
    assert refusal(tmp_path, "1," * 99_999 + "1\n", declare(header=False)).code == "data.too_many_columns"


def test_a_line_without_end_is_refused_at_once(tmp_path: Path) -> None:
    assert refusal(tmp_path, "x" * (5 << 20)).code == "data.too_many_columns"
    assert refusal(tmp_path, '"' + "x\n" * (3 << 20)).code == "data.too_many_columns"


def test_a_headerless_file_has_exactly_the_declared_columns(tmp_path: Path) -> None:
    error = refusal(tmp_path, "1,car,1,extra\n", declare(header=False))
    assert error.code == "data.column_count"
    assert "4 columns, 3 are declared" in error.message


def test_data_files_are_read_within_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_module, "CELLS_MAX", 35)
    assert refusal(tmp_path, PLAIN).code == "data.too_large"
    monkeypatch.setattr(files_module, "CELLS_MAX", 36)
    read(tmp_path, PLAIN)
    monkeypatch.setattr(files_module, "FILE_BYTES_MAX", 10)
    assert refusal(tmp_path, PLAIN).code == "data.too_large"


def parquet(folder: Path, **columns: Any) -> Path:
    path = folder / "loans.parquet"
    pyarrow.parquet.write_table(pa.table(columns), path)
    return path


COLUMNS: dict[str, Any] = {
    "x": [float(row[0]) for row in ROWS],
    "kind": [row[1] for row in ROWS],
    "y": [int(row[2]) for row in ROWS],
}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"extra": [date(2020, 1, 1)] * 12},
        {"x": pa.array(COLUMNS["x"], pa.float32())},
        {"x": pa.array([Decimal(str(value)) for value in COLUMNS["x"]])},
        {"x": [row[0] for row in ROWS]},
        {"kind": pa.array(COLUMNS["kind"]).dictionary_encode()},
        {"kind": pa.array(COLUMNS["kind"], pa.large_string())},
        {"y": pa.array(COLUMNS["y"], pa.uint8())},
        {"y": [bool(value) for value in COLUMNS["y"]]},
        {"y": [float(value) for value in COLUMNS["y"]]},
    ],
)
def test_parquet_holds_the_same_rows(tmp_path: Path, plain: Prepared, changes: dict[str, Any]) -> None:
    path = parquet(tmp_path, **{**COLUMNS, **changes})
    assert same(load(declare(format="parquet"), path), plain)


def test_missing_values_in_parquet_are_recognised(tmp_path: Path, plain: Prepared) -> None:
    """A null, a NaN, the declared text and the declared number are all missing."""
    path = parquet(
        tmp_path,
        x=[*COLUMNS["x"], None, float("nan"), -9.0, 1.0, 1.0],
        kind=[*COLUMNS["kind"], "car", "car", "car", None, "?"],
        y=[*COLUMNS["y"], 1, 1, 1, 1, 1],
    )
    prepared = load(declare(format="parquet"), path)
    assert prepared.rows_read == 17
    assert same(prepared, plain)


def test_missing_values_in_csv_are_recognised(tmp_path: Path, plain: Prepared) -> None:
    """Nothing, the declared text, and the declared number however it is written."""
    more = ["?,car,1", ",car,1", " ? ,car,1", "-9,car,1", "-9.0,car,1", "1,car,-9", "1,,1", "1,?,1"]
    prepared = read(tmp_path, PLAIN + "".join(line + "\n" for line in more))
    assert prepared.rows_read == 20
    assert same(prepared, plain)


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"x": None}, "data.missing_column", ["'x'"]),
        ({"x": ["high"] * 12}, "data.bad_value", ["row 1", "'x'", "'high'"]),
        ({"x": [float("inf")] * 12}, "data.bad_value", ["row 1", "not a finite"]),
        ({"x": [[1.0]] * 12}, "data.bad_type", ["'x'", "list"]),
        ({"y": [date(2020, 1, 1)] * 12}, "data.bad_type", ["'y'", "date"]),
        ({"y": [2**63 - 1] * 12}, "data.bad_value", ["row 1", "'y'"]),
        ({"kind": [1] * 12}, "data.bad_value", ["'kind'", "levels"]),
        ({"kind": [None] * 12}, "data.no_rows", []),
    ],
)
def test_parquet_says_what_is_wrong(tmp_path: Path, changes: dict[str, Any], code: str, words: list[str]) -> None:
    columns = {name: values for name, values in {**COLUMNS, **changes}.items() if values is not None}
    with pytest.raises(DataError) as caught:
        load(declare(format="parquet"), parquet(tmp_path, **columns))
    assert caught.value.code == code
    assert [word for word in words if word not in caught.value.message] == []


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:40], lambda data: b"PAR1" + data[4:-4]])
def test_a_damaged_parquet_file_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = parquet(tmp_path, **COLUMNS)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError) as caught:
        load(declare(format="parquet"), path)
    assert caught.value.code == "data.malformed"


def test_too_many_columns_in_parquet(tmp_path: Path) -> None:
    path = parquet(tmp_path, **{f"c{number}": [1] for number in range(10_001)})
    with pytest.raises(DataError) as caught:
        load(declare(format="parquet"), path)
    assert caught.value.code == "data.too_many_columns"


def test_a_csv_file_is_no_parquet_file(tmp_path: Path) -> None:
    assert refusal(tmp_path, PLAIN, declare(format="parquet")).code == "data.malformed"


def test_the_examples_are_read_with_their_paths_beside_them() -> None:
    local = read_declaration(EXAMPLES / "heart-disease.toml")
    assert local.path == EXAMPLES / "processed.cleveland.data"
    assert "path" not in local.declaration.model_dump_json()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("name = ", "dataset.unreadable"),
        (b"\xff\xfe", "dataset.unreadable"),
        ("name = 'a'", "dataset.invalid"),
        ("[source]\npath = 3", "dataset.invalid"),
        ("[source]\npath = 'a'\ncommand = 'b'", "dataset.invalid"),
        ("[source]\npath = 'a'", "dataset.invalid"),
        ("x = 1\n" * (1 << 20), "dataset.unreadable"),
    ],
)
def test_a_bad_dataset_file_is_refused(tmp_path: Path, content: str | bytes, code: str) -> None:
    path = tmp_path / "dataset.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(Invalid) as caught:
        read_declaration(path)
    assert caught.value.code == code


def test_an_absent_dataset_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FederationError) as caught:
        read_declaration(tmp_path / "none.toml")
    assert caught.value.code == "dataset.unreadable"
