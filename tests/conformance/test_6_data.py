# SPDX-License-Identifier: MIT
"""Section 6: the data phase (cases 42-49)."""
import contextlib
import hashlib
import os
import pathlib
import re
import select
import socket
import subprocess
import threading

import pytest
from sockets import quiet, read_exactly, read_to_end, reset, tcp_table
from stack import wait_for
from targets import echo_once


def sides(suite, target, first):
    """(who acts, the other, client) of a session."""
    c, end = suite.session(target)
    return (c.sock, end, c) if first == "client" else (end, c.sock, c)


def half_close(suite, target, first):
    one, other, c = sides(suite, target, first)
    with one, other:
        one.sendall(b"last words")
        one.shutdown(1)
        assert read_to_end(other) == (b"last words", "FIN")
        # The other direction lives on, as long as it takes.
        for n in range(20):
            other.sendall(b"%04d" % n)
            assert read_exactly(one, 4) == b"%04d" % n
        assert quiet(one)
        other.close()
        assert read_to_end(one) == (b"", "FIN")
    c.record(status="closed", close_reason=f"{first}_closed")


def test_case_42_client_half_closes(either, target):
    half_close(either, target, "client")


def test_case_43_target_half_closes(either, target):
    half_close(either, target, "target")


@pytest.mark.parametrize("first", ["client", "target"])
@pytest.mark.parametrize("half_closed", [False, True])
def test_case_44_reset_is_passed_on(either, target, first, half_closed):
    one, other, c = sides(either, target, first)
    with one, other:
        echo_once(one, other)
        if half_closed:
            one.shutdown(1)
            assert other.recv(1) == b""
        reset(one)
        if half_closed:
            # Who has seen an end learns of the reset by writing.
            with pytest.raises(ConnectionError):
                while True:
                    other.sendall(b"x" * 1000)
        else:
            assert read_to_end(other) == (b"", "RST")
    c.record(status="failed", close_reason=f"{first}_reset")


@pytest.mark.parametrize("first", ["client", "target"])
def test_case_44_reset_of_one_who_is_not_read(either, target, first):
    """It waits for a reader who takes nothing, and gives up: seen all the same."""
    one, other, c = sides(either, target, first)
    with one, other:
        one.setblocking(False)
        calm = 0
        while calm < 20:
            try:
                one.send(bytes(1 << 16))
                calm = 0
            except BlockingIOError:
                calm += 1
                threading.Event().wait(0.01)
        reset(one)
        c.record(status="failed", close_reason=f"{first}_reset")
        assert read_to_end(other)[1] == "RST"


def memory_kib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


