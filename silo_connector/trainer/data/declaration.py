"""The dataset file that silo IT writes: the declaration, and the path that stays on site."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from federation.errors import Invalid
from federation.protocol.datasets import DatasetDeclaration, parse_declaration

_FILE_BYTES_MAX = 4 << 20


@dataclass(frozen=True)
class LocalDataset:
    """A declared data set and where its file is on this site."""

    declaration: DatasetDeclaration
    path: Path


def read_declaration(toml_path: Path) -> LocalDataset:
    """Read a dataset file. A relative `path` in its ``[source]`` counts from the file's own folder.

    Raises Invalid ``dataset.unreadable``, or ``dataset.invalid`` with the field.
    """
    try:
        if toml_path.stat().st_size > _FILE_BYTES_MAX:
            raise Invalid("dataset.unreadable", f"{toml_path} is larger than {_FILE_BYTES_MAX} bytes.")
        content = tomllib.loads(toml_path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Invalid("dataset.unreadable", f"{toml_path} can't be read: {error}") from error
    source = content.pop("source", None)
    if not isinstance(source, dict) or set(source) != {"path"} or not isinstance(source["path"], str):
        raise Invalid("dataset.invalid", f"{toml_path} needs a [source] with the path of the data, alone.", "source")
    return LocalDataset(parse_declaration(content), toml_path.parent / Path(source["path"]).expanduser())
