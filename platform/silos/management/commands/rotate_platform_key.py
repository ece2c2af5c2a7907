"""A new signing key for the platform, which the old one vouches for."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from audit.actors import System
from federation.errors import FederationError
from silos.rotation import rotate


class Command(BaseCommand):
    """Hand the platform's signing key on to a new one. Runs where the worker's key is."""

    help = "Make a new signing key, signed by the present one, and put it in its place. Safe to run again."

    def handle(self, *args: object, **options: object) -> None:
        """Refuses where there is no signing key, or an old one."""
        if not settings.PLATFORM_SIGNING_KEY_FILE:
            raise CommandError(
                "PLATFORM_SIGNING_KEY_FILE is not set: run this where the worker runs, with the worker's environment."
            )
        key_file, public_file = Path(settings.PLATFORM_SIGNING_KEY_FILE), settings.PLATFORM_PUBLIC_KEY_FILE
        try:
            rotated = rotate(key_file=key_file, public_file=public_file, by=System("rotate_platform_key"))
        except FederationError as error:
            raise CommandError(f"{error.message} [{error.code}]") from error
        except OSError as error:
            raise CommandError(
                f"{error}. The folders of both key files must be writable here, and the files no single mounted ones. "
                "Nothing is lost: run this again once they are."
            ) from error
        made = rotated.succession
        self.stdout.write(f"Succession {made.sequence}: {made.predecessor} is followed by {made.key_id}.")
        self.stdout.write(f"  the new key's fingerprint: {rotated.key.fingerprint}")
        self.stdout.write(f"  the new key:               {key_file}")
        self.stdout.write(f"  the public keys:           {public_file}")
        self.stdout.write(f"  the old key, retired:      {rotated.retired_file}")
        self.stdout.write("What is left to do, in this order:")
        self.stdout.write(f"  1. Where workers run on other machines: copy {key_file} there. Restart every worker.")
        self.stdout.write(f"  2. Copy {public_file} to where web reads it; restart web.")
        self.stdout.write(f"  3. Keep a copy of the new key in a safe place, then destroy {rotated.retired_file}")
        self.stdout.write("     and every copy of it. Connectors follow by themselves.")
