"""What a package offers, found by looking at its modules: to add one, add a file, and nothing else changes."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import Any, TypeVar

T = TypeVar("T")


class Offers(Mapping[str, T]):
    """The objects that the modules of a package offer under one attribute, by their names; sorted.

    They are looked for when first asked for, so that the modules may import from their package. Only folders on the
    package's own `__path__` are looked at: what is installed elsewhere can't add itself.
    """

    def __init__(
        self,
        package: str,
        attribute: str,
        *,
        name: Callable[[T], str] = attrgetter("name"),
        sort_key: Callable[[T], Any] = attrgetter("name"),
    ) -> None:
        """Take `package` (its dotted name), the `attribute` of a module that offers something, its name and the order.

        A module without the attribute offers nothing: it holds what the others share.
        """
        self._name = name
        self.package = package
        self.attribute = attribute
        self._sort_key = sort_key
        self._path: tuple[str, ...] = ()
        self._found: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        return self._look()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._look())

    def __len__(self) -> int:
        return len(self._look())

    def _look(self) -> Mapping[str, T]:
        path = tuple(importlib.import_module(self.package).__path__)
        if path != self._path:
            modules = [importlib.import_module(f"{self.package}.{one.name}") for one in pkgutil.iter_modules(path)]
            offered = [getattr(module, self.attribute) for module in modules if hasattr(module, self.attribute)]
            self._found = {self._name(one): one for one in sorted(offered, key=self._sort_key)}
            self._path = path
        return self._found
