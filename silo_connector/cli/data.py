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
    counts = _balance(declaration, rows)
    is_one_class = sum(train + test > 0 for _, train, test in counts) < 2
    print(f"{'FAIL' if is_one_class else 'ok  '} {declaration.name}: {declaration.title}")
    print(f"     {len(rows.train)} rows for training, {len(rows.test)} for testing, {rows.rows_read} read")
    print(f"     {len(declaration.features())} features, in this order:")
    for number, name in enumerate(declaration.features(), start=1):
        print(f"     {number:6} {name}")
    print(f"     {declaration.n_classes} classes: rows for training, rows for testing")
    for name, train, test in counts:
        print(f"     {name}: {train} ({train / len(rows.train):.1%}), {test} ({test / len(rows.test):.1%})")
    print(f"     schema {declaration.schema_digest}")
    for text in _remarks(counts, is_one_class=is_one_class):
        print(f"     {text}")
    return int(is_one_class)


def _all_of(error: FederationError) -> list[tuple[str, str]]:
    """Everything that is wrong, each with its code."""
    if isinstance(error, DataError):
        return [(one.message, one.code) for one in (error, *error.more)]
    texts = [text for texts in error.fields.values() for text in texts]
    return [(text, error.code) for text in dict.fromkeys([error.message, *texts])]


def _balance(declaration: DatasetDeclaration, rows: Prepared) -> list[tuple[str, int, int]]:
    """Each class, with its rows for training and for testing."""
    found = [np.bincount(part.labels, minlength=declaration.n_classes) for part in (rows.train, rows.test)]
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
