"""The first person on a fresh platform."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.actions import create_user
from accounts.models import User
from accounts.welcome import welcome_url
from audit.actors import System
from federation.errors import Invalid
from rest.names import one_line


class Command(BaseCommand):
    """Make a platform administrator, who takes in organisations and their first people."""

    help = "Make a platform administrator, and print the address at which they choose their password."

    def add_arguments(self, parser: CommandParser) -> None:
        """Who it is."""
        parser.add_argument("email")
        parser.add_argument("full_name")

    def handle(self, *args: object, **options: str) -> None:
        """Refuses an e-mail address that has an account."""
        email = options["email"]
        if User.objects.with_address(email) is not None:
            raise CommandError(f"{email} has an account already.")
        try:
            full_name = one_line(options["full_name"])
        except Invalid as error:
            raise CommandError(error.message) from error
        user = create_user(
            email=email,
            full_name=full_name,
            is_platform_administrator=True,
            by=System("create_administrator"),
        )
        self.stdout.write("Open this address within three days and choose a password. It works once:")
        self.stdout.write(welcome_url(user))
