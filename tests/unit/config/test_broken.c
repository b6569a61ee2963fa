/* SPDX-License-Identifier: MIT */
/* Broken input and the exact words that it is answered with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "directory.h"

enum where { TOML, YAML, VARIABLE, FLAG };

struct broken {
	enum where where;
	const char *text;	/* the file, the variable or what --set has */
	const char *errors;	/* ends with * where a library's words follow */
};

static const struct broken table[] = {
	{ TOML,
	    "[proxy",
	    "sallyport.toml:*" },
	{ TOML,
	    "[proxy]\n"
	    "listen = ",
	    "sallyport.toml:*" },
	{ TOML,
	    "[proxy]\n"
	    "workers = 1\n"
	    "workers = 2",
	    "sallyport.toml:*" },
	{ TOML,
	    "[proxy]\n"
	    "workers = 1\n"
	    "[proxy]\n"
	    "user = \"x\"",
	    "sallyport.toml:*" },
	{ TOML,
	    "[proxy]\n"
	    "user = \"a\\qb\"",
	    "sallyport.toml:*" },
	{ TOML,
	    "[proxy]\n"
	    "user = \"a",
	    "sallyport.toml:*" },
	{ TOML,
	    "[proxy]\n"
	    "user = \"a\\u0000b\"",
	    "sallyport.toml:2:8: a NUL in a string\n" },
	{ TOML,
	    "[proxy]\n"
	    "workers = 99999999999999999999",
	    "sallyport.toml:*" },
	{ TOML,
	    "[proxy]\n"
	    "workers = 01",
	    "sallyport.toml:*" },
	{ TOML,
	    "= 1",
	    "sallyport.toml:*" },
	{ TOML,
	    "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a = 1",
	    "sallyport.toml:1:32: more than 16 levels deep\n" },
	{ TOML,
	    "a = [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]",
	    "sallyport.toml:1:21: more than 16 levels deep\n" },
	{ YAML,
	    "proxy: [1",
	    "sallyport.yaml:2:1: did not find expected ',' or ']'\n" },
	{ YAML,
	    "proxy:\n"
	    "\tworkers: 1",
	    "sallyport.yaml:2:1: found character that cannot start any "
	    "token\n" },
	{ YAML,
	    "- a",
	    "sallyport.yaml:1:1: expected a table of keys\n" },
	{ YAML,
	    "hello",
	    "sallyport.yaml:1:1: expected a table of keys\n" },
	{ YAML,
	    "proxy:\n"
	    "  workers: 1\n"
	    "  workers: 2",
	    "sallyport.yaml:3:3: this key is set twice\n" },
	{ YAML,
	    "a: &x 1\n"
	    "b: *x",
	    "sallyport.yaml:2:4: aliases (*\342\200\246) are not "
	    "supported\n" },
	{ YAML,
	    "proxy:\n"
	    "  workers: !!int 1",
	    "sallyport.yaml:2:12: tags (!\342\200\246) are not "
	    "supported\n" },
	{ YAML,
	    "proxy:\n"
	    "  workers: 1\n"
	    "---\n"
	    "proxy:\n"
	    "  workers: 2",
	    "sallyport.yaml:3:1: a second document in the same file\n" },
	{ YAML,
	    "? [a]\n"
	    ": 1",
	    "sallyport.yaml:1:3: expected a key\n" },
	{ YAML,
	    "proxy:\n"
	    "  user: \"a\\0b\"",
	    "sallyport.yaml:2:9: a NUL in a string\n" },
	{ TOML,
	    "[proxy]\n"
	    "timeout = \"5s\"",
	    "sallyport.toml:2:1: proxy.timeout: unknown key; did you "
	    "mean proxy.timeouts.idle?\n" },
	{ TOML,
	    "[proxy]\n"
	    "lisen = \"127.0.0.1:1\"",
	    "sallyport.toml:2:1: proxy.lisen: unknown key; did you "
	    "mean proxy.listen?\n" },
	{ TOML,
	    "[proxi]\n"
	    "workers = 1",
	    "sallyport.toml:1:2: proxi: unknown section; did you mean "
	    "proxy?\n" },
	{ TOML,
	    "workers = 1",
	    "sallyport.toml:1:1: workers: unknown section; did you "
	    "mean proxy.workers?\n" },
	{ TOML,
	    "qqqqqqqq = 1",
	    "sallyport.toml:1:1: qqqqqqqq: unknown section\n" },
	{ TOML,
	    "[proxy]\n"
	    "qqqqqqqq = 1",
	    "sallyport.toml:2:1: proxy.qqqqqqqq: unknown key\n" },
	{ TOML,
	    "[proxy]\n"
	    "handshake = \"1s\"",
	    "sallyport.toml:2:1: proxy.handshake: unknown key; did you "
	    "mean proxy.timeouts.handshake?\n" },
	{ TOML,
	    "[proxy]\n"
	    "timeouts.idel = \"1h\"",
	    "sallyport.toml:2:10: proxy.timeouts.idel: unknown key; "
	    "did you mean proxy.timeouts.idle?\n" },
	{ TOML,
	    "[proxy.timeouts]\n"
	    "idle_ = \"1h\"",
	    "sallyport.toml:2:1: proxy.timeouts.idle_: unknown key; "
	    "did you mean proxy.timeouts.idle?\n" },
	{ TOML,
	    "[proxy]\n"
	    "database = \"x\"",
	    "sallyport.toml:2:1: proxy.database: unknown key; did you "
	    "mean sessiond.database?\n" },
	{ TOML,
	    "[proxy.timeouts.idle]\n"
	    "x = 1",
	    "sallyport.toml:1:1: proxy.timeouts.idle: expected a "
	    "duration such as \"10s\", not a table\n" },
	{ TOML,
	    "[[proxy]]\n"
	    "workers = 1",
	    "sallyport.toml:1:1: proxy: expected a table, not a list\n" },
	{ TOML,
	    "proxy = 1",
	    "sallyport.toml:1:9: proxy: expected a table, not a "
	    "number\n" },
	{ TOML,
	    "[proxy]\n"
	    "timeouts = \"1h\"",
	    "sallyport.toml:2:12: proxy.timeouts: expected a table, "
	    "not a string\n" },
	{ TOML,
	    "[proxy]\n"
	    "\"a\\nb\" = 1",
	    "sallyport.toml:2:1: proxy.a\\x0ab: unknown key\n" },
	{ TOML,
	    "[proxy]\n"
	    "listen_file = \"/x\"",
	    "sallyport.toml:2:1: proxy.listen_file: unknown key; did "
	    "you mean proxy.listen?\n" },
	{ YAML,
	    "proxy:",
	    "sallyport.yaml:1:7: proxy: expected a table, not nothing\n" },
	{ YAML,
	    "proxy:\n"
	    "  timeouts:\n"
	    "    idel: 1h",
	    "sallyport.yaml:3:5: proxy.timeouts.idel: unknown key; did "
	    "you mean proxy.timeouts.idle?\n" },
	{ YAML,
	    "proxy.workers: 1\n"
	    "proxy:\n"
	    "  workers: 2",
	    "sallyport.yaml:3:12: proxy.workers: set twice, first at "
	    "sallyport.yaml:1:16\n" },
	{ TOML,
	    "[proxy]\n"
	    "workers = \"4\"",
	    "sallyport.toml:2:11: proxy.workers: expected a whole "
	    "number, not a string\n" },
	{ TOML,
	    "[proxy]\n"
	    "workers = 1.5",
	    "sallyport.toml:2:11: proxy.workers: expected a whole "
	    "number, not a number with a fraction\n" },
	{ TOML,
	    "[proxy]\n"
	    "workers = -1",
	    "sallyport.toml:2:11: proxy.workers: \"-1\" is not a whole "
	    "number from 0 to 4294967295\n" },
	{ TOML,
	    "[proxy]\n"
	    "workers = 1979-05-27",
	    "sallyport.toml:2:11: proxy.workers: expected a whole "
	    "number, not a date or time\n" },
	{ TOML,
	    "[proxy]\n"
	    "mask_bound_address = \"true\"",
	    "sallyport.toml:2:22: proxy.mask_bound_address: expected "
	    "true or false, not a string\n" },
	{ TOML,
	    "[proxy]\n"
	    "mask_bound_address = 1",
	    "sallyport.toml:2:22: proxy.mask_bound_address: expected "
	    "true or false, not a number\n" },
	{ YAML,
	    "proxy:\n"
	    "  mask_bound_address: yes",
	    "sallyport.yaml:2:23: proxy.mask_bound_address: \"yes\" is "
	    "neither true nor false\n" },
	{ YAML,
	    "proxy:\n"
	    "  workers: 1e3",
	    "sallyport.yaml:2:12: proxy.workers: \"1e3\" is not a "
	    "whole number from 0 to 4294967295\n" },
	{ YAML,
	    "proxy:\n"
	    "  workers: 0x10",
	    "sallyport.yaml:2:12: proxy.workers: \"0x10\" is not a "
	    "whole number from 0 to 4294967295\n" },
	{ YAML,
	    "proxy:\n"
	    "  user: null",
	    "sallyport.yaml:2:9: proxy.user: expected a string, not "
	    "nothing\n" },
	{ YAML,
	    "proxy:\n"
	    "  user:",
	    "sallyport.yaml:2:8: proxy.user: expected a string, not "
	    "nothing\n" },
	{ YAML,
	    "proxy:\n"
	    "  workers: \"4\"",
	    "sallyport.yaml:2:12: proxy.workers: expected a whole "
	    "number, not a string\n" },
	{ TOML,
	    "[proxy]\n"
	    "user = 5",
	    "sallyport.toml:2:8: proxy.user: expected a string, not a "
	    "number\n" },
	{ TOML,
	    "[proxy]\n"
	    "user = [\"a\"]",
	    "sallyport.toml:2:8: proxy.user: expected a string, not a "
	    "list\n" },
	{ TOML,
	    "[proxy]\n"
	    "user = \"a\\tb\"",
	    "sallyport.toml:2:8: proxy.user: has a control character "
	    "or is not UTF-8\n" },
	{ TOML,
	    "[proxy.timeouts]\n"
	    "idle = 3600",
	    "sallyport.toml:2:8: proxy.timeouts.idle: \"3600\" has no "
	    "unit (ms, s, m, h, d)\n" },
	{ TOML,
	    "[proxy.timeouts]\n"
	    "idle = \"1 h\"",
	    "sallyport.toml:2:8: proxy.timeouts.idle: \"1 h\" is not a "
	    "duration such as \"10s\" (ms, s, m, h, d)\n" },
	{ TOML,
	    "[proxy.timeouts]\n"
	    "idle = \"1w\"",
	    "sallyport.toml:2:8: proxy.timeouts.idle: \"1w\" is not a "
	    "duration such as \"10s\" (ms, s, m, h, d)\n" },
	{ TOML,
	    "[proxy.timeouts]\n"
	    "idle = \"99999999999999999999s\"",
	    "sallyport.toml:2:8: proxy.timeouts.idle: "
	    "\"99999999999999999999s\" is not a duration such as "
	    "\"10s\" (ms, s, m, h, d)\n" },
	{ TOML,
	    "[proxy.timeouts]\n"
	    "idle = \"999999999999999999d\"",
	    "sallyport.toml:2:8: proxy.timeouts.idle: "
	    "\"999999999999999999d\" is not a duration such as \"10s\" "
	    "(ms, s, m, h, d)\n" },
	{ TOML,
	    "[proxy.timeouts]\n"
	    "idle = true",
	    "sallyport.toml:2:8: proxy.timeouts.idle: expected a "
	    "duration such as \"10s\", not true or false\n" },
	{ TOML,
	    "[proxy.timeouts]\n"
	    "idle = [\"1h\"]",
	    "sallyport.toml:2:8: proxy.timeouts.idle: expected a "
	    "duration such as \"10s\", not a list\n" },
	{ TOML,
	    "[proxy]\n"
	    "relay.buffer = \"64KB\"",
	    "sallyport.toml:2:16: proxy.relay.buffer: \"64KB\" is not "
	    "a size such as \"64KiB\" (KiB, MiB, GiB)\n" },
	{ TOML,
	    "[proxy]\n"
	    "relay.buffer = 1.5",
	    "sallyport.toml:2:16: proxy.relay.buffer: expected a size "
	    "such as \"64KiB\", not a number with a fraction\n" },
	{ TOML,
	    "[log]\n"
	    "level = \"verbose\"",
	    "sallyport.toml:2:9: log.level: \"verbose\" is none of "
	    "error, warn, info, debug, trace\n" },
	{ TOML,
	    "[log]\n"
	    "format = [\"json\"]",
	    "sallyport.toml:2:10: log.format: expected a word, not a "
	    "list\n" },
	{ TOML,
	    "[proxy]\n"
	    "listen = 1080",
	    "sallyport.toml:2:10: proxy.listen: expected a list of "
	    "addresses with ports, such as [\"127.0.0.1:1080\"], not a "
	    "number\n" },
	{ TOML,
	    "[proxy]\n"
	    "listen = \"localhost:1080\"",
	    "sallyport.toml:2:10: proxy.listen: \"localhost:1080\" is "
	    "not an address with a port, such as \"127.0.0.1:1080\" or "
	    "\"[::1]:1080\"\n" },
	{ TOML,
	    "[proxy]\n"
	    "listen = \"127.0.0.1\"",
	    "sallyport.toml:2:10: proxy.listen: \"127.0.0.1\" is not "
	    "an address with a port, such as \"127.0.0.1:1080\" or "
	    "\"[::1]:1080\"\n" },
	{ TOML,
	    "[proxy]\n"
	    "listen = [\"127.0.0.1:1\",\n"
	    "  \"127.0.0.1:99999\",\n"
	    "  7]",
	    "sallyport.toml:3:3: proxy.listen: \"127.0.0.1:99999\" is "
	    "not an address with a port, such as \"127.0.0.1:1080\" or "
	    "\"[::1]:1080\"\n"
	    "sallyport.toml:4:3: proxy.listen: expected a string, not "
	    "a number\n" },
	{ TOML,
	    "[proxy]\n"
	    "admin_listen = \":9181\"",
	    "sallyport.toml:2:16: proxy.admin_listen: \":9181\" is not "
	    "an address with a port, such as \"127.0.0.1:1080\" or "
	    "\"[::1]:1080\"\n" },
	{ TOML,
	    "[proxy]\n"
	    "socks_methods = [\"gssapi\"]",
	    "sallyport.toml:2:18: proxy.socks_methods: \"gssapi\" is "
	    "none of none, userpass, pam.username\n" },
	{ TOML,
	    "[acld]\n"
	    "own_addresses = [\"10.0.0.1/8\"]",
	    "sallyport.toml:2:18: acld.own_addresses: bits are set "
	    "behind the prefix: write 10.0.0.0/8 for the range or "
	    "10.0.0.1 for the one address\n" },
	{ TOML,
	    "[acld]\n"
	    "own_addresses = [\"10.0.0.0/33\"]",
	    "sallyport.toml:2:18: acld.own_addresses: the prefix "
	    "length must be a number from 0 to 32\n" },
	{ TOML,
	    "[proxy]\n"
	    "limits.sessions = 70000000",
	    "sallyport.toml:2:19: proxy.limits.sessions: 70000000 is "
	    "above 1000000\n" },
	{ TOML,
	    "[proxy]\n"
	    "workers = 257",
	    "sallyport.toml:2:11: proxy.workers: 257 is above 256\n" },
	{ TOML,
	    "[proxy]\n"
	    "workers = 4294967296",
	    "sallyport.toml:2:11: proxy.workers: \"4294967296\" is not "
	    "a whole number from 0 to 4294967295\n" },
	{ TOML,
	    "[proxy.timeouts]\n"
	    "idle = \"5ms\"",
	    "sallyport.toml:2:8: proxy.timeouts.idle: 5ms is below 1s "
	    "and not 0\n" },
	{ TOML,
	    "[proxy.timeouts]\n"
	    "idle = \"31d\"",
	    "sallyport.toml:2:8: proxy.timeouts.idle: 31d is above "
	    "30d\n" },
	{ TOML,
	    "[proxy.timeouts]\n"
	    "connect = \"99ms\"",
	    "sallyport.toml:2:11: proxy.timeouts.connect: 99ms is "
	    "below 100ms\n" },
	{ TOML,
	    "[proxy.timeouts]\n"
	    "connect = 0",
	    "sallyport.toml:2:11: proxy.timeouts.connect: 0 is below "
	    "100ms\n" },
	{ TOML,
	    "[proxy]\n"
	    "relay.buffer = \"2MiB\"",
	    "sallyport.toml:2:16: proxy.relay.buffer: 2MiB is above "
	    "1MiB\n" },
	{ TOML,
	    "[proxy]\n"
	    "listen = []",
	    "sallyport.toml:2:10: proxy.listen: must not be empty\n" },
	{ TOML,
	    "[proxy]\n"
	    "listen = \"\"",
	    "sallyport.toml:2:10: proxy.listen: must not be empty\n" },
	{ TOML,
	    "[proxy]\n"
	    "listen = [\"127.0.0.1:1\",\"127.0.0.1:2\",\"127.0.0.1:3\","
	    "\"127.0.0.1:4\",\"127.0.0.1:5\",\"127.0.0.1:6\",\"127.0.0."
	    "1:7\",\"127.0.0.1:8\",\"127.0.0.1:9\",\"127.0.0.1:10\",\"1"
	    "27.0.0.1:11\",\"127.0.0.1:12\",\"127.0.0.1:13\",\"127.0.0."
	    "1:14\",\"127.0.0.1:15\",\"127.0.0.1:16\",\"127.0.0.1:17\"]",
	    "sallyport.toml:2:10: proxy.listen: has more than 16 "
	    "entries\n" },
	{ TOML,
	    "[proxy]\n"
	    "listen = [\"127.0.0.1:1\", \"127.0.0.1:1\"]",
	    "sallyport.toml:2:26: proxy.listen: \"127.0.0.1:1\" is "
	    "listed twice\n" },
	{ TOML,
	    "[proxy]\n"
	    "socks_methods = [\"userpass\", \"userpass\"]",
	    "sallyport.toml:2:30: proxy.socks_methods: \"userpass\" is "
	    "listed twice\n" },
	{ TOML,
	    "[proxy]\n"
	    "socks_methods = []",
	    "sallyport.toml:2:17: proxy.socks_methods: must not be "
	    "empty\n" },
	{ TOML,
	    "[proxy]\n"
	    "user = \"uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu\"",
	    "sallyport.toml:2:8: proxy.user: has more than 31 bytes\n" },
	{ TOML,
	    "[proxy]\n"
	    "run_dir = \"\"",
	    "sallyport.toml:2:11: proxy.run_dir: must not be empty\n" },
	{ TOML,
	    "[proxy]\n"
	    "run_dir = \"/rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr"
	    "rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr\"",
	    "sallyport.toml:2:11: proxy.run_dir: has more than 90 "
	    "bytes\n" },
	{ TOML,
	    "[proxy]\n"
	    "socks_methods = \"none\"",
	    "sallyport.toml:2:17: proxy.socks_methods: none lets "
	    "everybody in; set proxy.allow_anonymous = true if that is "
	    "meant\n" },
	{ TOML,
	    "[proxy]\n"
	    "listen = \"0.0.0.0:1080\"",
	    "sallyport.toml:2:10: proxy.listen: 0.0.0.0:1080 is open to "
	    "all networks, and passwords would cross them in clear; listen on "
	    "loopback, or set proxy.allow_cleartext_password = true and "
	    "proxy.sources to private networks only\n" },
	{ TOML,
	    "[proxy]\n"
	    "listen = [\"127.0.0.1:1\", \"[::]:1\"]",
	    "sallyport.toml:2:10: proxy.listen: [::]:1 is open to "
	    "all networks, and passwords would cross them in clear; listen on "
	    "loopback, or set proxy.allow_cleartext_password = true and "
	    "proxy.sources to private networks only\n" },
	{ TOML,
	    "[proxy.timeouts]\n"
	    "connect = \"1s\"",
	    "sallyport.toml:2:11: proxy.timeouts.connect_attempt: is "
	    "above proxy.timeouts.connect\n" },
	{ TOML,
	    "[proxy]\n"
	    "timeouts.connect_attempt = \"11s\"",
	    "sallyport.toml:2:28: proxy.timeouts.connect_attempt: is "
	    "above proxy.timeouts.connect\n" },
	{ TOML,
	    "[proxy]\n"
	    "dns.ttl_min = \"10m\"",
	    "sallyport.toml:2:15: proxy.dns.ttl_min: is above "
	    "proxy.dns.ttl_max\n" },
	{ TOML,
	    "[proxy]\n"
	    "dns.servers = \"9.9.9.9:0\"",
	    "sallyport.toml:2:15: proxy.dns.servers: a name server "
	    "needs a port, usually 53\n" },
	{ TOML,
	    "[proxy]\n"
	    "carriers = [\"socks4\"]",
	    "sallyport.toml:2:12: proxy.carriers: socks4 has no login "
	    "and would refuse everybody; add another carrier, or none to "
	    "proxy.socks_methods\n"
	    "sallyport.toml:2:12: proxy.commands: udp needs socks5 among "
	    "proxy.carriers\n" },
	{ TOML,
	    "[proxy]\n"
	    "carriers = [\"http\"]\n"
	    "commands = [\"connect\", \"bind\"]",
	    "sallyport.toml:3:12: proxy.commands: bind needs socks5 or "
	    "socks4 among proxy.carriers\n" },
	{ TOML,
	    "[proxy]\n"
	    "commands = []",
	    "sallyport.toml:2:12: proxy.commands: must not be empty\n" },
	{ TOML,
	    "[proxy]\n"
	    "commands = [\"associate\"]",
	    "sallyport.toml:2:13: proxy.commands: \"associate\" is none of "
	    "connect, bind, udp\n" },
	{ TOML,
	    "[proxy]\n"
	    "source_address = [\"10.0.0.0/8\"]",
	    "sallyport.toml:2:18: proxy.source_address: expected "
	    "addresses, not ranges\n" },
	{ TOML,
	    "[proxy]\n"
	    "source_address = [\"10.0.0.1\", \"10.0.0.2\"]",
	    "sallyport.toml:2:18: proxy.source_address: has two addresses "
	    "of one family; one is used\n" },
	{ TOML,
	    "[proxy]\n"
	    "source_address = [\"10.0.0.1\", \"::\"]",
	    "sallyport.toml:2:18: proxy.source_address: 0.0.0.0 and :: are "
	    "no address to send from; leave it empty to let the kernel "
	    "choose\n" },
	{ TOML,
	    "[proxy]\n"
	    "udp.ports = 40000",
	    "sallyport.toml:2:13: proxy.udp.ports: expected a range of "
	    "ports such as \"40000-40999\", or \"ephemeral\", not a "
	    "number\n" },
	{ TOML,
	    "[proxy]\n"
	    "bind.ports = \"80-90\"",
	    "sallyport.toml:2:14: proxy.bind.ports: \"80-90\" has ports "
	    "below 1024\n" },
	{ TOML,
	    "[proxy]\n"
	    "udp.advertise = [\"10.0.0.7\", \"10.0.0.0/8=0.0.0.0\"]",
	    "sallyport.toml:2:30: proxy.udp.advertise: "
	    "\"10.0.0.0/8=0.0.0.0\" advertises an address that nobody can "
	    "send to\n" },
	{ VARIABLE,
	    "SALLYPORT_PROXY__BIND__ADVERTISE=10.0.0.7,10.0.0.8",
	    "SALLYPORT_PROXY__BIND__ADVERTISE: proxy.bind.advertise: "
	    "\"10.0.0.8\" is for clients that already have an address of "
	    "this family\n" },
	{ TOML,
	    "[bus]\n"
	    "auth = \"ipc://\"",
	    "sallyport.toml:2:8: bus.auth: ipc:// needs the path of a "
	    "socket\n" },
	{ TOML,
	    "[bus]\n"
	    "auth = \"ipc:///ssssssssssssssssssssssssssssssssssssssssss"
	    "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
	    "sssssss\"",
	    "sallyport.toml:2:8: bus.auth: the path of a socket has at "
	    "most 107 bytes\n" },
	{ TOML,
	    "[bus]\n"
	    "auth = \"tcp://10.0.0.1:7000\"",
	    "sallyport.toml:2:8: bus.auth: tcp:// is not encrypted and "
	    "may be used on loopback only; use ipc://\n" },
	{ TOML,
	    "[bus]\n"
	    "auth = \"tcp://localhost:7000\"",
	    "sallyport.toml:2:8: bus.auth: expected tcp:// with an "
	    "address and a port, such as tcp://127.0.0.1:7001\n" },
	{ TOML,
	    "[bus]\n"
	    "auth = \"tcp://127.0.0.1:0\"",
	    "sallyport.toml:2:8: bus.auth: expected tcp:// with an "
	    "address and a port, such as tcp://127.0.0.1:7001\n" },
	{ TOML,
	    "[bus]\n"
	    "auth = \"tls+tcp://10.0.0.1:7000\"",
	    "sallyport.toml:2:8: bus.auth: expected ipc://PATH, or "
	    "tcp://127.0.0.1:PORT\n" },
	{ TOML,
	    "[bus]\n"
	    "auth = \"tcp://127.0.0.1:7000\"\n"
	    "decide = \"tcp://127.0.0.1:7000\"",
	    "sallyport.toml:3:10: bus.decide: another socket has the "
	    "same address\n" },
	{ TOML,
	    "[metrics]\n"
	    "namespace = \"9lives\"",
	    "sallyport.toml:2:13: metrics.namespace: expected letters, "
	    "digits and _, no digit first\n" },
	{ TOML,
	    "[metrics]\n"
	    "namespace = \"a-b\"",
	    "sallyport.toml:2:13: metrics.namespace: expected letters, "
	    "digits and _, no digit first\n" },
	{ TOML,
	    "[metrics]\n"
	    "user_series = \"list\"",
	    "sallyport.toml:2:15: metrics.user_list: user_series = list "
	    "needs at least one user\n" },
	{ TOML,
	    "[authd.pam]\n"
	    "username_service = \"../login\"\n"
	    "address_service = \".x\"\n",
	    "sallyport.toml:2:20: authd.pam.username_service: expected the "
	    "name of a PAM service: letters, digits, . _ -, no dot first\n"
	    "sallyport.toml:3:19: authd.pam.address_service: expected the "
	    "name of a PAM service: letters, digits, . _ -, no dot first\n" },
	{ TOML,
	    "[authd.guessing]\n"
	    "delay_max = \"100ms\"\n",
	    "sallyport.toml:2:13: authd.guessing.delay_base: is above "
	    "authd.guessing.delay_max\n" },
	{ TOML,
	    "[authd]\n"
	    "workers = 0\n"
	    "group_sources = []\n"
	    "guessing.entries = 16\n"
	    "guessing.per_users = 1\n",
	    "sallyport.toml:2:11: authd.workers: 0 is below 1\n"
	    "sallyport.toml:3:17: authd.group_sources: must not be empty\n"
	    "sallyport.toml:4:20: authd.guessing.entries: 16 is below 1024\n"
	    "sallyport.toml:5:10: authd.guessing.per_users: unknown key; did "
	    "you mean authd.guessing.per_user?\n" },
	{ TOML,
	    "[proxy]\n"
	    "socks_methods = [\"userpass\", \"pam.username\"]\n",
	    "sallyport.toml:2:17: proxy.socks_methods: userpass and "
	    "pam.username look the same to clients; list one of them\n" },
	{ TOML,
	    "[sessiond]\n"
	    "database = \"postgresql:u:hunter2@h/d\"",
	    "sallyport.toml:2:12: sessiond.database: expected "
	    "sqlite:FILE or postgresql://USER@HOST/NAME\n" },
	{ TOML,
	    "[sessiond]\n"
	    "database = \"mysql://u:hunter2@h/d\"",
	    "sallyport.toml:2:12: sessiond.database: expected "
	    "sqlite:FILE or postgresql://USER@HOST/NAME\n" },
	{ TOML,
	    "[sessiond]\n"
	    "database = \"hunter2\"",
	    "sallyport.toml:2:12: sessiond.database: expected "
	    "sqlite:FILE or postgresql://USER@HOST/NAME\n" },
	{ TOML,
	    "[apid]\n"
	    "database = \"sqlite:\"",
	    "sallyport.toml:2:12: apid.database: expected sqlite:FILE\n" },
	{ TOML,
	    "[apid]\n"
	    "listen = \"0.0.0.0:8080\"",
	    "sallyport.toml:2:10: apid.listen: 0.0.0.0:8080 is not "
	    "loopback, and tokens would cross the network in clear; "
	    "listen on loopback, or set apid.allow_cleartext = true\n" },
	{ TOML,
	    "[sessiond]\n"
	    "database = \"a\\u0001hunter2\"",
	    "sallyport.toml:2:12: sessiond.database: has a control "
	    "character or is not UTF-8\n" },
	{ TOML,
	    "[sessiond]\n"
	    "database = [\"hunter2\"]",
	    "sallyport.toml:2:12: sessiond.database: expected a "
	    "string, not a list\n" },
	{ TOML,
	    "[sessiond]\n"
	    "database_file = \"/nonexistent/secret\"",
	    "sallyport.toml:2:17: sessiond.database: cannot read the "
	    "file that is named here: No such file or directory\n" },
	{ TOML,
	    "[sessiond]\n"
	    "database_file = 5",
	    "sallyport.toml:2:17: sessiond.database: expected the path "
	    "of a file with the secret\n" },
	{ TOML,
	    "[sessiond]\n"
	    "database = \"sqlite:a\"\n"
	    "database_file = \"/dev/null\"",
	    "sallyport.toml:3:17: sessiond.database: set twice, first "
	    "at sallyport.toml:2:12\n" },
	{ TOML,
	    "prox = 1\n"
	    "[proxy]\n"
	    "listen = [\"0.0.0.0:1080\", \"x\"]\n"
	    "workers = 300\n"
	    "[apid]\n"
	    "listen = \"[::]:80\"\n"
	    "threads = 0\n",
	    "sallyport.toml:1:1: prox: unknown section; did you mean "
	    "proxy?\n"
	    "sallyport.toml:3:27: proxy.listen: \"x\" is not an "
	    "address with a port, such as \"127.0.0.1:1080\" or "
	    "\"[::1]:1080\"\n"
	    "sallyport.toml:4:11: proxy.workers: 300 is above 256\n"
	    "sallyport.toml:7:11: apid.threads: 0 is below 1\n"
	    "sallyport.toml:6:10: apid.listen: [::]:80 is not "
	    "loopback, and tokens would cross the network in clear; "
	    "listen on loopback, or set apid.allow_cleartext = true\n" },
	{ VARIABLE,
	    "SALLYPORT_PROXY__WORKERS=many",
	    "SALLYPORT_PROXY__WORKERS: proxy.workers: \"many\" is not "
	    "a whole number from 0 to 4294967295\n" },
	{ VARIABLE,
	    "SALLYPORT_PROXY__WORKERS=",
	    "SALLYPORT_PROXY__WORKERS: proxy.workers: \"\" is not a "
	    "whole number from 0 to 4294967295\n" },
	{ VARIABLE,
	    "SALLYPORT_PROXY__TIMEOUTS__IDLE=1",
	    "SALLYPORT_PROXY__TIMEOUTS__IDLE: proxy.timeouts.idle: "
	    "\"1\" has no unit (ms, s, m, h, d)\n" },
	{ VARIABLE,
	    "SALLYPORT_PROXY__LISTEN=127.0.0.1:1,,127.0.0.1:2",
	    "SALLYPORT_PROXY__LISTEN: proxy.listen: \"\" is not an "
	    "address with a port, such as \"127.0.0.1:1080\" or "
	    "\"[::1]:1080\"\n" },
	{ VARIABLE,
	    "SALLYPORT_PROXY__LISTEN=0.0.0.0:1",
	    "SALLYPORT_PROXY__LISTEN: proxy.listen: 0.0.0.0:1 is open to "
	    "all networks, and passwords would cross them in clear; listen on "
	    "loopback, or set proxy.allow_cleartext_password = true and "
	    "proxy.sources to private networks only\n" },
	{ VARIABLE,
	    "SALLYPORT_SESSIOND__DATABASE=hunter2",
	    "SALLYPORT_SESSIOND__DATABASE: sessiond.database: expected "
	    "sqlite:FILE or postgresql://USER@HOST/NAME\n" },
	{ VARIABLE,
	    "SALLYPORT_SESSIOND__DATABASE_FILE=/nonexistent/secret",
	    "SALLYPORT_SESSIOND__DATABASE_FILE: sessiond.database: "
	    "cannot read the file that is named here: No such file or "
	    "directory\n" },
	{ VARIABLE,
	    "SALLYPORT_PROXY__USER=\377",
	    "SALLYPORT_PROXY__USER: proxy.user: has a control "
	    "character or is not UTF-8\n" },
	{ FLAG,
	    "proxy.workers=1000",
	    "--set: proxy.workers: 1000 is above 256\n" },
	{ FLAG,
	    "proxy.workers",
	    "--set: proxy.workers: expected section.key=value\n" },
	{ FLAG,
	    "proxy.worker=1",
	    "--set: proxy.worker: unknown key; did you mean "
	    "proxy.workers?\n" },
	{ FLAG,
	    "=1",
	    "--set: : expected section.key=value\n" },
	{ FLAG,
	    "proxy=1",
	    "--set: proxy: expected section.key=value\n" },
	{ FLAG,
	    "log.level=loud",
	    "--set: log.level: \"loud\" is none of error, warn, info, "
	    "debug, trace\n" },
	{ FLAG,
	    "sessiond.database=hunter2",
	    "--set: sessiond.database: expected sqlite:FILE or "
	    "postgresql://USER@HOST/NAME\n" },
	{ YAML,
	    "b: 1\n"
	    "a: 1\n"
	    "b: 2\n"
	    "a: 2\n",
	    "sallyport.yaml:3:1: this key is set twice\n" },
	/* What was refused breaks no rule besides. */
	{ TOML,
	    "[proxy]\n"
	    "listen = \"0.0.0.0:1080\"\n"
	    "allow_cleartext_password = 1\n",
	    "sallyport.toml:3:28: proxy.allow_cleartext_password: "
	    "expected true or false, not a number\n" },
	/* Reading stops at the first entry that is too many. */
	{ FLAG,
	    "proxy.listen="
	    "127.0.0.1:1, 127.0.0.1:2, 127.0.0.1:3, 127.0.0.1:4, "
	    "127.0.0.1:5, 127.0.0.1:6, 127.0.0.1:7, 127.0.0.1:8, "
	    "127.0.0.1:9, 127.0.0.1:10, 127.0.0.1:11, 127.0.0.1:1"
	    "2, 127.0.0.1:13, 127.0.0.1:14, 127.0.0.1:15, 127.0.0"
	    ".1:16, 127.0.0.1:17, x",
	    "--set: proxy.listen: has more than 16 entries\n" },
};

