#!/usr/bin/env bash
# Install what is missing of the system packages named on the command line, saying so. Debian and Ubuntu;
# elsewhere it names them and goes on, for they may be there under other names.
set -euo pipefail

command -v dpkg-query >/dev/null || { echo "Not Debian or Ubuntu: please see to it that these are here: $*" >&2; exit 0; }

missing=()
for package; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
command -v "${as_root[@]:-true}" >/dev/null || { echo "Please install, as root: apt-get install ${missing[*]}" >&2; exit 1; }

echo "Installing system packages: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
install=("${as_root[@]}" apt-get install -y -q --no-install-recommends --no-remove "${missing[@]}")
"${install[@]}" >/dev/null 2>&1 || { "${as_root[@]}" apt-get update -q >/dev/null && "${install[@]}" >/dev/null; }
