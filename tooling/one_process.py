"""Several management commands in one process: `python -m tooling.one_process check -- spectacular`.

Django, the apps and their addresses take seconds to load, and each command alone would load them. What a command says
is shown where it fails: then the rest is not run.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout

from django.core.management import ManagementUtility

BETWEEN = "--"


def commands(words: Sequence[str]) -> Iterator[list[str]]:
    """The words of each command."""
    command: list[str] = []
    for word in (*words, BETWEEN):
        if word != BETWEEN:
            command.append(word)
        elif command:
            yield command
            command = []


def run(words: Sequence[str]) -> None:
    """Run one. Raises SystemExit with its status where it fails."""
    statement = io.StringIO()
    try:
        with redirect_stdout(statement):
            ManagementUtility(["manage.py", *words]).execute()
    except SystemExit:
        sys.stdout.write(statement.getvalue())
        raise


def main() -> None:
    """Run them in order."""
    for words in commands(sys.argv[1:]):
        sys.stdout.write(f"check: {' '.join(words)}\n")
        sys.stdout.flush()
        run(words)


if __name__ == "__main__":
    main()
