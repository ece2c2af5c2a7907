"""Training plans that turn against the silo, in a real runner: nothing is reached, each is refused, both live on."""

from __future__ import annotations

import asyncio
import json
import platform
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from federation.errors import Stopped
from federation.protocol.documents import Order, Refusal
from silo_connector import spool
from silo_connector.sandbox_measures import NO_TRACES
from silo_connector.trainer.sandbox import plans
from silo_connector.trainer.sandbox.remote import session
from silo_connector.trainer.trainer import Trainer
from tests.support.fences import is_missing
from tests.support.patience import FAILS_AFTER_S
from tests.unit.silo_connector.runners import (
    DECLARED,
    GOOD,
    PREDICT,
    Runner,
    agreed_to,
    among_python_s_files,
    job_of,
    reviewed,
    running,
    with_runner,
)
from tests.unit.silo_connector.sites import Site

EVERYTHING = """
import builtins, ctypes, os, pathlib, random, signal, socket, struct, subprocess, sys, threading, time
def proper(features, parameters):
    return torch.nn.functional.linear(features, parameters["linear.weight"], parameters["linear.bias"])
"""
FORGED = 'frame = struct.pack("<4sIQ", b"CSP1", {head}, {body}); os.write(3, frame + {rest}); time.sleep(60)'
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with running() as found:
        yield found


@pytest.fixture
def coding(site: Site, runner: Runner) -> Site:
    """A site that runs plans."""
    return with_runner(site, runner.socket)


@pytest.fixture
def fenced(coding: Site, runner: Runner) -> Site:
    """The same, where the kernel has every fence."""
    missing = next(json.loads(line)["missing"] for line in runner.log.splitlines() if "runner.started" in line)
    if set(missing) - {NO_TRACES} or platform.machine() != "x86_64":
        is_missing("landlock-and-seccomp", f"this kernel has not all of the fences: {missing}")
    return coding


@pytest.fixture
def impatient(site: Site, runner: Runner) -> Site:
    """The same, that waits for an answer for a second only."""
    return with_runner(site, runner.socket, answer_timeout_s=1)


def plan_that(does: str) -> str:
    """A plan whose model does this first."""
    body = textwrap.indent(textwrap.dedent(does), "    ")
    return (
        f"{DECLARED}{EVERYTHING}\ndef predict(parameters, features):\n{body}\n    return proper(features, parameters)\n"
    )


def carried_out(site: Site, source: str, number: int = 1, **changes: Any) -> Order:
    """An order with this plan, and what the trainer made of it."""
    plan = reviewed(site, source, "Ada")
    agreed_to(site, plan)
    manifest = job_of(site, plan, **changes)
    trainer = Trainer(site.config)
    trainer.start()
    order = site.order(manifest, number=number)
    site.deliver(order, manifest)
    trainer.process_inbox()
    trainer.close()
    return order


def refused(site: Site, source: str, **changes: Any) -> Refusal:
    """The refusal that it came to; afterwards a good plan is carried out as if nothing had been."""
    order = carried_out(site, source, **changes)
    found = site.outcome(order)
    assert isinstance(found, Refusal), "it was carried out"
    assert [file.name for file in (site.outbox / str(order.order_id)).iterdir()] == [spool.DOCUMENT]
    assert not site.payloads(order)
    site.submission(carried_out(site, GOOD, 99))
    return found