static const char *const paths[] = {
	[TOML] = "sallyport.toml", [YAML] = "sallyport.yaml",
};

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* Loads what the row has, and nothing but that. */
static int
load(const struct broken *row, struct config_errors *errors)
{
	char *environ_of[] = { (char *)row->text, NULL };
	struct config_sources from = { 0 };
	struct config_errors warnings = { 0 };
	struct settings *s = NULL;
	int r;

	if (row->where == VARIABLE) {
		from.environ = environ_of;
	} else if (row->where == FLAG) {
		from.set = &row->text;
		from.n_set = 1;
	} else {
		from.path = paths[row->where];
		write_file(from.path, row->text);
	}
	r = config_load(&s, &from, errors, &warnings);
	assert_int_equal(warnings.n, 0);
	assert_true(r == 0 ? s != NULL : s == NULL);
	config_free(&s);
	config_errors_fini(&warnings);
	if (from.path != NULL)
		assert_int_equal(unlink(from.path), 0);
	return r;
}

static bool
matches(const char *expected, const char *got)
{
	size_t n = strlen(expected);

	if (expected[n - 1] == '*')
		return strncmp(expected, got, n - 1) == 0;
	return strcmp(expected, got) == 0;
}

static void
test_broken(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct config_errors errors = { 0 };
		int r = load(&table[i], &errors);

		assert_int_equal(r, -1);
		assert_true(errors.n > 0);
		if (!matches(table[i].errors, errors.text.ptr)) {
			print_error("%s\nexpected %sgot      %s\n",
			    table[i].text, table[i].errors, errors.text.ptr);
			wrong++;
		}
		/* No message may hold a secret. */
		assert_null(strstr(errors.text.ptr, "hunter2"));
		config_errors_fini(&errors);
	}
	assert_int_equal(wrong, 0);
}

