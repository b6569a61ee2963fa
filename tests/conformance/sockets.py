# SPDX-License-Identifier: MIT
"""Sockets on any address, and how they end."""
import pathlib
import select
import socket
import struct

IP_FREEBIND = 15
PATIENCE = 20
# Of this thread: xdist may run tests in another than the first, and a namespace
# is entered by one thread (and those it starts).
NET = "/proc/thread-self/net"


def free_socket(family, kind, address, port=0):
    """Bound to any address: in this namespace all of them are local."""
    s = socket.socket(family, kind)
    try:
        s.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        # With UDP two could be given the same port by it.
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == socket.SOCK_STREAM)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind((address, port))
        s.settimeout(PATIENCE)
    except OSError:
        s.close()
        raise
    return s


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def reset(s):
    """Closes with RST."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def read_exactly(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        assert more, f"the end came after {data!r}, {n} bytes were due"
        data += more
    return data


def read_to_end(s):
    """(all that comes, "FIN" or "RST")."""
    data = bytearray()
    try:
        while more := s.recv(65536):
            data += more
    except (ConnectionResetError, BrokenPipeError):
        return bytes(data), "RST"
    return bytes(data), "FIN"


def quiet(s):
    """Nothing to read now, not even an end."""
    if not select.select([s], [], [], 0)[0]:
        return True
    raise AssertionError(f"{s.recv(64)!r} came, nothing was due")


def tcp_table():
    """{(local, remote ports): (bytes not sent, bytes not read)} here."""
    found = {}
    for name in ("tcp", "tcp6"):
        for line in pathlib.Path(NET, name).read_text().splitlines()[1:]:
            words = line.split()
            ports = tuple(int(w.rpartition(":")[2], 16) for w in words[1:3])
            addresses = tuple(w.rpartition(":")[0] for w in words[1:3])
            found[addresses + ports] = tuple(int(n, 16) for n in words[4].split(":"))
    return found


def hex_address(address):
    packed = socket.inet_pton(family_of(address), address)
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words)
