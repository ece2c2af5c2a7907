"""The trainer sees from the kernel's own tables whether it has a network, and starts only without."""

from __future__ import annotations

from pathlib import Path

import pytest

from federation.errors import Invalid
from silo_connector.isolation import check_isolated

DEV = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs\n"
LO = "    lo:       0       0    0    0    0     0          0         0        0       0    0\n"
ETH = "  eth0: 8142       1    0    0    0     0          0         0        0       0    0\n"
TUN = " tunl0:       0       0    0    0    0     0          0         0        0       0    0\n"
ROUTES = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
ROUTE = "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
ROUTE6 = "{0} 00 {0} 00 {0} 00000000 00000001 00000000 00000001 {1}\n"


def proc(tmp_path: Path, dev: str, route: str | None = ROUTES, six: str | None = "") -> Path:
    (tmp_path / "net").mkdir()
    for name, text in (("dev", DEV + dev), ("route", route), ("ipv6_route", six)):
        if text is not None:
            (tmp_path / "net" / name).write_text(text)
    return tmp_path


def test_loopback_alone_is_no_network(tmp_path: Path) -> None:
    check_isolated(proc(tmp_path, LO, six=ROUTE6.format("0" * 32, "lo")))


def test_a_kernel_without_ipv6(tmp_path: Path) -> None:
    check_isolated(proc(tmp_path, LO, six=None))


@pytest.mark.parametrize(
    ("dev", "route", "six", "seen"),
    [
        (LO + ETH, ROUTES, "", "interface eth0"),
        (LO + ETH, ROUTES + ROUTE, "", "route through eth0"),
        (LO, ROUTES + ROUTE, "", "route through eth0"),
        (LO, ROUTES, ROUTE6.format("0" * 32, "wg0"), "route through wg0"),
        (LO + TUN, ROUTES, "", "interface tunl0"),
    ],
)
def test_a_network_is_refused_with_what_was_seen_and_what_to_do(
    tmp_path: Path, dev: str, route: str, six: str, seen: str
) -> None:
    with pytest.raises(Invalid) as caught:
        check_isolated(proc(tmp_path, dev, route, six))
    assert caught.value.code == "trainer.network"
    assert seen in caught.value.message
    assert "network_mode: none" in caught.value.message
    assert "--allow-network" in caught.value.message


def test_a_tolerated_interface_may_be_there_but_no_route_through_it(tmp_path: Path) -> None:
    root = proc(tmp_path, LO + TUN)
    check_isolated(root, ["tunl0"])
    (root / "net" / "route").write_text(ROUTES + ROUTE.replace("eth0", "tunl0"))
    with pytest.raises(Invalid, match="route through tunl0"):
        check_isolated(root, ["tunl0"])


def test_an_unreadable_network_state_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"trainer\.network"):
        check_isolated(tmp_path)