@pytest.mark.parametrize(
    ("does", "error"),
    [
        ("socket.socket()", "PermissionError"),
        ("socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).connect({socket!r})", "PermissionError"),
        ("socket.socketpair()", "PermissionError"),
        ("open({data!r}).read()", "PermissionError"),
        ("open({key!r}, 'rb').read()", "PermissionError"),
        ("open('/etc/passwd').read()", "PermissionError"),
        ("os.listdir('/')", "PermissionError"),
        ("open('kept', 'w')", "PermissionError"),
        ("open('/tmp/kept', 'w')", "PermissionError"),
        ("open('/dev/shm/kept', 'w')", "PermissionError"),
        ("os.mkdir('/tmp/kept')", "PermissionError"),
        ("os.fork()", "PermissionError"),
        ("os.execv('/bin/sh', ['sh'])", "PermissionError"),
        ("subprocess.run(['/bin/true'])", "PermissionError"),
        ("threading.Thread(target=print).start()", "RuntimeError"),
        ("os.kill(os.getpid() - 1, 0)", "PermissionError"),
        ("os.memfd_create('kept')", "PermissionError"),
        ("open('/proc/self/status').read()", "PermissionError"),
        ("os.listdir('/proc/self/fd')", "PermissionError"),
        ("os.setuid(0)", "PermissionError"),
        ("os.write(4, b'x')", "OSError"),
        ("[os.fstat(one) for one in range(4, 64)]", "OSError"),
        ("os.sendfile(3, 0, 0, 1)", "PermissionError"),
        ("(lambda: [] if [*os.environ] != ['CUDA_VISIBLE_DEVICES'] else 1 / 0)()", "ZeroDivisionError"),
        ("(lambda again: again(again))(lambda again: again(again))", "RecursionError"),
        ("import tests", "ModuleNotFoundError"),
        ("raise SystemExit", "SystemExit"),
    ],
)
async def test_hostile_code_reaches_no_file_key_or_network(fenced: Site, runner: Runner, does: str, error: str) -> None:
    names = {"socket": str(runner.socket), "data": str(fenced.folder / "tiny.csv")}
    names["key"] = str(fenced.config.trainer_state / "identity.key")
    source = plan_that(does.format(**names))
    line = next(number for number, text in enumerate(source.splitlines(), 1) if text.strip() == does.format(**names))
    refusal = refused(fenced, source)
    assert refusal.code == "code.failed"
    assert refusal.message == f"The training plan failed: {error} in line {line}."


LIBC = "libc = ctypes.CDLL(None, use_errno=True)\n"


@pytest.mark.parametrize(
    "does",
    [
        "libc.shmget(4711, 4096, 0o1666)",
        "libc.semget(4711, 1, 0o1666)",
        "libc.msgget(4711, 0o1666)",
        "libc.mq_open(b'/kept', 0o102, 0o666, None)",
        "libc.syscall(101, 16, os.getpid(), 0, 0)",
        "libc.syscall(310, os.getpid(), 0, 0, 0, 0, 0)",
        "libc.syscall(425, 8, 0)",
        "libc.syscall(434, os.getpid(), 0)",
        "libc.syscall(302, 0, 7, 0, 0)",
        "libc.syscall(0x40000000 + 41, 1, 1, 0)",
        "libc.unshare(0x10000000)",
        "libc.prctl(4, 1, 0, 0, 0)",
        "libc.chroot(b'.')",
        "libc.inotify_init()",
    ],
)
async def test_hostile_code_shares_no_kernel_objects(fenced: Site, does: str) -> None:
    """Shared memory, queues, other processes' memory, io_uring, its own limits, another name space: all are EPERM."""
    source = plan_that(f"{LIBC}assert {does} == -1\nassert ctypes.get_errno() == 1, ctypes.get_errno()\nraise KeyError")
    refusal = refused(fenced, source)
    assert refusal.message.startswith("The training plan failed: KeyError"), refusal.message


@pytest.mark.parametrize(
    ("does", "code"),
    [
        ("os._exit(0)", "code.failed"),
        ("ctypes.string_at(0)", "code.failed"),
        ("torch.zeros(10**10)", "code.memory"),
        ("kept = []\nwhile True: kept.append(bytearray(1 << 20))", "code.memory"),
        ("while True: parameters['x'] = [*parameters.values()] * 99", "code.memory"),
        ("import gc\ngc.disable()\nlast = None\nwhile True: last = (last,)", "code.memory"),  # to the last byte
        ("return 1.0", "code.wrong_answer"),
        ("return features.numpy()", "code.wrong_answer"),
        ("return features.sum()", "code.wrong_answer"),
        ("return torch.zeros(len(features), 3)", "code.wrong_answer"),
        ("return torch.zeros(len(features) + 1, 1)", "code.wrong_answer"),
        ("return torch.zeros(len(features), 1, dtype=torch.int64)", "code.wrong_answer"),
        ("return torch.zeros(len(features), 1)", "code.wrong_answer"),
        ("return proper(features, parameters) * float('nan')", "code.wrong_answer"),
        ("return proper(features, parameters) / 0", "code.wrong_answer"),
        ("os.write(3, b'garbage' * 1000)\ntime.sleep(60)", "code.wrong_answer"),
        ("os.write(3, random.randbytes(100_000))\ntime.sleep(60)", "code.wrong_answer"),
        (FORGED.format(head=2, body=1 << 62, rest="b'{}'"), "code.wrong_answer"),
        (FORGED.format(head=0xFFFFFFFF, body=0, rest="b'{}'"), "code.wrong_answer"),
        (FORGED.format(head=2, body=0, rest="b'[]'"), "code.wrong_answer"),
        (FORGED.format(head=7, body=0, rest="b'[' * 7"), "code.wrong_answer"),
        (FORGED.format(head=33, body=0, rest="b'" + '{"done":"outputs","columns":9999}' + "'"), "code.wrong_answer"),
        (FORGED.format(head=32, body=0, rest="b'" + '{"done":"outputs","columns":-1} ' + "'"), "code.wrong_answer"),
        (
            FORGED.format(head=30, body=8, rest="b'" + '{"done":"outputs","columns":1}' + "12345678'"),
            "code.wrong_answer",
        ),
        (FORGED.format(head=20, body=8, rest="b'" + '{"done":"gradients"}' + "12345678'"), "code.wrong_answer"),
        (
            FORGED.format(head=34, body=0, rest="b'" + '{"error":"plan","type":"Row 7: ill"}'[:34] + "'"),
            "code.wrong_answer",
        ),
        (
            FORGED.format(head=46, body=0, rest="b'" + '{"error":"plan","type":"Row7","line":12345678}' + "'"),
            "code.failed",
        ),
    ],
)
async def test_what_it_answers_is_not_believed(coding: Site, does: str, code: str) -> None:
    refusal = refused(coding, plan_that(does))
    assert refusal.code == code
    assert "Row" not in refusal.message
    assert "12345678" not in refusal.message