/* The table shows what it is for: every row starts from good settings. */
static void
test_nothing_is_good(void **state)
{
	static const struct broken rows[] = {
		{ TOML, "", "" }, { YAML, "", "" }, { YAML, "# only this", "" },
		{ VARIABLE, "SALLYPORT_PROXY__WORKERS=2", "" },
		{ FLAG, "proxy.workers=2", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct config_errors errors = { 0 };

		assert_int_equal(load(&rows[i], &errors), 0);
		assert_int_equal(errors.n, 0);
		config_errors_fini(&errors);
	}
}

static void
test_files_that_cannot_be_read(void **state)
{
	static const char *const rows[][2] = {
		{ "missing.toml", "missing.toml: No such file or directory\n" },
		{ ".", ".: Is a directory\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct config_sources from = { .path = rows[i][0] };
		struct config_errors errors = { 0 };
		struct settings *s = NULL;

		assert_int_equal(config_load(&s, &from, &errors, NULL), -1);
		assert_string_equal(errors.text.ptr, rows[i][1]);
		config_errors_fini(&errors);
	}
}

/* A file that is no TOML might have had the key that makes all well. */
static void
test_no_rules_without_a_file(void **state)
{
	char *environ_of[] = { "SALLYPORT_PROXY__LISTEN=0.0.0.0:1", NULL };
	struct config_sources from = { paths[TOML], environ_of, NULL, 0 };
	struct config_errors errors = { 0 };
	struct settings *s = NULL;

	(void)state;
	write_file(from.path, "[proxy");
	assert_int_equal(config_load(&s, &from, &errors, NULL), -1);
	assert_int_equal(errors.n, 1);
	assert_memory_equal(errors.text.ptr, "sallyport.toml:1:", 17);
	assert_int_equal(unlink(from.path), 0);
	config_errors_fini(&errors);
}

/* 150 errors: the first 100, and how many more there were. */
static void
test_errors_are_bounded(void **state)
{
	struct config_sources from = { .path = paths[TOML] };
	struct config_errors errors = { 0 };
	struct settings *s = NULL;
	struct bytes text = { 0 };
	unsigned lines = 0;

	(void)state;
	bytes_fmt(&text, "[proxy]\n");
	for (int i = 0; i < 150; i++)
		bytes_fmt(&text, "qqqqqqqqq%d = 1\n", i);
	write_file(from.path, text.ptr);
	assert_int_equal(config_load(&s, &from, &errors, NULL), -1);
	assert_int_equal(errors.n, 150);
	for (const char *p = errors.text.ptr; *p != '\0'; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 101);
	assert_non_null(strstr(errors.text.ptr, "\nand 50 more\n"));
	assert_int_equal(unlink(from.path), 0);
	config_errors_fini(&errors);
	bytes_fini(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_nothing_is_good),
		cmocka_unit_test(test_files_that_cannot_be_read),
		cmocka_unit_test(test_no_rules_without_a_file),
		cmocka_unit_test(test_errors_are_bounded),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
