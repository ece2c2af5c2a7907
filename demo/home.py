"""The demo's folder: where everything of one demo lies, held by one process at a time."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.codes import new_secret
from demo.processes import DemoError

WORDS = 4
WORD_CHARACTERS = "abcdefghjkmnpqrstuvwxyz"


@dataclass(frozen=True)
class Home:
    """Paths of one demo, and the little that it remembers between two runs."""

    root: Path

    @classmethod
    def from_environment(cls, root_of_checkout: Path) -> Home:
        """`DEMO_DIR`, or var/demo in the checkout."""
        return cls(Path(os.environ.get("DEMO_DIR") or root_of_checkout / "var" / "demo").absolute())

    @property
    def logs(self) -> Path:
        """One file a process."""
        return self.root / "logs"

    @property
    def data(self) -> Path:
        """The hospitals' files, before each hospital has its own."""
        return self.root / "data"

    @property
    def silos(self) -> Path:
        """One folder a hospital: what would be on its premises."""
        return self.root / "silos"

    @property
    def static(self) -> Path:
        """Style sheets and scripts as web serves them."""
        return self.root / "static"

    @property
    def emails(self) -> Path:
        """What the platform would send by e-mail, one file an e-mail."""
        return self.root / "mail"

    def log(self, name: str) -> Path:
        """The log of one process."""
        return self.logs / f"{name}.log"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder: two demos in one would spoil each other's. Raises DemoError when somebody has it."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(exist_ok=True)
        with (self.root / "lock").open("a") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise DemoError(
                    f"A demo is running in {self.root} already. DEMO_DIR names another folder for a second one."
                ) from error
            yield

    def recall(self, key: str) -> Any:
        """What was remembered under this name, or None."""
        try:
            return json.loads(self._memory.read_text()).get(key)
        except FileNotFoundError:
            return None

    def remember(self, **facts: Any) -> None:
        """Keep facts for the next run."""
        known = json.loads(self._memory.read_text()) if self._memory.exists() else {}
        partial = self._memory.with_suffix(".partial")
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as stream:
            json.dump({**known, **facts}, stream, indent=1)
        partial.replace(self._memory)

    @property
    def _memory(self) -> Path:
        return self.root / "demo.json"

    def second_factors(self, people: Iterable[str] = ()) -> dict[str, str]:
        """The secrets in people's authenticator apps, by e-mail address; made for those who have none yet."""
        known = dict(self.recall("second_factors") or {})
        made = {email: new_secret() for email in people if email not in known}
        if made:
            self.remember(second_factors=known | made)
        return known | made

    def password(self) -> str:
        """The one password of all the demo's people, made at random the first time."""
        if (known := self.recall("password")) is not None:
            return str(known)
        made = "-".join("".join(secrets.choice(WORD_CHARACTERS) for _ in range(4)) for _ in range(WORDS))
        self.remember(password=made)
        return made