@pytest.mark.parametrize("does", ["while True: pass", "time.sleep(600)", "os.read(3, 1)"])
async def test_what_does_not_answer_is_not_waited_for(impatient: Site, does: str) -> None:
    assert refused(impatient, plan_that(does)).code == "code.timeout"


async def test_what_answers_slowly_for_ever_is_abandoned(site: Site, runner: Runner) -> None:
    hurried = with_runner(site, runner.socket, order_timeout_s=2)
    steps = {"steps": 100_000, "batch_size": 4, "learning_rate": 0.1}
    assert refused(hurried, plan_that("time.sleep(0.3)"), local=steps).code == "code.timeout"


async def test_what_answers_byte_by_byte_is_abandoned_once_the_order_is_cancelled(site: Site, runner: Runner) -> None:
    site = with_runner(site, runner.socket)
    assert site.config.runner is not None
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2

    drip = "os.write(3, struct.pack('<4sIQ', b'CSP1', 60000, 0))\n"
    plan = plan_that(drip + "while True:\n    os.write(3, b' '); time.sleep(0.01)").encode()
    with session(site.config.runner, 1.0, should_stop) as opened:
        by_name = {"n_features": 2, "target": "binary", "n_classes": 2}
        opened.open(plan, {"layout": [["linear.weight", [1, 2]], ["linear.bias", [1]]], **by_name})
        with pytest.raises(Stopped):
            opened.ask("outputs", {"do": "predict", "rows": 1}, [bytes(20)], 4)
    assert asked == 3


async def test_hostile_code_is_killed_at_its_processor_time_limit(coding: Site) -> None:
    deaf = "signal.signal(signal.SIGXCPU, lambda *_: None)\nwhile True: pass"
    assert refused(coding, plan_that(deaf)).code == "code.timeout"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ("def loss(outputs, target):\n    return outputs.sum()\n", "code.wrong_answer"),
        ("def loss(outputs, target):\n    return target\n", "code.wrong_answer"),
        ("def loss(outputs, target):\n    return outputs[:, 0].detach()\n", "code.wrong_answer"),
        ("def loss(outputs, target):\n    return outputs[:, 0] * 1e12\n", "update.norm_exceeded"),
        ("def loss(outputs, target):\n    return outputs[:, 0] * 3e38\n", "code.wrong_answer"),
        ("def transform(features):\n    return features[:1]\n", "code.wrong_answer"),
        ("def transform(features):\n    return features[:, :1]\n", "code.failed"),
        ("raise ValueError('at once')\n", "code.failed"),
        ("del predict\n", "code.failed"),
    ],
)
async def test_the_other_functions_are_held_to_their_shapes_too_and_the_norm_to_its_bound(
    coding: Site, more: str, code: str
) -> None:
    assert refused(coding, DECLARED + PREDICT + more).code == code


