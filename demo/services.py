"""PostgreSQL and Redis of one's own in a folder, and the environment that the platform's settings read with them."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from demo.postgres import Postgres
from demo.processes import Child
from demo.redis_server import RedisServer
from federation.protocol.keys import PrivateKey, save_public

ROOT = Path(__file__).resolve().parent.parent
PYTHONPATH = os.pathsep.join((str(ROOT / "platform"), str(ROOT)))
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


class Services:
    """What the platform's processes stand on: database, broker, blob folder, secret and keys."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder
        self.postgres = Postgres(folder / "postgres", folder / "logs" / "postgres.log", durable=durable)
        self.redis = RedisServer(folder / "redis", folder / "logs" / "redis.log")

    def start(self) -> None:
        """Start both; nothing is left running when one of them fails."""
        try:
            self.redis.start()
            self.postgres.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop both."""
        self.redis.stop()
        self.postgres.stop()

    @property
    def children(self) -> list[Child]:
        """The processes, once started."""
        return [child for child in (self.postgres.child, self.redis.child) if child]

    def environment(self, public_url: str) -> dict[str, str]:
        """The variables of `.env.sample` for these services. Secret and keys are made once and kept in the folder."""
        keys, blobs = self.folder / "keys", self.folder / "blobs"
        blobs.mkdir(exist_ok=True, mode=0o700)
        if not (keys / "platform.pub").exists():
            save_public(keys / "platform.pub", [PrivateKey.load_or_generate(keys / "platform.key").public])
        return {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SECRET_KEY": self._secret_key(keys / "secret_key"),
            "PUBLIC_URL": public_url,
            "DATABASE_URL": self.postgres.url(),
            "REDIS_URL": self.redis.url,
            "BLOB_ROOT": str(blobs),
            "PLATFORM_PUBLIC_KEY_FILE": str(keys / "platform.pub"),
            "PLATFORM_SIGNING_KEY_FILE": str(keys / "platform.key"),
        }

    @staticmethod
    def _secret_key(path: Path) -> str:
        with suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as stream:
                stream.write(secrets.token_urlsafe(48))
        return path.read_text()


def temporary_folder(purpose: str) -> Path:
    """A new folder, through which an unprivileged PostgreSQL may pass but where nobody else may look."""
    folder = Path(tempfile.mkdtemp(prefix=f"consilience-{purpose}-"))
    folder.chmod(0o711)
    return folder
