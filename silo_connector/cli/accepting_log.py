"""``silo-connector accept-log``: the organisation's word that a silo goes on with an audit log that broke."""

from __future__ import annotations

import argparse
import sys

from federation.errors import Invalid
from federation.protocol.documents import LogAcceptance
from federation.protocol.keys import PrivateKey
from silo_connector import config as configuration
from silo_connector.cli.offline_signing import DEFAULT_CONFIG, confirmed, key_of, pinned_in, read, write_file
from silo_connector.cli.terminal import printable, wrapped
from silo_connector.instance import check_own

_ELSEWHERE = "Where it is on another machine: --request FILE here, sign the file there, take it here with --import."
_MEANS = (
    "The platform's audit log does not lead through the head that this silo keeps. It was restored from a backup, or "
    "rewritten: nothing here can tell which. Ask the operator what was lost, and compare with the other members. If "
    "you accept, this silo countersigns the other log from now on. Evidence shows the break for ever."
)


def accept_log(options: argparse.Namespace) -> int:
    """Show the break, ask, sign; or ask elsewhere, sign for elsewhere, take what was signed elsewhere."""
    from silo_connector.trainer.store import log_acceptance as acceptances

    if options.request is not None:
        if options.export is None or options.key is None:
            raise Invalid("arguments", "Name the signatory key with --key, and with --export where the word goes.")
        asked = acceptances.read_statement(read(options.request, acceptances.BYTES_MAX))
        write_file(_signed(asked, PrivateKey.load(options.key), yes=options.yes), options.export)
        print(f"The signed acceptance: {options.export}")
        print("Take it to the silo: silo-connector accept-log --import …", file=sys.stderr)
        return 0
    config = configuration.load(options.config or DEFAULT_CONFIG)
    check_own(config.trainer_state)
    pinned = pinned_in(config)
    if options.import_ is not None:
        sealed = read(options.import_, acceptances.BYTES_MAX)
    elif options.ask is not None:
        stated = acceptances.statement(config, pinned, options.chain)
        _show(stated)
        write_file(acceptances.unsigned(stated), options.ask)
        print(f"The request: {options.ask}")
        print(
            "Sign it where the key is: accept-log FILE --key … --export SIGNED; then here: --import.", file=sys.stderr
        )
        return 0
    else:
        key, _ = key_of(options, config, _ELSEWHERE)
        sealed = _signed(acceptances.statement(config, pinned, options.chain), key, yes=options.yes)
        if options.export is not None:
            write_file(sealed, options.export)
    acceptances.accept(config, pinned, sealed)
    print("Accepted, and written into the journal. The next head of the log is countersigned again.")
    return 0


def _signed(statement: LogAcceptance, key: PrivateKey, *, yes: bool) -> bytes:
    from silo_connector.trainer.store.log_acceptance import signed

    _show(statement)
    print(wrapped(f"You accept it with the key {key.public.fingerprint}."))
    if not yes and not confirmed("accept"):
        raise Invalid("log.not_confirmed", "Nothing was signed.")
    return signed(statement, key)


def _show(statement: LogAcceptance) -> None:
    print(f"Chain: {printable(statement.chain)}")
    print(f"Kept here:             event {statement.kept.position}, {statement.kept.digest}")
    print(f"Shown by the platform: event {statement.shown.position}, {statement.shown.digest}")
    print(wrapped(_MEANS))