@pytest.mark.parametrize("slow", ["client", "target"])
def test_case_45_slow_reader(either, target, slow):
    """Reading stops where writing does; all of it arrives in the end."""
    pid, block = either.pid("proxy"), os.urandom(1 << 16)
    c, end = either.session(target)
    reader, writer = (c.sock, end) if slow == "client" else (end, c.sock)
    with reader, writer:
        before, sent = memory_kib(pid), 0
        writer.setblocking(False)
        calm = 0
        while calm < 20:
            try:
                sent += writer.send(block[sent % len(block) :])
                calm = 0
            except BlockingIOError:
                calm += 1
                threading.Event().wait(0.01)
        assert sent > 1 << 16
        # What the sockets hold, and 64 KiB and a pipe of the proxy's own.
        held = sum(sum(queues) for queues in tcp_table().values())
        assert sent - held <= (1 << 16) + (1 << 20)
        assert memory_kib(pid) - before < 1024
        writer.setblocking(True)
        writer.settimeout(20)
        writer.shutdown(1)
        digest, count = hashlib.sha256(), 0
        while data := reader.recv(1 << 20):
            digest.update(data)
            count += len(data)
    whole = block * (sent // len(block)) + block[: sent % len(block)]
    assert count == sent and digest.digest() == hashlib.sha256(whole).digest()


@pytest.mark.parametrize("first", ["client", "target"])
def test_case_46_half_open_timeout(quick, target, first):
    """Silence ends it; every byte that comes begins the time again, as one
    sees by a session of the same age that is silent."""
    idle_one, idle_other, idle = sides(quick, target, first)
    one, other, c = sides(quick, target, first)
    with idle_one, idle_other, one, other:
        for s in (idle_one, one):
            s.shutdown(1)
        for s in (idle_other, other):
            assert s.recv(1) == b""
        sent = 0
        while quiet_for(idle_one, 0.1):
            other.sendall(b"x")
            sent += 1
        assert read_to_end(idle_one) == (b"", "RST")
        other.sendall(b"y")
        got, end = read_to_end(one)
        assert got == b"x" * sent + b"y" and end == "RST"
    for client in (idle, c):
        client.record(close_reason="half_open_timeout", status="failed")


def quiet_for(s, seconds):
    return not select.select([s], [], [], seconds)[0]


@pytest.mark.parametrize("talker", ["client", "target"])
def test_case_47_idle_timeout(quick, target, talker):
    """A byte in either direction keeps both alive."""
    _, idle_end, idle = sides(quick, target, "client")
    one, other, c = sides(quick, target, talker)
    with idle_end, idle, one, other:
        sent = 0
        while quiet_for(idle.sock, 0.1):
            one.sendall(b"x")
            sent += 1
        assert read_to_end(idle.sock) == (b"", "RST")
        one.sendall(b"y")
        assert read_exactly(other, sent + 1) == b"x" * sent + b"y"
        assert read_to_end(other) == (b"", "RST")
    for client in (idle, c):
        client.record(close_reason="idle_timeout", status="failed")


def test_case_47_keepalive_on_both_sockets(either, target):
    """Once the session has lived for a while."""
    c, end = either.session(target)
    ports = [(either.socks, c.port), (target.peer[1], target.port)]
    with c, end:

        def alive():
            table = subprocess.run(["ss", "-tno"], capture_output=True, text=True, check=True).stdout
            lines = [line for line in table.splitlines() if "timer:(keepalive" in line]
            return all(any(re.search(rf":{a}\s+\S+:{b}\s", line) for line in lines) for a, b in ports)

        wait_for("keepalive", alive)


SIZE = 48 << 20


def pump(s, data):
    with contextlib.suppress(ConnectionError):
        s.sendall(data)
        s.shutdown(1)


def test_case_48_large_both_ways_at_once(either, target):
    c, end = either.session(target)
    up, down = os.urandom(1 << 20) * (SIZE >> 20), os.urandom(1 << 20) * (SIZE >> 20)
    with c, end:
        writers = [threading.Thread(target=pump, args=pair) for pair in ((c.sock, up), (end, down))]
        got = {}
        readers = [
            threading.Thread(target=lambda k, s: got.update({k: read_to_end(s)}), args=pair)
            for pair in (("up", end), ("down", c.sock))
        ]
        for thread in writers + readers:
            thread.start()
        for thread in writers + readers:
            thread.join()
    assert got["up"] == (up, "FIN") and got["down"] == (down, "FIN")
    c.record(bytes_sent=SIZE, bytes_received=SIZE, status="closed")


@pytest.mark.parametrize("first", ["client", "target"])
def test_case_48_urgent_data_inline(either, target, first):
    one, other, _ = sides(either, target, first)
    with one, other:
        one.sendall(b"before")
        one.send(b"!", socket.MSG_OOB)
        one.sendall(b"after")
        one.shutdown(1)
        assert read_to_end(other) == (b"before!after", "FIN")


def test_case_49_no_bytes_of_ours(quick, either, target):
    """However a session ends, the user's stream holds the user's bytes."""
    c, end = quick.session(target)
    with c, end:
        end.sendall(b"data")
        assert read_to_end(c.sock) == (b"data", "RST")  # idle
    c, end = either.session(target)
    with c, end:
        end.sendall(b"data")
        c.expect(b"data")
        reset(end)
        assert read_to_end(c.sock) == (b"", "RST")
    c, end = either.session(target)
    with c, end:
        # What would be a request is data now.
        c.send(either.hello, b"\5\1\0\1").finish()
        assert read_to_end(end) == (either.hello + b"\5\1\0\1", "FIN")
        end.close()
        c.ends_with(b"")
