"""``silo-connector data check``: reads the datasets as training would. Everything it says stays on this terminal."""

from __future__ import annotations

import argparse

from federation.errors import FederationError
from silo_connector import config as configuration
from silo_connector.config import DatasetFile
from silo_connector.trainer.data import load
from silo_connector.trainer.datasets import read_dataset


def check(options: argparse.Namespace) -> int:
    """Check every dataset; 1 if any is not as declared."""
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
        print(f"FAIL {file.declaration}: {error.message}  [{error.code}]")
        return 1
    declaration = dataset.declaration
    print(f"ok   {declaration.name}: {declaration.title}")
    print(f"     {len(rows.train)} rows for training, {len(rows.test)} for testing, {rows.rows_read} read")
    print(f"     {len(declaration.features())} features: {', '.join(declaration.features()[:20])}")
    print(f"     {declaration.n_classes} classes: {', '.join(declaration.class_names)}")
    print(f"     schema {declaration.schema_digest}")
    return 0
