"""The way of a silo from its name to its first sign of life: where it is, and what its IT copies on the way."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone

from silos.models import EnrolmentCode, Silo
from silos.selectors import platform_keys
from silos.transitions import SiloState


class Stage(IntEnum):
    """What comes next."""

    CODE = 1
    PREMISES = 2
    CONFIRM = 3
    START = 4
    DONE = 5


def stage_of(silo: Silo, *, has_code: bool) -> Stage:
    """What comes next; with a code in hand it is the connector's turn, whatever was before."""
    if has_code:
        return Stage.PREMISES
    if silo.state == SiloState.PRESENTED:
        return Stage.CONFIRM
    if silo.state == SiloState.ACTIVE:
        seen = silo.last_seen_at is not None and silo.confirmed_at is not None
        return Stage.DONE if seen else Stage.START
    return Stage.CODE


def etag_of(silo: Silo) -> str:
    """Changes whenever the silo gets on: an open page compares it with the one that it was drawn for."""
    moments = (silo.enrolled_at, silo.confirmed_at, silo.revoked_at)
    seen = "seen" if silo.last_seen_at else "unseen"
    return "-".join([silo.state, seen, *(str(int(moment.timestamp())) if moment else "0" for moment in moments)])


def open_code_of(silo: Silo) -> EnrolmentCode | None:
    """A code that was made and could be used now. What it reads only its maker has seen."""
    codes = EnrolmentCode.objects.filter(silo=silo, used_at=None, expires_at__gt=timezone.now())
    return codes.select_related("created_by").order_by("-created_at").first()


@dataclass(frozen=True)
class Texts:
    """What is copied to the premises, with this platform's address, its key and the code in place."""

    configuration: str
    compose: str
    signatory: str
    in_containers: str
    without_containers: str
    code: str
    expires_at: datetime | None


IN_A_CONTAINER = (
    'docker run --rm --network none --user "$(id -u):$(id -g)" '
    '--volume "$PWD:/here" --workdir /here consilience-trainer'
)
"""``silo-connector`` in the folder where one is, on a machine that has only the image."""


def texts_for(silo: Silo, code: str = "", expires_at: datetime | None = None) -> Texts:
    """Without a code, the place where it goes says so."""
    again = " --again" if silo.enrolled_at else ""
    enrol = f"enrol --config connector.toml --code {code or 'THE-CODE'}{again}"
    key = "silo-connector key certify --key signatory.key"
    containers = (
        "mkdir -p site   # connector.toml and the datasets' declarations go in here",
        "echo DATA=/path/to/the/data > .env",
        "docker compose build",
        f"alias silo-connector='{IN_A_CONTAINER}'   # for the commands with the signatory key",
        "docker compose run --rm trainer prepare --config connector.toml",
        f'{key} --identity-key "what it printed" --out site/certificate.json',
        "docker compose run --rm trainer prepare --config connector.toml --certificate certificate.json",
        f"docker compose run --rm relay {enrol}",
        "docker compose up -d --build",
    )
    plain = (
        "silo-connector prepare --config connector.toml",
        f"{key} --config connector.toml",
        f"silo-connector {enrol}",
        "silo-connector fingerprints --config connector.toml",
        "silo-connector run relay --config connector.toml",
        "unshare --net -- silo-connector run trainer --config connector.toml",
    )
    return Texts(
        configuration=_configuration(silo),
        compose=render_to_string("silos/enrolment/docker-compose.yml"),
        signatory=f"silo-connector key make --organisation {shlex.quote(silo.organisation.name)} --out signatory.key",
        in_containers="\n".join(containers),
        without_containers="\n".join(plain),
        code=code,
        expires_at=expires_at,
    )


def _configuration(silo: Silo) -> str:
    about = " ".join(f"{silo.name}, {silo.organisation.name}".split())
    return (
        f"# {about}\n"
        f"platform_url = {json.dumps(settings.PUBLIC_URL)}\n"
        f"platform_key = {json.dumps(platform_keys()[0].fingerprint)}\n"
        "\n"
        'spool = "/var/lib/consilience/spool"\n'
        'trainer_state = "/var/lib/consilience/trainer"\n'
        'relay_state = "/var/lib/consilience/relay"\n'
        "\n"
        "# One of these for each dataset; its declaration names columns and steps.\n"
        "[[dataset]]\n"
        'declaration = "dataset.toml"\n'
        'source = "/data/dataset.csv"\n'
    )
