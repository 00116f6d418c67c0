#!/usr/bin/env bash
# Finds a Temporal CLI, or builds the pinned one into .bin/ once (about 4 minutes on two cores), and prints its path.
set -euo pipefail
version=v1.5.1 # Temporal Server 1.29.1 with its UI; nothing here needs a newer one
here=$(cd "$(dirname "$0")/.." && pwd)
if [[ -n ${TEMPORAL_CLI:-} ]]; then echo "$TEMPORAL_CLI"; exit; fi
if command -v temporal >/dev/null; then command -v temporal; exit; fi
if [[ ! -x $here/.bin/temporal ]]; then
  echo "building the Temporal CLI $version into .bin/ (once, some minutes)" >&2
  GOBIN=$here/.bin GOFLAGS= go install "github.com/temporalio/cli/cmd/temporal@$version" >&2
fi
echo "$here/.bin/temporal"
