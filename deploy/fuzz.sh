#!/usr/bin/env bash
# Runs every fuzzer of the tree, one after another, on one core, and prints how many inputs each has tried.
#
#   fuzz.sh                all, each for FUZZTIME (10m)
#   fuzz.sh list           names them, each with its package
#   fuzz.sh PATTERN        those whose package or name has it, such as odoo or FuzzUPS
#
# An input that fails is kept in the package's testdata/fuzz, from where go test runs it from then on; the others go on,
# and the end is 1.
set -euo pipefail
cd "$(dirname "$0")/.."

list() {
  grep -rHoE --include='*_test.go' --exclude-dir='.?*' --exclude-dir=testdata '^func Fuzz[A-Za-z0-9_]*' workflows activities workers starters config internal |
    sed -E 's#/[^/]*:func # #; s#^#./#' | sort -u
}

# The last figure that the fuzzer gave; one that is ended at once gives none.
tried() {
  local n
  n=$(grep -oE 'execs: [0-9]+' <<<"$1" | tail -n1 | tr -dc 0-9) || true
  echo "${n:-0}"
}

all=$(list)
case ${1:-} in
list) echo "$all"; exit ;;
'') ;;
*) all=$(grep -F -- "$1" <<<"$all") || { echo "fuzz.sh: no fuzzer has $1 in its name: see fuzz.sh list" >&2; exit 2; } ;;
esac

failed=0
while read -r package name; do
  printf '%-60s ' "$package $name"
  if said=$(go test "$package" -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-10m}" -parallel 1 2>&1 </dev/null); then
    printf '%12s executions\n' "$(tried "$said")"
  else
    failed=1
    printf '%12s executions, and then it FAILED:\n%s\n' "$(tried "$said")" "$(tail -n 30 <<<"$said")"
  fi
done <<<"$all"
exit $failed
