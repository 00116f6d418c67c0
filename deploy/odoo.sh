#!/usr/bin/env bash
# A real Odoo 19 with PostgreSQL from Debian packages, in a folder of its own, for tests that must not trust a
# stand-in. With Docker, deploy/compose.yaml is the shorter way.
#
#   odoo.sh up        install once (some minutes, 3 GB), start, and print how to reach it
#   odoo.sh fresh DB  a new database DB with demo data, copied from a prepared one in a second
#   odoo.sh sql DB Q  run a query in DB without going through Odoo
#   odoo.sh kill      kill -9 the Odoo server; its database server stays
#   odoo.sh hold      stop the Odoo server's time; what is asked of it waits
#   odoo.sh resume    let it go on
#   odoo.sh start     start again after kill or down
#   odoo.sh down      stop both
#
# ODOO_ROOT (/var/cache/waybill-odoo-19) is the folder; ODOO_PORT (18069) and ODOO_PG_PORT (15432) the ports;
# ODOO_WORKERS 0 is one threaded process, 2 or more are prefork. Needs root. Login admin, password admin.
set -euo pipefail

root=${ODOO_ROOT:-/var/cache/waybill-odoo-19}
port=${ODOO_PORT:-18069}
pgport=${ODOO_PG_PORT:-15432}
prepared=template
modules=sale_management,stock,account,sale_stock,stock_delivery,project,base_automation,l10n_us
pidfile=$root/odoo.pid
logs=$root-logs

note() { printf 'odoo.sh: %s\n' "$*" >&2; }
die() { note "$*"; exit 1; }
as_root() { chroot "$root" "$@"; }
as_odoo() { chroot --userspec=odoo:odoo "$root" env HOME=/var/lib/odoo LANG=C.UTF-8 PGPORT="$pgport" "$@"; }

mount_system() {
  mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
  mountpoint -q "$root/dev" || mount --bind /dev "$root/dev"
}

# The mirror is the one this machine uses itself.
mirror() {
  { cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | awk '$1=="deb"{for(i=2;i<=NF;i++) if ($i ~ /^https?:/) {print $i; exit}}'
    awk '$1=="URIs:"{print $2; exit}' /etc/apt/sources.list.d/*.sources 2>/dev/null; } | head -n1
}

install_once() {
  [[ -f $root/.built ]] && return
  [[ $(id -u) == 0 ]] || die "needs root"
  mkdir -p "$logs"
  if ! command -v debootstrap >/dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq debootstrap >/dev/null
  fi
  local from; from=$(mirror); [[ -n $from ]] || die "no Debian mirror in this machine's apt sources"
  note "installing into $root (once)"
  [[ -x $root/usr/bin/apt-get ]] || debootstrap --variant=minbase trixie "$root" "$from" >"$logs/debootstrap.log" 2>&1
  cp /etc/apt/apt.conf.d/* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
  mount_system
  # Odoo 19 is in unstable; everything else stays with the release whose Python it runs on.
  echo "deb $from sid main" >"$root/etc/apt/sources.list.d/sid.list"
  printf 'Package: *\nPin: release a=unstable\nPin-Priority: 100\n' >"$root/etc/apt/preferences.d/sid"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends odoo-19 postgresql tzdata-legacy >"$logs/install.log" 2>&1
  as_root bash -c "sed -i 's/^port = .*/port = $pgport/' /etc/postgresql/*/main/postgresql.conf"
  start_postgres
  as_root su postgres -c "psql -p $pgport -qc 'create role odoo superuser login'" || true
  note "preparing the database with demo data"
  as_odoo odoo -c /etc/odoo/odoo.conf --db_port="$pgport" -d "$prepared" -i "$modules" --with-demo --stop-after-init --max-cron-threads=0 >"$logs/prepare.log" 2>&1
  touch "$root/.built"
}

start_postgres() {
  mount_system
  as_root bash -c 'pg_lsclusters -h | while read -r v c _ state _; do [ "$state" = online ] || pg_ctlcluster --skip-systemctl-redirect "$v" "$c" start; done'
  for _ in $(seq 60); do as_root su postgres -c "pg_isready -q -p $pgport" && return; sleep 0.5; done
  die "PostgreSQL did not start"
}

alive() { [[ -f $pidfile ]] && kill -0 "$(cat "$pidfile")" 2>/dev/null; }

start() {
  mkdir -p "$logs"
  start_postgres
  if ! alive; then
    ( cd / && exec setsid chroot --userspec=odoo:odoo "$root" env HOME=/var/lib/odoo LANG=C.UTF-8 \
        odoo -c /etc/odoo/odoo.conf --db_port="$pgport" --http-interface=127.0.0.1 --http-port="$port" --max-cron-threads=0 \
        --workers="${ODOO_WORKERS:-0}" --log-handler=odoo.addons.rpc.controllers.xmlrpc:ERROR ) >"$logs/odoo.log" 2>&1 </dev/null &
    echo $! >"$pidfile"
  fi
  for _ in $(seq 120); do curl -fsS -o /dev/null "http://127.0.0.1:$port/web/health" 2>/dev/null && return; sleep 0.5; done
  die "Odoo did not answer; see $logs/odoo.log"
}

# The server and its workers are one group.
signal() {
  local pid; pid=$(cat "$pidfile")
  kill "-$1" -- "-$(ps -o pgid= -p "$pid" | tr -d ' ')" 2>/dev/null || kill "-$1" "$pid"
}

stop() {
  alive || return 0
  signal "$1"
  for _ in $(seq 40); do alive || break; sleep 0.25; done
  rm -f "$pidfile"
}

fresh() {
  local db=$1
  as_odoo psql -qAt -d postgres -c "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname in ('$prepared', '$db') and pid <> pg_backend_pid()" >/dev/null
  as_odoo dropdb --if-exists --force "$db" 2>/dev/null
  as_odoo createdb -T "$prepared" "$db"
  # Odoo keeps attachments in files beside the database.
  as_odoo bash -c "cd \$HOME/.local/share/Odoo/filestore 2>/dev/null || exit 0; rm -rf '$db'; [ -d '$prepared' ] && cp -r '$prepared' '$db' || true"
}

case ${1:-} in
up) install_once; start; echo "ODOO_URL=http://127.0.0.1:$port ODOO_LOGIN=admin ODOO_PASSWORD=admin" ;;
fresh) fresh "${2:?database}" ;;
sql) as_odoo psql -X -At -F $'\t' -d "${2:?database}" -c "${3:?query}" ;;
hold) signal STOP ;;
resume) signal CONT ;;
start) start ;;
kill) stop KILL ;;
down) stop TERM; as_root bash -c 'pg_lsclusters -h | while read -r v c _; do pg_ctlcluster --skip-systemctl-redirect "$v" "$c" stop -m fast; done' || true ;;
*) sed -n '2,17p' "$0"; exit 2 ;;
esac
