#!/usr/bin/env bash
# Does `make test` also pass where it gets little of the machine? Runs it RUNS times beside LOOPS busy loops.
#
#   bash benchmarks/flaky.sh            ten runs beside four loops; more for make: RUNS=3 bash benchmarks/flaky.sh VENV=...
#
# Prints a line a run, then the verdict; fails if any run did. What a failed run said is kept and named.
set -euo pipefail
cd "$(dirname "$0")/.."
RUNS=${RUNS:-10} LOOPS=${LOOPS:-4}

loops=()
trap 'kill "${loops[@]}" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM
for ((i = 0; i < LOOPS; i++)); do
  while :; do :; done &
  loops+=($!)
done

kept=$(mktemp -d)
passed=0
for ((run = 1; run <= RUNS; run++)); do
  began=$SECONDS said=$kept/run-$run.txt
  if make test "$@" >"$said" 2>&1; then
    passed=$((passed + 1)) verdict=passed
  else
    verdict="FAILED, see $said"
  fi
  echo "run $run: $verdict after $((SECONDS - began)) s: $(tail -n 1 "$said")"
done
echo "$passed of $RUNS passed beside $LOOPS busy loops on $(nproc) cores"
((passed == RUNS))