async def test_what_it_prints_or_raises_goes_nowhere(coding: Site, runner: Runner) -> None:
    secret = "row 7 is ill"
    does = f"""
    print({secret!r}, flush=True)
    print({secret!r}, file=sys.stderr, flush=True)
    os.write(1, {secret.encode()!r}); os.write(2, {secret.encode()!r})
    raise type({secret!r}, (LookupError,), {{}})({secret!r})
    """
    refusal = refused(coding, plan_that(does))
    assert refusal.message.startswith("The training plan failed: LookupError in line ")
    assert secret not in runner.log
    assert secret not in json.dumps(coding.journal())
    assert secret not in (coding.config.trainer_state / "egress.jsonl").read_text()


async def test_nothing_of_one_order_is_there_in_the_next(coding: Site) -> None:
    keeps = plan_that("builtins.kept = torch.kept = sys.modules['kept'] = features")
    for number in (1, 2, 3):
        coding.submission(carried_out(coding, keeps + "assert not hasattr(builtins, 'kept')\n", number))
    assert coding.refusal(carried_out(coding, keeps + "assert hasattr(builtins, 'kept')\n", 4)) == "code.failed"


async def test_what_one_order_has_read_is_not_notified_to_the_next_by_times(fenced: Site, runner: Runner) -> None:
    if f'"{NO_TRACES}"' in runner.log.partition('"missing"')[2]:
        is_missing("access-times", "reading is noted here, and the runner says so")
    with among_python_s_files() as probe:
        names = [str(probe), str(probe / "kept.py"), str(probe / "link.py")]
        reads = f"os.listdir({names[0]!r}); [open(name).read() for name in {names[1:]!r}]; os.readlink({names[2]!r})"
        fenced.submission(carried_out(fenced, plan_that(reads), 1))
        assert [Path(name).lstat().st_atime for name in names] == [1, 1, 1]
        looks = f"assert [os.lstat(name).st_atime for name in {names!r}] == [1, 1, 1]"
        fenced.submission(carried_out(fenced, plan_that(looks), 2))


async def test_a_session_ends_with_its_trainer(coding: Site, runner: Runner) -> None:
    assert coding.config.runner is not None
    ended = runner.log.count("session.ended")
    with session(coding.config.runner, 1.0) as opened:
        assert {"limits", "no new privileges"} <= set(opened.measures)
        assert runner.log.count("session.ended") == ended
    async with asyncio.timeout(FAILS_AFTER_S):
        while runner.log.count("session.ended") == ended:
            await asyncio.sleep(0.01)


async def test_an_order_that_is_cancelled_stops_while_its_plan_computes(coding: Site) -> None:
    plan = reviewed(coding, plan_that("time.sleep(600)"), "Ada")
    agreed_to(coding, plan)
    manifest = job_of(coding, plan)
    trainer = Trainer(coding.config)
    trainer.start()
    order = coding.order(manifest)
    folder = coding.deliver(order, manifest)
    looking = asyncio.create_task(asyncio.to_thread(trainer.process_inbox))
    async with asyncio.timeout(FAILS_AFTER_S):
        while "code.run" not in [line["event"] for line in coding.journal()]:
            await asyncio.sleep(0.02)
    (folder / spool.CANCELLED).touch()
    await looking  # which would take ten minutes
    trainer.close()
    assert not (coding.outbox / str(order.order_id)).exists()


@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_runner_that_is_killed_in_the_middle(
    coding: Site, runner: Runner, comes_back: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is done from its start again, with the same outcome; or refused where no runner comes back."""
    monkeypatch.setattr(plans, "PATIENCE_S", 30.0 if comes_back else 0.2)
    plan = reviewed(coding, plan_that("time.sleep(0.05)"), "Ada")
    agreed_to(coding, plan)
    manifest = job_of(coding, plan, local={"steps": 40, "batch_size": 4, "learning_rate": 0.1})
    trainer = Trainer(coding.config)
    trainer.start()
    order = coding.order(manifest)
    coding.deliver(order, manifest)
    looking = asyncio.create_task(asyncio.to_thread(trainer.process_inbox))
    async with asyncio.timeout(FAILS_AFTER_S):
        while "code.run" not in [line["event"] for line in coding.journal()]:
            await asyncio.sleep(0.02)
    runner.kill()
    if comes_back:
        await asyncio.to_thread(runner.start)
    await looking
    if comes_back:
        assert [line["event"] for line in coding.journal()].count("code.run") == 2
        killed, again = coding.submission(order), coding.order(manifest, number=2)
        coding.deliver(again, manifest)
        trainer.process_inbox()
        assert coding.submission(again).payloads == killed.payloads
    else:
        assert coding.refusal(order) == "code.no_runner"
        await asyncio.to_thread(runner.start)
    trainer.close()
    coding.submission(carried_out(coding, GOOD, 3))
