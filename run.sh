#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds and runs the five daemons on this machine, in the foreground, with
# their state in var/. Ctrl-C stops everything. What may be set:
#   SALLYPORT_STATE         where the state is (default: var beside this file)
#   SALLYPORT_SOCKS_PORT    1080     SALLYPORT_API_PORT    8080
#   SALLYPORT_ADMIN_PORT    9181, the first of five
#   SALLYPORT_BUILD         build directory (default: build beside this file)
#   SALLYPORT_DATABASE      postgresql://USER:PASSWORD@HOST/NAME, or sqlite:FILE
#                           (default: a file in the state)
set -u
cd "$(dirname "$0")" || exit 1
top=$PWD
# shellcheck source=deploy/lib/packages.sh
. "$top/deploy/lib/packages.sh"

state=${SALLYPORT_STATE:-$top/var}
build=${SALLYPORT_BUILD:-$top/build}
socks_port=${SALLYPORT_SOCKS_PORT:-1080}
api_port=${SALLYPORT_API_PORT:-8080}
admin_port=${SALLYPORT_ADMIN_PORT:-9181}
daemons=(sessiond acld authd proxy apid)

say() { printf 'run.sh: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}

case ${1:-} in
'') ;;
-h | --help)
    sed -n '4,13s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
*) fail "unknown argument $1; it is configured by the environment, see --help" ;;
esac
# It may hold a password: only the two daemons that use it get it, by their
# environment, which is closed to other users; it is in no argument, no file
# and no message.
database=${SALLYPORT_DATABASE:-}
unset SALLYPORT_DATABASE
case $database in
'' | sqlite:/* | postgresql://* | postgres://*) ;;
*) fail "SALLYPORT_DATABASE: expected postgresql://USER:PASSWORD@HOST/NAME or sqlite:/path/of/a/file" ;;
esac

# ---- build -----------------------------------------------------------------

# One at a time for each build directory, however many are started.
build_all() {
    packages_install run.sh "${packages_build[@]}" || exit 1
    mkdir -p "$build" || fail "cannot make $build"
    exec {lock}>"$build/.lock"
    flock "$lock"
    if [ ! -f "$build/build.ninja" ]; then
        say "configuring $build"
        meson setup "$build" >"$state/build.log" 2>&1 || {
            tail -n 20 "$state/build.log" >&2
            fail "meson could not configure the build"
        }
    fi
    if ! ninja -C "$build" -n "${targets[@]}" 2>/dev/null | grep -q 'no work to do'; then
        say "building (some minutes the first time; log in $state/build.log)"
    fi
    ninja -C "$build" "${targets[@]}" >"$state/build.log" 2>&1 || {
        tail -n 30 "$state/build.log" >&2
        fail "the build failed; the whole log is $state/build.log"
    }
    exec {lock}>&-
}

# A block is written, so that a full disk is not taken for a failing build. The
# path goes into TOML as it is.
open_state() {
    local problem
    case $state in
    *[\"\\]* | *[[:cntrl:]]*) fail "SALLYPORT_STATE: a path with quotes, \\ or control characters will not do" ;;
    esac
    problem=$(mkdir -p "$state/etc" 2>&1) ||
        fail "cannot make $state: ${problem##*: }"
    state=$(cd "$state" && pwd)
    problem=$({ head -c 4096 /dev/zero >"$state/.probe"; } 2>&1) || {
        rm -f "$state/.probe" 2>/dev/null
        fail "cannot write to $state: ${problem##*: }"
    }
    rm -f "$state/.probe"
}

targets=(cli/sallyctl)
for d in "${daemons[@]}"; do
    targets+=("services/$d/sallyport-$d")
done
open_state
build_all
ctl=$build/cli/sallyctl

# ---- who runs it -----------------------------------------------------------

# As root the daemons become the user sallyport, if that user can get to the
# state; else they stay uid 0 and give up every capability.
owner=
closed_parent() {
    local dir=$state
    while [ "$dir" != / ]; do
        dir=$(dirname "$dir")
        setpriv --reuid=sallyport --regid=sallyport --clear-groups \
            test -x "$dir" || {
            echo "$dir"
            return 0
        }
    done
    return 1
}
choose_owner() {
    local d closed
    if [ "$(id -u)" -ne 0 ]; then
        return
    fi
    if ! id sallyport >/dev/null 2>&1; then
        say "making the system user sallyport"
        useradd --system --user-group --no-create-home --home-dir / \
            --shell /usr/sbin/nologin sallyport || fail "useradd failed"
    fi
    owner=sallyport:sallyport
    if closed=$(closed_parent); then
        say "$closed is closed to the user sallyport: the daemons run with uid 0 and no capability"
        owner=root:root
        for d in "${daemons[@]}"; do
            export "SALLYPORT_${d^^}__USER=" "SALLYPORT_${d^^}__GROUP="
        done
    fi
}

# ---- state -----------------------------------------------------------------

random_hex() { od -An -v -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

# ipc paths end at 107 bytes: a deep state directory gets its sockets elsewhere.
choose_run_dir() {
    local LC_ALL=C # bytes, not characters
    run_dir=$state/run
    if [ ${#run_dir} -gt 80 ]; then
        run_dir=/tmp/sallyport-$(printf '%s' "$state" | sha256sum | cut -c1-16)
    fi
}

write_config() {
    local conf=$state/etc/sallyport.toml d first=9181
    [ -f "$conf" ] && return
    {
        echo '# Written by run.sh at the first start; yours to edit from now on.'
        echo '# Every key: docs/configuration-reference.md'
        printf '\n[log]\nlevel = "info"\n'
        for d in proxy authd acld sessiond apid; do
            printf '\n[%s]\nadmin_listen = "127.0.0.1:%d"\n' "$d" "$first"
            printf 'run_dir = "%s"\nstate_dir = "%s"\n' "$run_dir" "$state/data"
            first=$((first + 1))
            case $d in
            proxy)
                cat <<'T'
listen = "127.0.0.1:1080"
# SOCKS4 has no login: as long as socks_methods is userpass alone, its clients
# are refused (5B).
carriers = ["socks5", "socks4", "http"]
commands = ["connect", "bind", "udp"]
# A demo on one machine: leaves quickly, and knows no limit.
timeouts.drain = "2s"
limits.pre_login_per_source = 0
limits.new_per_minute_source = 0
limits.new_per_minute_user = 0
bind.max_per_user = 0
dns.in_flight_per_user = 0
T
                ;;
            authd)
                printf 'users_file = "%s"\n' "$state/etc/users.toml"
                cat <<'T'
# A demo again: wrong passwords are neither counted nor slowed.
guessing.per_user = 0
guessing.per_source = 0
guessing.delay_base = 0
T
                ;;
            acld) printf 'policy_file = "%s"\n' "$state/etc/acl.toml" ;;
            apid) printf 'listen = "127.0.0.1:8080"\ntokens_file = "%s"\n' \
                "$state/etc/tokens.toml" ;;
            esac
        done
    } >"$conf.new" && mv "$conf.new" "$conf"
}

write_policy() {
    local policy=$state/etc/acl.toml
    [ -f "$policy" ] && return
    cat >"$policy.new" <<'T'
# Written by run.sh at the first start; yours to edit. Changes take effect
# within a second; a file with an error changes nothing and is reported.
[global]
default_policy = "block"

[[rules]]
id = "no-mail"
action = "block"
description = "Nobody sends mail from here"
destinations = ["*"]
ports = ["25"]

[[users]]
username = "demo"

  [[users.rules]]
  id = "demo-loopback"
  action = "allow"
  description = "This machine, so that it can be tried without a network"
  destinations = ["127.0.0.0/8", "::1/128"]
  allow_internal = true

  [[users.rules]]
  id = "demo-world"
  action = "allow"
  description = "Public addresses; internal ones stay closed"
  destinations = ["*"]
T
    mv "$policy.new" "$policy"
}

# demo.env is written last: where it is, users and tokens are complete.
write_demo() {
    local password token
    [ -f "$state/demo.env" ] && [ -f "$state/etc/users.toml" ] &&
        [ -f "$state/etc/tokens.toml" ] && return
    password=$(random_hex 12)
    token=spt_$(random_hex 32)
    rm -f "$state/etc/users.toml" "$state/etc/tokens.toml"
    printf '%s' "$password" | "$ctl" users add demo --password-stdin \
        --file "$state/etc/users.toml" >/dev/null || fail "cannot add the user demo"
    {
        echo '# SHA-256 of API tokens; apid reloads it on change.'
        printf '[[tokens]]\nname = "demo"\nsha256 = "%s"\nscopes = ["read", "operate", "policy", "admin"]\n' \
            "$(printf '%s' "$token" | sha256sum | cut -d' ' -f1)"
    } >"$state/etc/tokens.toml"
    {
        echo 'SALLYPORT_USER=demo'
        echo "SALLYPORT_PASSWORD=$password"
        echo "SALLYPORT_TOKEN=$token"
    } >"$state/demo.env.new"
    chmod 0600 "$state/demo.env.new" "$state/etc/users.toml" "$state/etc/tokens.toml"
    mv "$state/demo.env.new" "$state/demo.env"
}

prepare_state() {
    umask 077
    choose_run_dir
    mkdir -p "$state/data" "$run_dir" || fail "cannot make $state/data"
    case $(stat -c %u "$run_dir") in
    "$(id -u)" | "$(id -u sallyport 2>/dev/null)") ;;
    *) fail "$run_dir belongs to somebody else" ;;
    esac
    write_config
    write_policy
    write_demo
    [ -z "$owner" ] && return
    chmod 0711 "$state"
    chown -R "$owner" "$state/etc" "$state/data" "$run_dir" ||
        fail "cannot give $state to $owner"
}

# ---- the daemons -----------------------------------------------------------

declare -A pid_of=() restarts=() last_restart=()
stopping=

# The environment wins over the file, and only where it was asked for.
override_ports() {
    local d port=$admin_port
    [ -n "${SALLYPORT_SOCKS_PORT:-}" ] &&
        export SALLYPORT_PROXY__LISTEN=127.0.0.1:$socks_port
    [ -n "${SALLYPORT_API_PORT:-}" ] &&
        export SALLYPORT_APID__LISTEN=127.0.0.1:$api_port
    [ -n "${SALLYPORT_ADMIN_PORT:-}" ] || return 0
    for d in proxy authd acld sessiond apid; do
        export "SALLYPORT_${d^^}__ADMIN_LISTEN=127.0.0.1:$port"
        port=$((port + 1))
    done
}

# Each in a session of its own, with the same pid: the kernel's autogroups share
# the cores among sessions, and sessiond makes its own stand back. Besides,
# Ctrl-C in a terminal reaches run.sh alone, which ends them in its order.
launch() { # daemon [seconds to wait first]
    local d=$1
    (
        trap - TERM INT HUP
        [ -n "${2:-}" ] && nap "$2"
        case $d in
        sessiond | apid)
            [ -n "$database" ] && export "SALLYPORT_SESSIOND__DATABASE=$database"
            ;;
        esac
        exec setsid "$build/services/$d/sallyport-$d" --config "$state/etc/sallyport.toml"
    ) &
    pid_of[$d]=$!
}

# At once, then after 0.2 s doubling to 5 s; a quiet time of 10 s forgives.
relaunch() {
    local d=$1 now=$SECONDS n delay=
    n=${restarts[$d]:-0}
    [ $((now - ${last_restart[$d]:-0})) -ge 10 ] && n=0
    if [ "$n" -gt 0 ]; then
        delay=$(awk -v n="$n" 'BEGIN { d = 0.1 * 2 ^ n; print (d > 5 ? 5 : d) }')
    fi
    restarts[$d]=$((n + 1))
    last_restart[$d]=$now
    say "sallyport-$d ended ($2); starting it again${delay:+ in $delay s}"
    launch "$d" "$delay"
}

# Ended, reaped or not: inside a trap bash reaps nothing.
gone() {
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
    stat=${stat##*) }
    [ "${stat:0:1}" = Z ]
}

# Waits until the process is gone, at most so many tenths of a second.
wait_gone() {
    local i
    for ((i = 0; i < $2; i++)); do
        gone "$1" && return 0
        nap 0.1
    done
    gone "$1"
}

# The proxy first, so that its last records still find sessiond. Then all there
# are: a signal may have come before launch() noted whom it launched.
stop_all() {
    local pid code=${1:-0}
    trap '' TERM INT HUP
    stopping=1
    if [ -n "${pid_of[proxy]:-}" ]; then
        kill -TERM "${pid_of[proxy]}" 2>/dev/null
        wait_gone "${pid_of[proxy]}" 22
    fi
    for pid in $(jobs -p); do
        kill -TERM "$pid" 2>/dev/null
    done
    for pid in $(jobs -p); do
        wait_gone "$pid" 5 || kill -KILL "$pid" 2>/dev/null
    done
    wait 2>/dev/null
    exit "$code"
}

reload_all() {
    local d
    for d in "${daemons[@]}"; do
        kill -HUP "${pid_of[$d]}" 2>/dev/null
    done
}

# The first that is not, in `waiting_for`.
all_ready() {
    for waiting_for in "${daemons[@]}"; do
        "$build/services/$waiting_for/sallyport-$waiting_for" \
            --config "$state/etc/sallyport.toml" \
            --health >/dev/null 2>&1 || return 1
    done
}

# Before it is ready, a daemon that ends is a mistake that a restart will not
# mend: its own line on stderr says which.
stop_if_one_ended() {
    local d code
    for d in "${daemons[@]}"; do
        gone "${pid_of[$d]}" || continue
        wait "${pid_of[$d]}"
        code=$?
        say "sallyport-$d did not start (exit $code); its message is above"
        stop_all "$code"
    done
}

wait_ready() {
    local tries=0 waiting_for
    # Another suite on these ports would answer for a daemon that ended.
    while :; do
        nap 0.05
        stop_if_one_ended
        if all_ready; then
            stop_if_one_ended
            return
        fi
        tries=$((tries + 1))
        [ $((tries % 100)) -eq 0 ] && say "still waiting for sallyport-$waiting_for; what it waits for is above"
    done
}

# A nap that a signal ends and that starts no process: reads from a pipe into
# which nobody writes. (`wait -n` misses one of two that end together.)
exec {nothing}<> <(:)
nap() { read -r -t "$1" -u "$nothing" _; }

# Outside of a trap bash has reaped what ended, so that the cheap question does:
# it is asked fifty times a second.
supervise() {
    local d pid
    while [ -z "$stopping" ]; do
        nap 0.1
        for d in "${daemons[@]}"; do
            pid=${pid_of[$d]}
            if ! kill -0 "$pid" 2>/dev/null && [ -z "$stopping" ]; then
                wait "$pid" 2>/dev/null
                relaunch "$d" "exit $?"
            fi
        done
    done
}

choose_owner
prepare_state
override_ports
trap 'stop_all 0' TERM INT
trap reload_all HUP
for d in "${daemons[@]}"; do
    launch "$d"
done
wait_ready

# As a shell reads them, should the paths hold spaces.
env_file=$(printf '%q' "$state/demo.env")
ctl_line=$(printf '%q --config %q' "$ctl" "$state/etc/sallyport.toml")
cat <<T
ready
  curl -x socks5h://\$SALLYPORT_USER:\$SALLYPORT_PASSWORD@127.0.0.1:$socks_port http://example.com/     # after: . $env_file
  curl -H "Authorization: Bearer \$SALLYPORT_TOKEN" http://127.0.0.1:$api_port/api/sessions/history
  $ctl_line sessions list
T
supervise
