#!/usr/bin/env bash
# A PostgreSQL of its own for tests, from Debian's packages, beside any other on the machine. What it acknowledges
# is on disk, as in production. With Docker, any postgres image serves as well.
#
#   postgres.sh up    install once, start on a free port, and print the URL of a superuser
#   postgres.sh url   print that URL again
#   postgres.sh sql Q run a query
#   postgres.sh dump DB FILE      write a backup of a database to a file, while it is used
#   postgres.sh restore DB FILE   put a backup in a database's place
#   postgres.sh kill  end it at once, as a loss of power would
#   postgres.sh hold  stop the time of all its processes; what is asked of it waits
#   postgres.sh resume   let it go on
#   postgres.sh down  stop it and delete its data
#
#   export WAYBILL_TEST_POSTGRES=$(deploy/postgres.sh up)
#
# POSTGRES_ROOT (/tmp/waybill-postgres-UID) is the folder; POSTGRES_PORT the port, the first free one from 25432 if
# not given. Only the installation needs root: as root the server runs as user postgres, else as you.
set -euo pipefail
umask 077

root=${POSTGRES_ROOT:-/tmp/waybill-postgres-$(id -u)}
data=$root/data
log=$root/postgres.log

note() { printf 'postgres.sh: %s\n' "$*" >&2; }
die() { note "$*"; exit 1; }

# The newest installed; Debian keeps the server's programs off the PATH.
bin() { find /usr/lib/postgresql/*/bin -name "$1" 2>/dev/null | sort -t/ -k5 -V | tail -n1; }

# PostgreSQL refuses to run as root.
as_owner() {
  if [[ $(id -u) == 0 ]]; then (cd / && exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"); else "$@"; fi
}

install_once() {
  [[ -n $(bin initdb) ]] && return
  [[ $(id -u) == 0 ]] || die "PostgreSQL is not installed: run sudo apt-get install postgresql, then this again"
  note "installing postgresql (once)"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql; } >/dev/null 2>&1 ||
    die "apt-get install postgresql failed: run it to see why"
  [[ -n $(bin initdb) ]] || die "the package postgresql brought no initdb"
}

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
  local p
  for p in ${POSTGRES_PORT:-$(seq 25432 25531)}; do taken "$p" || { echo "$p"; return; }; done
  die "no free port: set POSTGRES_PORT"
}

make_once() {
  [[ -f $data/PG_VERSION ]] && return
  mkdir -p -m 700 "$root"
  [[ -O $root ]] || [[ $(id -u) == 0 ]] || die "$root belongs to someone else: set POSTGRES_ROOT"
  od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$root/password"
  [[ $(id -u) != 0 ]] || chown -R postgres: "$root"
  as_owner "$(bin initdb)" -D "$data" -U waybill -E UTF8 --locale=C.UTF-8 --auth=scram-sha-256 --pwfile="$root/password" >"$root/initdb.log" 2>&1 ||
    die "initdb failed; see $root/initdb.log"
  printf "listen_addresses = '127.0.0.1'\nunix_socket_directories = '%s'\n" "$root" >>"$data/postgresql.conf"
}

alive() { [[ -f $data/postmaster.pid ]] && as_owner "$(bin pg_ctl)" -D "$data" status >/dev/null 2>&1; }

start() {
  if alive; then return; fi
  local port
  port=$(free_port)
  as_owner "$(bin pg_ctl)" -D "$data" -l "$log" -o "-p $port" -w -t 60 start >/dev/null 2>&1 || die "PostgreSQL did not start; see $log"
  printf 'postgres://waybill:%s@127.0.0.1:%s/postgres?sslmode=disable\n' "$(cat "$root/password")" "$port" >"$root/url"
}

stop() { if alive; then as_owner "$(bin pg_ctl)" -D "$data" -m "$1" -w stop >/dev/null 2>&1; fi; }

# All its processes get a signal, the first of them first: a held one starts no other.
signal() {
  local first
  alive || die "it does not run"
  first=$(head -n1 "$data/postmaster.pid")
  kill "-$1" "$first"
  # shellcheck disable=SC2046 # process ids
  kill "-$1" $(ps -o pid= --ppid "$first") 2>/dev/null || true # one may have ended meanwhile
}

url_of() { url | sed "s#/postgres?#/$1?#"; }

restore() {
  "$(bin psql)" -X -q "$(url)" -c "drop database if exists $1 with (force)" -c "create database $1"
  "$(bin pg_restore)" --exit-on-error -d "$(url_of "$1")" "$2"
}

url() { cat "$root/url" 2>/dev/null || die "there is none: run postgres.sh up"; }

case ${1:-} in
up) install_once; make_once; start; url ;;
url) url ;;
sql) "$(bin psql)" -X -At -F $'\t' "$(url)" -c "${2:?query}" ;;
dump) "$(bin pg_dump)" -Fc -f "${3:?file}" "$(url_of "${2:?database}")" ;;
restore) restore "${2:?database}" "${3:?file}" ;;
kill) stop immediate ;;
hold) signal STOP ;;
resume) signal CONT ;;
down) stop fast; rm -rf "$root" ;;
*) sed -n '2,18p' "$0"; exit 2 ;;
esac
