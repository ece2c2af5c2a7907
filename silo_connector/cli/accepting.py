"""``silo-connector accept-state``: the organisation's word that a trainer may go on although state was lost."""

from __future__ import annotations

import argparse
import sys

from federation.errors import Invalid
from federation.protocol.documents import StateAcceptance
from federation.protocol.keys import PrivateKey
from silo_connector import config as configuration
from silo_connector.cli.offline_signing import DEFAULT_CONFIG, confirmed, key_of, pinned_in, read, write_file
from silo_connector.cli.terminal import printable, wrapped
from silo_connector.config import Config
from silo_connector.instance import check_own

_ELSEWHERE = "Where it is on another machine: --request FILE here, sign the file there, take it here with --import."
_MEANS = (
    "If you have a newer backup, stop the trainer and put that back instead. If you accept, what was lost stays lost: "
    "orders with numbers that may have been used are refused, and jobs of which something was lost. Heads and "
    "suspensions are taken from the journal again. Agreements, reviews and platform keys count as they are now: sign "
    "the newest versions, and review again, before you accept."
)


def accept_state(options: argparse.Namespace) -> int:
    """Show what is older, ask, sign; or ask elsewhere, sign for elsewhere, take what was signed elsewhere."""
    if options.request is not None:
        return _sign_for_elsewhere(options)
    config = configuration.load(options.config or DEFAULT_CONFIG)
    check_own(config.trainer_state)
    if options.import_ is not None:
        from silo_connector.trainer.store.state_acceptance import BYTES_MAX

        return _take(config, read(options.import_, BYTES_MAX))
    if options.ask is not None:
        return _ask(config, options)
    key, _ = key_of(options, config, _ELSEWHERE)
    statement = _statement(config)
    sealed = _signed(statement, key, yes=options.yes)
    if options.export is not None:
        write_file(sealed, options.export)
    return _take(config, sealed)


def _statement(config: Config) -> StateAcceptance:
    from silo_connector.trainer.store.state_acceptance import statement
    from silo_connector.trainer.store.state_check import compared

    return statement(config, pinned_in(config), compared(config))


def _ask(config: Config, options: argparse.Namespace) -> int:
    from silo_connector.trainer.store.state_acceptance import unsigned

    statement = _statement(config)
    _show(statement)
    write_file(unsigned(statement), options.ask)
    print(f"The request: {options.ask}")
    print("Sign it where the key is: accept-state FILE --key … --export SIGNED; then here: --import.", file=sys.stderr)
    return 0


def _sign_for_elsewhere(options: argparse.Namespace) -> int:
    from silo_connector.trainer.store.state_acceptance import BYTES_MAX, read_statement

    if options.export is None:
        raise Invalid("arguments", "Say with --export where the signed acceptance goes.")
    if options.key is None:
        raise Invalid("arguments", "Name the signatory key with --key.")
    document = read_statement(read(options.request, BYTES_MAX))
    write_file(_signed(document, PrivateKey.load(options.key), yes=options.yes), options.export)
    print(f"The signed acceptance: {options.export}")
    print("Take it to the silo: silo-connector accept-state --import …", file=sys.stderr)
    return 0


def _signed(statement: StateAcceptance, key: PrivateKey, *, yes: bool) -> bytes:
    from silo_connector.trainer.store.state_acceptance import signed

    _show(statement)
    print(wrapped(f"You accept it with the key {key.public.fingerprint}."))
    if not yes and not confirmed("accept"):
        raise Invalid("state.not_confirmed", "Nothing was signed.")
    return signed(statement, key)


def _show(statement: StateAcceptance) -> None:
    print(f"Trainer: identity key {statement.identity_key}, journal at line {statement.journal_lines}")
    print("Older than the journal says:")
    for one in statement.lost:
        print(wrapped(printable(one), "  "))
    if statement.lost_count > len(statement.lost):
        print(f"  and {statement.lost_count - len(statement.lost)} more")
    print(wrapped(_MEANS))


def _take(config: Config, sealed: bytes) -> int:
    from silo_connector.trainer.store.state_acceptance import accept
    from silo_connector.trainer.store.state_check import compare, opened_memory

    with opened_memory(config) as memory:
        accept(config, pinned_in(config), compare(config, memory), memory, sealed)
        left = compare(config, memory).older
    for one in left:
        print(f"WARNING  Still older: {printable(str(one))}", file=sys.stderr)
    if left:
        return 1
    print("Accepted, and written into the journal. A trainer that runs goes on by itself.")
    return 0
