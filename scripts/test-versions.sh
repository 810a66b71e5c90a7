#!/usr/bin/env bash
# Run the unit tests of listener/ with chosen versions of its dependencies: test-versions.sh locked|lowest|newest
# PYTHON names the interpreter. The environment is made in .venv-VERSIONS; torch is not needed.
set -euo pipefail
cd "$(dirname "$0")/.."
versions=${1:?locked, lowest or newest}
python=${PYTHON:-python3}
venv=.venv-$versions

constraints=$(mktemp)
trap 'rm -f "$constraints"' EXIT
case $versions in
    locked) cp constraints.txt "$constraints" ;;
    lowest) "$python" scripts/lowest.py >"$constraints" ;;
    newest) : ;;
    *) echo "$0: unknown versions: $versions" >&2; exit 2 ;;
esac

"$python" -m venv "$venv"
"$venv/bin/pip" install -q -U 'pip>=25.1'
"$venv/bin/pip" install -q --group test --group export -e '.[mqtt,webhook,prometheus,web]' -c "$constraints"
"$venv/bin/python" -m pytest -m unit --ignore tests/models --ignore tests/export --ignore tests/bench --ignore tests/soak
