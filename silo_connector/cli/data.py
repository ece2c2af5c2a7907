"""``silo-connector data check``: reads the datasets as training would. Everything it says stays on this terminal."""

from __future__ import annotations

import argparse

import numpy as np

from federation.errors import FederationError
from federation.protocol.datasets import DatasetDeclaration
from silo_connector import config as configuration
from silo_connector.config import DatasetFile
from silo_connector.trainer.data import DataError, Prepared, load
from silo_connector.trainer.declarations import read_dataset


def check(options: argparse.Namespace) -> int:
    """Check every dataset; 1 if any is not as declared, or has rows of one class alone."""
    config = configuration.load(options.config)
    if not config.datasets:
        print("connector.toml declares no dataset ([[dataset]]).")
        return 1
    return max([_check(file) for file in config.datasets])


def _check(file: DatasetFile) -> int:
    try:
        dataset = read_dataset(file)
        rows = load(dataset.declaration, dataset.path)
    except FederationError as error:
        for text, code in _all_of(error):
            print(f"FAIL {file.declaration}: {text}  [{code}]")
        return 1
    declaration = dataset.declaration
    has_classes = declaration.target_kind.has_classes
    faulty, remarks = _classes(declaration, rows) if has_classes else _numbers(declaration, rows)
    print(f"{'FAIL' if faulty else 'ok  '} {declaration.name}: {declaration.title}")
    print(f"     {len(rows.train)} rows for training, {len(rows.test)} for testing, {rows.rows_read} read")
    print(f"     {len(declaration.features())} features, in this order:")
    for number, name in enumerate(declaration.features(), start=1):
        print(f"     {number:6} {name}")
    for text in remarks:
        print(f"     {text}")
    return int(faulty)


def _all_of(error: FederationError) -> list[tuple[str, str]]:
    """Everything that is wrong, each with its code."""
    if isinstance(error, DataError):
        return [(one.message, one.code) for one in (error, *error.more)]
    texts = [text for texts in error.fields.values() for text in texts]
    return [(text, error.code) for text in dict.fromkeys([error.message, *texts])]


def _classes(declaration: DatasetDeclaration, rows: Prepared) -> tuple[bool, list[str]]:
    """Whether all rows are of one class, and what is stated about the classes."""
    counts = _balance(declaration, rows)
    is_one_class = sum(train + test > 0 for _, train, test in counts) < 2
    return is_one_class, [
        f"{declaration.n_classes} classes: rows for training, rows for testing",
        *(
            f"{name}: {train} ({train / len(rows.train):.1%}), {test} ({test / len(rows.test):.1%})"
            for name, train, test in counts
        ),
        f"schema {declaration.schema_digest}",
        *_remarks(counts, is_one_class=is_one_class),
    ]


def _numbers(declaration: DatasetDeclaration, rows: Prepared) -> tuple[bool, list[str]]:
    """Whether all rows have one number, and what is stated about the numbers: on this terminal, to anyone who has
    the file.
    """
    found = [f"{declaration.target.column}, a {declaration.target_kind.name} target: lowest, mean, highest"]
    for name, part in (("training", rows.train), ("testing", rows.test)):
        low, mean, high = (float(judge(part.labels)) for judge in (np.min, np.mean, np.max))
        found.append(f"for {name}: {low:g}, {mean:g}, {high:g}")
    is_one = len(np.unique(np.concatenate([rows.train.labels, rows.test.labels]))) < 2
    found.append(f"schema {declaration.schema_digest}")
    if is_one:
        found.append("All rows have one number: is target declared as you mean it?  [data.one_value]")
    return is_one, found


def _balance(declaration: DatasetDeclaration, rows: Prepared) -> list[tuple[str, int, int]]:
    """Each class, with its rows for training and for testing."""
    found = [np.bincount(part.labels, minlength=len(declaration.class_names)) for part in (rows.train, rows.test)]
    return [(name, int(found[0][place]), int(found[1][place])) for place, name in enumerate(declaration.class_names)]


def _remarks(counts: list[tuple[str, int, int]], *, is_one_class: bool) -> list[str]:
    """What is wrong with the balance, or may be."""
    if is_one_class:
        only = next((name for name, train, test in counts if train + test), "none")
        return [f"All rows are of one class, {only}: is target declared as you mean it?  [data.one_class]"]
    return [
        f"warn: no row of class {name} is for {part}."
        for name, train, test in counts
        for part, count in (("training", train), ("testing", test))
        if not count
    ]
