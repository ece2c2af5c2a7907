"""For somebody whose telephone and recovery codes are lost, and who has shown otherwise that it is they."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from accounts.second_factor.actions import reset
from accounts.session_actions import end_all_sessions
from audit.actors import System
from rest.errors import Conflict

OPERATOR = System("reset_second_factor")


class Command(BaseCommand):
    """Take a second factor away, and sign its owner out everywhere."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose it is."""
        parser.add_argument("email")

    def handle(self, *args: object, **options: str) -> None:
        """Refuses an address without an account, and an account without a second factor."""
        user = User.objects.with_address(options["email"])
        if user is None:
            raise CommandError(f"Nobody has an account with {options['email']}.")
        try:
            reset(user=user, by=OPERATOR)
        except Conflict as problem:
            raise CommandError(problem.message) from problem
        end_all_sessions(user=user, by=OPERATOR)
        self.stdout.write(f"{user.full_name} is signed out, and sets up a new second factor if a role asks for one.")
