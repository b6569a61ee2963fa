# SPDX-License-Identifier: MIT
"""A DNS server on loopback that says what a test wants it to: answers of all
sizes, errors, nothing, too much for UDP, another thing each time."""
import contextlib
import ipaddress
import socket
import struct
import threading

A, CNAME, AAAA = 1, 5, 28
TYPES = {"A": A, "AAAA": AAAA, "CNAME": CNAME}
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


def encode_name(name):
    labels = [part for part in name.split(".") if part]
    return b"".join(b"%c%s" % (len(x), x.encode("latin-1")) for x in labels) + b"\0"


def decode_question(packet):
    """(name as asked, type, the question's bytes)."""
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1 : at + 1 + packet[at]].decode("latin-1"))
        at += 1 + packet[at]
    (kind,) = struct.unpack("!H", packet[at + 1 : at + 3])
    return ".".join(labels), kind, packet[12 : at + 5]


class Entry:
    """What is known of a name."""

    def __init__(self, rcode=NOERROR, silent=False, big=False, ttl=0, **records):
        self.rcode, self.silent, self.big, self.ttl = rcode, silent, big, ttl
        self.records = {TYPES[t]: [v] if isinstance(v, str) else v for t, v in records.items()}

    def of(self, kind):
        values = self.records.get(kind, [])
        return values() if callable(values) else values


class NameServer:
    def __init__(self):
        self.names, self.asked = {}, []
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.port = self.udp.getsockname()[1]
        self.tcp = socket.create_server(("127.0.0.1", self.port))
        for s in (self.udp, self.tcp):
            s.settimeout(None)
        for work in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=work, daemon=True).start()

    def close(self):
        self.udp.close()
        self.tcp.close()

    def add(self, name, **entry):
        """rcode, silent, big (truncated over UDP), ttl; A, AAAA, CNAME: one
        value, a list, or a function that gives a list each time."""
        self.names[name.lower()] = Entry(**entry)
        return name

    def questions(self, name):
        """[(type, "udp" or "tcp")] asked of this name so far."""
        return [q[1:] for q in self.asked if q[0].lower() == name.lower()]

    # ---- answers

    def answers(self, name, kind, depth=0):
        """[(owner, type, value, ttl)] along the chain of CNAMEs."""
        entry = self.names.get(name.lower())
        if entry is None or depth > 40:
            return []
        found = [(name, kind, v, entry.ttl) for v in entry.of(kind)]
        for alias in entry.of(CNAME):
            found.append((name, CNAME, alias, entry.ttl))
            found += self.answers(alias, kind, depth + 1)
        return found

    def answer(self, packet, carrier):
        name, kind, question = decode_question(packet)
        self.asked.append((name, kind, carrier))
        entry = self.names.get(name.lower(), Entry(rcode=NXDOMAIN))
        if entry.silent:
            return None
        found = [] if entry.rcode else self.answers(name, kind)
        cut = entry.big and carrier == "udp"
        flags = 0x8580 | entry.rcode | (0x200 if cut else 0)
        body = b"".join(self.encode(*record) for record in ([] if cut else found))
        count = 0 if cut else len(found)
        return packet[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0) + question + body

    @staticmethod
    def encode(owner, kind, value, ttl):
        data = encode_name(value) if kind == CNAME else ipaddress.ip_address(value).packed
        return encode_name(owner) + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data

    # ---- carriers

    def serve_udp(self):
        while self.udp.fileno() >= 0:
            # Whoever asked may be gone: that ends nothing.
            with contextlib.suppress(OSError):
                packet, peer = self.udp.recvfrom(4096)
                reply = self.answer(packet, "udp")
                if reply is not None:
                    self.udp.sendto(reply, peer)

    def serve_tcp(self):
        with contextlib.suppress(OSError):
            while True:
                s, _ = self.tcp.accept()
                threading.Thread(target=self.serve_stream, args=(s,), daemon=True).start()

    def serve_stream(self, s):
        with s, contextlib.suppress(OSError), s.makefile("rb") as stream:
            while head := stream.read(2):
                reply = self.answer(stream.read(int.from_bytes(head, "big")), "tcp")
                if reply is not None:
                    s.sendall(len(reply).to_bytes(2, "big") + reply)
