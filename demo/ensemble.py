"""Everybody on one machine: the coordinator and the hospitals, started in order, tended, and stopped in order."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from demo import sources
from demo.agreement import Agreed, conclude
from demo.client import Client
from demo.connectors import Connector, Isolation, isolation
from demo.consortium import plan
from demo.coordinator import TOOLING, Coordinator
from demo.home import Home
from demo.hospitals import CONSORTIUM_ADMINISTRATOR, COORDINATOR, HOSPITALS, STEWARD, WITH_SECOND_FACTOR, Hospital
from demo.processes import Child, DemoError, stop_together
from demo.services import Services
from demo.signatory import Signatory

DATASETS_TIMEOUT_S = 300.0
RESTARTS_MAX = 3
RESTARTS_WITHIN_S = 60.0

Step = Callable[[str], None]


@dataclass
class Ensemble:
    """All processes of one demo, or of one test with real processes."""

    home: Home
    port: int
    durable: bool = True
    extra_environment: dict[str, str] = field(default_factory=dict)
    hospitals: Sequence[Hospital] = HOSPITALS
    isolation: Isolation = field(init=False)
    coordinator: Coordinator = field(init=False)
    connectors: list[Connector] = field(init=False, default_factory=list)
    silo_ids: dict[str, str] = field(init=False, default_factory=dict)
    _deaths: dict[str, list[float]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.isolation = isolation()
        services = Services(self.home.root, durable=self.durable)
        given = {"STATIC_ROOT": str(self.home.static), **self.extra_environment}
        self.coordinator = Coordinator(self.home, services, self.port, given)
        self.connectors = [
            Connector(hospital, self.home.silos / hospital.key, self.home.logs, self.isolation)
            for hospital in self.hospitals
        ]

    @property
    def url(self) -> str:
        """Where the platform is."""
        return self.coordinator.url

    def sign_in(self, email: str) -> Client:
        """One of the demo's people, at the platform."""
        return Client.signed_in(self.url, email, self.home.password(), self.home.second_factors().get(email))

    def fetch_records(self) -> Path:
        """The four hospitals' files, in one place before they are given out."""
        sources.fetch(self.home.data, self.home.log("records"))
        return self.home.data

    def start_platform(self, waiting_for: Step) -> None:
        """Database, broker, schema, web and workers; the consortium is founded and the hospitals make their keys."""
        waiting_for("PostgreSQL and Redis")
        self.coordinator.start_services()
        waiting_for("the database's schema")
        with ThreadPoolExecutor(1) as aside:
            collected = aside.submit(self.coordinator.manage, "collectstatic", "--no-input")
            self.coordinator.migrate()
            collected.result()
        waiting_for("the web process, the consortium's founding, and the hospitals' keys")
        with ThreadPoolExecutor(2) as aside:
            whole = plan(self.home.password(), self.home.second_factors(WITH_SECOND_FACTOR))
            founding = aside.submit(self.coordinator.manage, "demo_seed", *TOOLING, given=whole)
            keys = [aside.submit(self._prepare, connector) for connector in self.connectors]
            self.coordinator.start_processes()
            self.silo_ids = dict(json.loads(founding.result())["silos"])
            for made in keys:
                made.result()

    def _prepare(self, connector: Connector) -> None:
        """On the hospital's premises, before the platform hears of it."""
        connector.configure(self.url, self.coordinator.fingerprint, self.home.data)
        if not connector.enrolled:
            connector.make_keys()

    def enrol_silos(self, waiting_for: Step) -> None:
        """Each hospital's IT presents its connector; its administrator compares fingerprints and confirms."""
        new = [connector for connector in self.connectors if not connector.enrolled]
        waiting_for(", ".join(connector.hospital.silo for connector in new) or "nobody: all are enrolled")
        with ThreadPoolExecutor(2) as hands:
            list(hands.map(self._enrol, new))

    def _enrol(self, connector: Connector) -> None:
        hospital = connector.hospital
        silo = self.silo_ids[hospital.silo]
        reported = self.sign_in(hospital.email("silo_it")).post(f"silos/{silo}/enrolment-codes/")
        if reported["platform_key_fingerprint"] != self.coordinator.fingerprint:
            raise DemoError(f"The enrolment page of {hospital.silo} shows another key than the platform's own.")
        read_out = connector.enrol(reported["code"])
        administrator = self.sign_in(hospital.email("organisation_administrator"))
        shown = administrator.get(f"silos/{silo}/")
        for role, fingerprint in read_out.items():
            if shown[role]["fingerprint"] != fingerprint:
                raise DemoError(f"{hospital.silo}: the platform shows another {role} key than the connector has.")
        confirmed = {f"{role}_fingerprint": fingerprint for role, fingerprint in read_out.items()}
        administrator.post(f"silos/{silo}/confirm/", confirmed)

    def conclude_agreement(self, waiting_for: Step) -> Agreed:
        """The five parties sign, each with its own key on its own premises."""
        signatory = self.coordinator_signatory
        signatory.make()
        steward, administrator = self.sign_in(STEWARD.email), self.sign_in(CONSORTIUM_ADMINISTRATOR.email)
        organisation = next(row for row in steward.all("organisations/") if row["name"] == COORDINATOR)["id"]
        if not any(key["state"] == "active" for key in steward.all(f"organisations/{organisation}/signatory-keys/")):
            steward.post(f"organisations/{organisation}/signatory-keys/", {"public_key": signatory.public_key})
        waiting_for("the hospitals' and the coordinator's signatures")
        consortium = str(next(iter(administrator.all("consortia/")))["id"])
        return conclude(
            administrator=administrator,
            steward=steward,
            consortium=consortium,
            connectors=self.connectors,
            coordinator=signatory,
        )

    @property
    def coordinator_signatory(self) -> Signatory:
        """The fifth party's key: it has no silo."""
        return Signatory(COORDINATOR, self.home.root / "coordinator", self.home.log("connector-coordinator"))

    def start_connectors(self) -> None:
        """A relay and a trainer for each hospital."""
        for connector in self.connectors:
            connector.relay.start()
            connector.trainer.start()

    def await_datasets(self, client: Client, waiting_for: Step) -> dict[str, str]:
        """Dataset ids by silo name, once every trainer has registered its own."""
        deadline = time.monotonic() + DATASETS_TIMEOUT_S
        while True:
            self.check()
            found = {row["silo"]["name"]: row["id"] for row in client.all("datasets/") if not row["withdrawn_at"]}
            missing = [hospital.silo for hospital in self.hospitals if hospital.silo not in found]
            if not missing:
                return {hospital.silo: found[hospital.silo] for hospital in self.hospitals}
            waiting_for(f"the trainers of {', '.join(missing)} to register their data")
            if time.monotonic() > deadline:
                late = next(one for one in self.connectors if one.hospital.silo == missing[0])
                raise DemoError(f"No data of {', '.join(missing)} were registered in time.", late.trainer.log)
            time.sleep(1)

    @property
    def children(self) -> list[Child]:
        """Every process that runs or ran, in the order of starting."""
        connectors = [child for connector in self.connectors for child in (connector.relay, connector.trainer)]
        return [*self.coordinator.services.children, *self.coordinator.children, *connectors]

    def check(self) -> None:
        """Note memory; raise DemoError when a process has ended by itself."""
        for child in self.children:
            child.check()
            child.sample()

    def tend(self) -> Iterable[str]:
        """Start again what has ended by itself, and say so; raise DemoError for what ends again and again."""
        for child in self.children:
            child.sample()
            if child.returncode is None:
                continue
            now = time.monotonic()
            deaths = [at for at in self._deaths.get(child.name, []) if now - at < RESTARTS_WITHIN_S]
            if child in self.coordinator.services.children or len(deaths) >= RESTARTS_MAX:
                child.check()
            self._deaths[child.name] = [*deaths, now]
            yield f"{child.name} ended ({child.ending}); starting it again"
            child.start()

    def peak_rss_mb(self) -> dict[str, float]:
        """Peak resident memory by process name."""
        return {child.name: child.peak_rss_mb for child in self.children}

    def stop(self, waiting_for: Step = lambda _what: None) -> None:
        """Trainers first, so that nothing is half done; then relays, the platform, database and broker."""
        coordinator = self.coordinator
        groups = (
            ("the trainers", [connector.trainer for connector in self.connectors]),
            ("the relays", [connector.relay for connector in self.connectors]),
            ("the platform", coordinator.children),
        )
        for name, children in groups:
            waiting_for(name)
            stop_together(children)
        waiting_for("PostgreSQL and Redis")
        coordinator.services.stop()
