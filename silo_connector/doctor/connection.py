"""What the doctor looks at between here and the platform: reach, TLS, clocks, enrolment."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from federation.errors import FederationError, Invalid, Untrusted
from federation.protocol.keys import PrivateKey
from federation.protocol.requests import CLOCK_SKEW_S
from silo_connector.config import Config
from silo_connector.doctor.findings import Finding, fail, ok, skip, warn
from silo_connector.doctor.site import look_at_key_file
from silo_connector.enrolment import Enrolment
from silo_connector.relay.enrolling import ANSWER, ENROLMENT_FILE, TRANSPORT_KEY, order_ids_in, usable_code
from silo_connector.relay.errors import Declined, Unreachable
from silo_connector.relay.platform import API, Platform
from silo_connector.spool import Spool

CLOCK_WARN_S = 10.0
_TIMEOUT_S = 15.0
UPGRADE = "Install the connector's version that belongs to the platform; then start relay and trainer again."


async def look_at_platform(config: Config, code: str | None) -> AsyncIterator[Finding]:
    """Everything that takes a connection."""
    enrolled = (config.relay_state / ENROLMENT_FILE).exists()
    key_file = config.relay_state / TRANSPORT_KEY
    if enrolled:
        yield look_at_key_file("transport key", key_file)
    key = PrivateKey.load(key_file) if key_file.exists() else PrivateKey.generate()
    try:
        platform = Platform(config, key)
    except (OSError, ssl.SSLError) as error:
        yield fail(
            "platform", f"ca_file can't be used: {error}", "It must be a PEM file with the authority's certificate."
        )
        return
    async with platform:
        try:
            await platform.exchange("GET", f"{API}/", {}, None, 1 << 20, _TIMEOUT_S)
        except Unreachable as error:
            yield fail("platform", f"{config.platform_url}: {error.message}", _advice(error))
            return
        tls = "without TLS" if config.is_plain_http else "with TLS"
        yield ok("platform", f"{config.platform_url} answers, {tls}")
        yield _clock(platform.clock_skew_s)
        if code is not None:
            async for finding in _code(config, platform, code):
                yield finding
        if (config.relay_state / ANSWER).exists():
            yield warn("enrolment", "An enrolment was cut off.", "Run the same enrol command again: it goes on.")
            return
        if not enrolled:
            yield warn("enrolment", "This silo is not enrolled.", "Run: silo-connector enrol --config … --code …")
            return
        async for finding in _enrolment(config, platform):
            yield finding


def _clock(skew_s: float) -> Finding:
    detail = f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} the platform's"
    remedy = "Set the clock by NTP (timedatectl set-ntp true)."
    if abs(skew_s) >= CLOCK_SKEW_S:
        return fail("clock", detail, remedy)
    return warn("clock", detail, remedy) if abs(skew_s) >= CLOCK_WARN_S else ok("clock", detail)


async def _code(config: Config, platform: Platform, code: str) -> AsyncIterator[Finding]:
    """Whether a code could be used now, and by the platform that is pinned; asking does not use it up."""
    try:
        found = await usable_code(platform, code, _TIMEOUT_S)
    except Declined as error:
        if error.code == "protocol.version":
            yield fail("code", f"{error.message} [{error.code}]", UPGRADE)
            return
        yield fail("code", f"{error.message} [{error.code}]", "Make a new code on the silo's page.")
        return
    except Unreachable as error:
        yield skip("code", error.message)
        return
    except Invalid as error:
        yield fail("code", f"{error.message} [{error.code}]", "Until then enrol refuses, and uses no code up.")
        return
    yield ok("code", f"valid until {_moment(found.expires_at)} for {found.silo[:100]}")
    try:
        found.platform_key(config.platform_key)
    except FederationError as error:
        yield fail("pinned key", error.message, "Set platform_key right before you enrol: the code is not used up.")
    else:
        yield ok("pinned key", f"{config.platform_key}; the platform shows it")


def _moment(text: str) -> str:
    try:
        return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return "a moment that can't be read"


async def _enrolment(config: Config, platform: Platform) -> AsyncIterator[Finding]:
    try:
        enrolment = Enrolment.read((config.relay_state / ENROLMENT_FILE).read_bytes())
        enrolment.platform_key(config.platform_key)
    except Untrusted as error:
        yield fail("pinned key", error.message, "Until this is cleared up the trainer refuses every order.")
        return
    except FederationError as error:
        yield fail("enrolment", error.message, "Enrol again with a new code: enrol --again.")
        return
    yield ok("pinned key", f"{config.platform_key}; the platform showed it when we enrolled")
    platform.silo_id = str(enrolment.silo_id)
    try:
        await platform.post("orders", {"held": order_ids_in(Spool(config.spool)), "wait_s": 0}, _TIMEOUT_S)
    except Declined as error:
        yield _not_active(error)
    except Unreachable as error:
        yield fail("enrolment", error.message, _advice(error))
    else:
        yield ok("enrolment", f"active as {enrolment.silo or enrolment.silo_id} of {enrolment.organisation}")


def _not_active(error: Declined) -> Finding:
    match error.code:
        case "silo.unconfirmed":
            remedy = "An administrator of your organisation compares the fingerprints and confirms the silo."
            return warn("enrolment", "The silo is not confirmed yet.", remedy)
        case "silo.revoked":
            return fail("enrolment", "The silo was revoked.", "Enrol again with a new code: enrol --again.")
        case "protocol.version":
            return fail("enrolment", f"{error.message} [{error.code}]", UPGRADE)
        case "signature.clock":
            return fail("enrolment", "The platform refuses our clock.", "Set the clock by NTP.")
        case _:
            return fail("enrolment", f"{error.message} [{error.code}]", "Enrol again with a new code: enrol --again.")


def _advice(error: Unreachable) -> str:
    text = error.message
    if "certificate" in text.lower():
        return "The platform's certificate is not trusted: set ca_file, or find out who intercepts the connection."
    if "Name or service" in text or "getaddrinfo" in text or "DNS" in text:
        return "The name can't be resolved: check platform_url and this machine's DNS."
    if "refused" in text:
        return "Nobody listens there: check platform_url, and that the platform runs."
    return "Check platform_url, the firewall (outbound HTTPS only is needed) and proxy in connector.toml."
