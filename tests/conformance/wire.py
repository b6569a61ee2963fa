# SPDX-License-Identifier: MIT
"""Messages as bytes, and what is answered. Nothing here is shared with the
proxy: the two must agree by the RFCs alone."""
import ipaddress

CONNECT, BIND, UDP = 1, 2, 3
NONE, USERPASS, NO_METHOD = 0, 2, 0xFF
# SOCKS5 reply codes as the RFC names them.
OK, GENERAL, NOT_ALLOWED, NET_UNREACHABLE, HOST_UNREACHABLE = range(5)
REFUSED, TTL_EXPIRED, NO_COMMAND, NO_ADDRESS_TYPE = range(5, 9)
SOCKS4_OK, SOCKS4_REFUSED = 0x5A, 0x5B


def greeting(*methods):
    return bytes([5, len(methods), *methods])


def login(user, password):
    user, password = as_bytes(user), as_bytes(password)
    return b"\1%c%s%c%s" % (len(user), user, len(password), password)


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


def as_name(name):
    """ATYP 03, whatever the bytes look like."""
    name = as_bytes(name)
    return b"\3%c%s" % (len(name), name)


def as_v4(address):
    return b"\1" + ipaddress.IPv4Address(address).packed


def as_v6(address):
    return b"\4" + ipaddress.IPv6Address(address).packed


def address(host):
    """By the kind it is; bytes are taken as they are, ATYP and all."""
    if isinstance(host, bytes):
        return host
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return as_name(host)
    return as_v4(ip) if ip.version == 4 else as_v6(ip)


def port_bytes(port):
    return port.to_bytes(2, "big")


def request(host, port, command=CONNECT, rsv=0):
    return bytes([5, command, rsv]) + address(host) + port_bytes(port)


def refusal(code):
    """All ten bytes of case 40."""
    return bytes([5, code, 0, 1]) + bytes(6)


def socks4(host, port, command=CONNECT, user=b"", name=None):
    """The host is an IPv4 address; with a name it is SOCKS4a's."""
    tail = b"" if name is None else as_bytes(name) + b"\0"
    packed = ipaddress.IPv4Address(host).packed
    return bytes([4, command]) + port_bytes(port) + packed + as_bytes(user) + b"\0" + tail


def socks4a(name, port, command=CONNECT, user=b""):
    return socks4("0.0.0.1", port, command, user, name)


def socks4_reply(code, host="0.0.0.0", port=0):
    return bytes([0, code]) + port_bytes(port) + ipaddress.IPv4Address(host).packed


def http(target, *headers, method="CONNECT"):
    lines = [f"{method} {target} HTTP/1.1", f"Host: {target}", *headers]
    return "\r\n".join(lines + ["", ""]).encode("latin-1")


def datagram(host, port, payload=b"", frag=0, rsv=0):
    return port_bytes(rsv) + bytes([frag]) + address(host) + port_bytes(port) + payload


def split_address(data):
    """((host, port), rest) of ATYP, address and port in a message."""
    length = {1: 4, 4: 16}[data[0]]
    host = str(ipaddress.ip_address(data[1 : 1 + length]))
    port = int.from_bytes(data[1 + length : 3 + length], "big")
    return (host, port), data[3 + length :]
