"""The silo's own data: reads files, carries out the declared steps. Nothing here leaves the site."""

from silo_connector.trainer.data.declaration import LocalDataset, read_declaration
from silo_connector.trainer.data.errors import DataError
from silo_connector.trainer.data.prepare import Prepared, load

__all__ = ["DataError", "LocalDataset", "Prepared", "load", "read_declaration"]
