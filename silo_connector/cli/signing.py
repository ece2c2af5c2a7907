"""``silo-connector sign``: the organisation's signature on an agreement, made on premises over what is shown."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from federation.agreements import signing
from federation.agreements.contradictions import faults
from federation.agreements.diff import differences
from federation.agreements.rendering import plain_text
from federation.agreements.signing import SignedAgreement, open_agreement
from federation.errors import Invalid
from federation.learning.models import FAMILIES
from federation.protocol.documents import now
from federation.protocol.envelope import ENVELOPE_BYTES_MAX
from federation.protocol.keys import PublicKey
from silo_connector.agreements import Store, StoredAgreement
from silo_connector.cli.offline_signing import config_of, confirmed, export, key_of, pinned_in, read
from silo_connector.cli.terminal import printable, wrapped
from silo_connector.config import Config
from silo_connector.instance import check_own
from silo_connector.journal import Journal
from silo_connector.own_keys import Signatory

_ELSEWHERE = "Where it is on another machine, sign there with --export, and take the signature here with --import."


def sign(options: argparse.Namespace) -> int:
    """Show an agreement, ask, sign; or take a signature that was made elsewhere."""
    config = config_of(options)
    if options.import_ is not None:
        return _import(options, config)
    if options.agreement is None:
        raise Invalid("arguments", "Name the file with the agreement, as it was downloaded from its page.")
    sealed = read(options.agreement, ENVELOPE_BYTES_MAX)
    opened = open_agreement(sealed)
    key, pinned = key_of(options, config, _ELSEWHERE)
    kept = None if config is None or pinned is None else _kept(config, pinned, opened)
    if config is not None:
        _check_newest(config, opened)
    signed = signing.sign(sealed, key)  # refuses a stranger's key before anybody reads twenty pages
    _show(opened, kept, key.public, config is not None)
    if not options.yes and not confirmed("yes"):
        raise Invalid("agreement.not_confirmed", "Nothing was signed.")
    if options.export is not None:
        export(signed, options.export, "agreement", "sign", page="agreement")
    if config is not None and pinned is not None:
        _take(config, pinned, signed)
    return 0


def _import(options: argparse.Namespace, config: Config | None) -> int:
    assert config is not None, "only a signature that goes elsewhere needs no configuration"
    signed = read(options.import_, ENVELOPE_BYTES_MAX)
    open_agreement(signed)
    if options.agreement is not None:
        downloaded = read(options.agreement, ENVELOPE_BYTES_MAX)
        open_agreement(downloaded)
        signed = signing.merge([downloaded, signed])
    _take(config, pinned_in(config), signed)
    return 0


def _take(config: Config, pinned: Signatory, signed: bytes) -> None:
    """Keep a signed version as the newest, and hand the signature to the relay."""
    from silo_connector.spool import Spool
    from silo_connector.trainer.egress.filter import leave_signature
    from silo_connector.trainer.store.kept import KEEPING_VERSION
    from silo_connector.trainer.store.outbox import Outcomes

    check_own(config.trainer_state)
    opened = open_agreement(signed)
    _check_newest(config, opened)
    agreement = opened.agreement
    journal = Journal.of(config)
    by_name: dict[str, Any] = {
        "agreement_id": str(agreement.agreement_id),
        "version": agreement.version,
        "agreement": opened.digest,
    }
    journal.add(KEEPING_VERSION, **by_name)
    kept = Store(config.trainer_state, pinned.key).install(signed)
    journal.add("agreement.signed", signatory=pinned.key.key_id, **by_name)
    place = Spool(config.spool)
    place.make()
    Outcomes(config.trainer_state, place, journal).put_signature(leave_signature(signed, pinned.key), kept.digest)
    print(f"Signed: version {agreement.version} of agreement {agreement.agreement_id}.")
    print(f"  {kept.digest}")
    print("It is kept here as the newest version, and the signature waits for the relay.")
    if kept.suspension is not None:
        print("The agreement is still suspended here; `silo-connector suspend --lift` ends that.", file=sys.stderr)


def _check_newest(config: Config, opened: SignedAgreement) -> None:
    """Not only what is kept counts, which may have been lost: also what the journal says was signed."""
    from silo_connector.trainer.store.state_check import check_newest

    check_newest(config, opened.agreement, opened.digest)


def _show(opened: SignedAgreement, kept: StoredAgreement | None, key: PublicKey, is_silo: bool) -> None:
    agreement = opened.agreement
    print(printable(plain_text(agreement, opened.digest)))
    if kept is not None and kept.digest == opened.digest:
        print("Your organisation has signed this very version before.")
    elif kept is not None:
        _show_differences(kept, opened)
    elif is_silo:
        print("No earlier version of this agreement has been signed here.")
    for field, one_report, _rests_on in faults(agreement.terms, frozenset(FAMILIES), now()):
        print(f"WARNING  {printable(f'{field}: {one_report}')}")
    missing = ", ".join(opened.missing) or "nobody"
    print(wrapped(f"Not signed yet by: {missing}"))
    (name,) = (member.organisation for member in agreement.terms.members if member.signatory_key == key.encoded)
    print(wrapped(f"You sign for: {name}, with the key {key.fingerprint}"))
    print(f"Hash: {opened.digest}")
    print("Compare the hash with the one on the agreement's page.")


def _show_differences(kept: StoredAgreement, opened: SignedAgreement) -> None:
    before = kept.signed.agreement
    print(f"What changed since version {before.version} ({kept.digest}), which was signed here:")
    for clause in differences(before, opened.agreement):
        if clause.changed:
            print(f"\n{clause.number}. {clause.title}")
            for mark, line in clause.lines:
                if mark != " ":
                    print(wrapped(line, f" {mark} "))
    if opened.agreement.supersedes != kept.digest:
        print("\nWARNING  It does not say that it supersedes that version: there was another one in between.")
    print()


def _kept(config: Config, pinned: Signatory, opened: SignedAgreement) -> StoredAgreement | None:
    return Store(config.trainer_state, pinned.key).find(opened.agreement.agreement_id)
