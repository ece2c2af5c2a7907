"""What comes from a runner that somebody has taken over whole, byte by byte: bounded, refused, never believed."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from federation.errors import FederationError
from silo_connector import frames
from silo_connector.config import Runner
from silo_connector.doctor.agreements import look_at_runner
from silo_connector.runner import landlock, syscalls
from silo_connector.trainer.refusals import REFUSALS
from silo_connector.trainer.sandbox.remote import floats, session
from tests.support.patience import FAILS_AFTER_S
from tests.unit.silo_connector.sites import ROOT

HELLO = frames.encode({"hello": 1, "measures": ["limits"]}, 0)
Says = Callable[[socket.socket], None]


def reader(data: bytes) -> frames.Read:
    """A connection that gives a byte at a time."""
    left = bytearray(data)

    def read(buffer: memoryview) -> int:
        if not left:
            return 0
        buffer[0] = left.pop(0)
        return 1

    return read


def test_a_frame_is_read_as_it_was_written() -> None:
    frame = frames.receive(reader(frames.encode({"done": "x"}, 3) + b"abc" + b"more"), 3)
    assert (frame.head, bytes(frame.body)) == ({"done": "x"}, b"abc")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "frames.closed"),
        (HELLO[:-1], "frames.closed"),
        (frames.encode({}, 3) + b"ab", "frames.closed"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "frames.malformed"),
        (frames.encode({}, 11) + b"x" * 11, "frames.too_large"),
        (struct.pack("<4sIQ", b"CSP1", 1 << 31, 0), "frames.too_large"),
        (struct.pack("<4sIQ", b"CSP1", 2, 2**64 - 1), "frames.too_large"),
        (struct.pack("<4sIQ", b"CSP1", 2, 0) + b"[]", "frames.malformed"),
        (struct.pack("<4sIQ", b"CSP1", 2, 0) + b"{\xff", "frames.malformed"),
        (struct.pack("<4sIQ", b"CSP1", 60_000, 0) + b"[" * 60_000, "frames.malformed"),
        (struct.pack("<4sIQ", b"CSP1", 60_000, 0) + b"1" * 60_000, "frames.malformed"),
    ],
)
def test_malformed_frames_are_refused(data: bytes, code: str) -> None:
    with pytest.raises(FederationError) as caught:
        frames.receive(reader(data), 10)
    assert caught.value.code == code


@contextlib.contextmanager
def saying(says: Says, timeout_s: int = int(FAILS_AFTER_S)) -> Iterator[Runner]:
    """A runner that says this to the first who comes."""
    folder = Path(tempfile.mkdtemp(prefix="run-"))
    path = folder / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(ConnectionError):
                says(connection)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield Runner(path, answer_timeout_s=timeout_s)
        finally:
            thread.join()
            path.unlink()
            folder.rmdir()


def asked(says: Says, timeout_s: int = int(FAILS_AFTER_S)) -> str:
    """The code of what becomes of a question to a runner that says this."""
    with saying(says, timeout_s) as runner:
        try:
            with session(runner, 1.0) as opened:
                opened.open(b"one line\n", {})
                floats(opened.ask("gradients", {}, [b"x"], 8), 2)
        except FederationError as error:
            return error.code
    return "believed"


def say(*parts: bytes) -> Says:
    """These bytes, and then the connection is closed."""

    def says(connection: socket.socket) -> None:
        connection.sendall(b"".join(parts))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            pass

    return says


def head(**content: object) -> bytes:
    return frames.encode(content, 0)


OPENED = head(done="opened")
FLOATS = frames.encode({"done": "gradients"}, 8)


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([], "code.no_runner"),
        ([b"SSH-2.0-OpenSSH\r\n" * 4], "code.no_runner"),
        ([HELLO], "code.no_runner"),
        ([head(hello=1, measures=7), OPENED, FLOATS, struct.pack("<2f", 1, 2)], "believed"),
        ([HELLO, OPENED, FLOATS, struct.pack("<2f", 1, float("nan"))], "code.wrong_answer"),
        ([HELLO, OPENED, FLOATS, b"1234"], "code.no_runner"),
        ([HELLO, OPENED, OPENED], "code.wrong_answer"),
        ([HELLO, OPENED, head(done="gradients")], "code.wrong_answer"),
        ([HELLO, head(ended="cpu")], "code.timeout"),
        ([HELLO, head(ended="memory")], "code.memory"),
        ([HELLO, head(ended=["a", "lie"])], "code.failed"),
        ([HELLO, head(error="memory")], "code.memory"),
        ([HELLO, head(error={"deep": []})], "code.wrong_answer"),
        ([HELLO, head(error="plan", type=["x"], line="1")], "code.failed"),
        ([HELLO, OPENED, head(error="plan", type="ValueError", line=1e9)], "code.failed"),
        ([HELLO, head(done="opened", ended="memory"), FLOATS, struct.pack("<2f", 1, 2)], "believed"),
    ],
)
def test_a_runner_that_was_taken_over_can_only_be_refused(parts: list[bytes], code: str) -> None:
    assert asked(say(*parts)) == code


def test_a_silent_runner_is_not_waited_for() -> None:
    ended = threading.Event()

    def silent(connection: socket.socket) -> None:
        connection.sendall(HELLO + OPENED)
        while connection.recv(1 << 16):
            pass
        ended.set()

    assert asked(silent, timeout_s=1) == "code.timeout"
    assert ended.is_set()


def test_a_hanging_runner_that_takes_no_connection_is_not_waited_for() -> None:
    """Connections that it was given and never took fill its queue: the next one would wait for ever."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder) / "x"
        listener.bind(str(path))
        listener.listen(0)
        rows: list[str] = []

        def connect() -> None:
            try:
                with session(Runner(path, answer_timeout_s=1), 0.3):
                    pass
            except FederationError as error:
                rows.append(error.code)

        with socket.socket(socket.AF_UNIX) as first:
            first.connect(str(path))
            waiting = threading.Thread(target=connect, daemon=True)
            waiting.start()
            waiting.join(FAILS_AFTER_S)
        assert rows == ["code.no_runner"]


def test_a_link_in_the_socket_s_place_is_not_followed(tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="run-"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "other"))
        listener.listen()
        (tmp_path / "s").symlink_to(folder / "other")
        with pytest.raises(FederationError, match=r"code\.no_runner"), session(Runner(tmp_path / "s"), 0.0):
            pass
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_number_of_floats_is_exact() -> None:
    frame = frames.receive(reader(FLOATS + struct.pack("<2f", 1, 2)), 8)
    assert floats(frame, 2).tolist() == [1, 2]
    with pytest.raises(FederationError, match=r"code\.wrong_answer"):
        floats(frame, 3)


def test_every_code_of_custom_code_is_explained_to_who_writes_it() -> None:
    text = (ROOT / "docs" / "training-plans.md").read_text()
    assert not [code for code in REFUSALS if code.startswith("code.") and f"`{code}`" not in text]


def test_what_a_kernel_has_not_is_left_out_and_the_doctor_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    libc = ctypes.CDLL(None)
    monkeypatch.setattr(landlock, "version", lambda _: 0)
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert not landlock.read_only(libc, [])
    assert not syscalls.forbid_all_but_arithmetic(libc)
    with saying(say(HELLO)) as runner:
        finding, of_times = look_at_runner(runner)
    assert finding.state == "warn"
    assert "landlock" in finding.detail
    assert "limits" not in finding.detail
    assert (of_times.state, "noatime" in of_times.remedy) == ("warn", True)
