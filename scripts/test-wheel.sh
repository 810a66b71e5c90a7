#!/usr/bin/env bash
# Build the archives, install the wheel where no source is, and run it and the unit tests against it.
# PYTHON names the interpreter; the environment is .venv-wheel, the archives are in dist/.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

rm -rf dist .venv-wheel
"$python" -m venv .venv-wheel
.venv-wheel/bin/pip install -q -U 'pip>=25.1'
.venv-wheel/bin/pip install -q --group test --group export -c constraints.txt
.venv-wheel/bin/python -m build
.venv-wheel/bin/pip install -q -c constraints.txt "$(echo dist/listener-*.whl)[mqtt,webhook,prometheus,web]"

# The tests, and what they use of the checkout, but no listener/: only the wheel can be imported.
git ls-files tests scripts config.toml pyproject.toml systemd | tar -cT - | tar -xC "$work"
cd "$work"
"$root/.venv-wheel/bin/python" -c 'import listener, sys; sys.exit(not listener.__file__.startswith(sys.prefix))'
"$root/.venv-wheel/bin/listener" classify "$("$root/.venv-wheel/bin/python" -c \
    'import listener; print(listener.__path__[0] + "/assets/demo.ogg")')" | grep -q smoke_alarm
"$root/.venv-wheel/bin/python" -m pytest -m unit tests/pipeline tests/routing tests/storage tests/test_messages.py tests/test_api.py
