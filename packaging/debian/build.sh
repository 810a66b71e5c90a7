#!/usr/bin/env bash
# A Debian package of this checkout, for this machine's release and processor: packaging/debian/build.sh [FOLDER]
#
# The daemon comes with its libraries, at the versions of constraints.txt, in an environment of its own below
# /usr/lib/listener. It stands on the system's Python, so that the package is for the releases that have the same one.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
out=$(realpath "${1:-$root/dist}")
python=/usr/bin/python3
home=/usr/lib/listener
maintainer="${DEBFULLNAME:-$(id -un)} <${DEBEMAIL:-$(id -un)@$(hostname --fqdn)}>" # whoever builds it
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
chmod 755 "$stage"

main() {
    install_environment
    install_shared
    install_service
    write_control
    mkdir -p "$out"
    dpkg-deb --root-owner-group --build "$stage" "$out"
}

installed() { "$python" -c "import sys; print('%d.%d' % (sys.version_info[0], sys.version_info[1] + $1))"; }

install_environment() {
    "$python" -m venv "$stage$home"
    "$stage$home/bin/pip" install --quiet --no-compile --only-binary=:all: --no-binary=listener \
        --constraint "$root/constraints.txt" "${root}[mqtt,webhook,prometheus,web]"
    version=$("$stage$home/bin/listener" --version | cut -d' ' -f2)
    "$stage$home/bin/pip" --quiet uninstall --yes pip setuptools 2>/dev/null
    find "$stage$home" \( -name __pycache__ -o -name 'direct_url.json' \) -prune -exec rm -r {} +
    find "$stage$home/bin" -type f ! -name listener -delete
    rm -r "$stage$home/include"
    sed -i "1s|.*|#!$home/bin/python3|" "$stage$home/bin/listener"
    sed -i "s|$stage||" "$stage$home/pyvenv.cfg"
    mkdir -p "$stage/usr/bin"
    ln -s "../lib/listener/bin/listener" "$stage/usr/bin/listener"
}

install_shared() {
    cp -r "$stage$home/share" "$stage/usr/"
    rm -r "$stage$home/share"
    mkdir -p "$stage/usr/share/zsh/vendor-completions" "$stage/usr/share/doc/listener"
    mv "$stage/usr/share/zsh/site-functions/_listener" "$stage/usr/share/zsh/vendor-completions/"
    rmdir "$stage/usr/share/zsh/site-functions"
    gzip -9n "$stage/usr/share/man/man1/listener.1"
    install -D --mode 644 "$root/packaging/debian/copyright" "$stage/usr/share/doc/listener/copyright"
    install -D --mode 644 "$root/packaging/debian/overrides" "$stage/usr/share/lintian/overrides/listener"
    printf 'listener (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md of the source.\n\n -- %s  %s\n' \
        "$version" "$maintainer" "$(date -R)" | gzip -9n >"$stage/usr/share/doc/listener/changelog.gz"
    install -D --mode 644 "$root/config.toml" "$stage/etc/listener/config.toml"
}

install_service() {
    local unit
    install -D --mode 644 "$root/systemd/listener.service" "$stage/usr/lib/systemd/system/listener.service"
    install -D --mode 644 "$root/systemd/user/listener.service" "$stage/usr/lib/systemd/user/listener.service"
    for unit in "$stage"/usr/lib/systemd/*/listener.service; do
        sed -i 's|^ExecStart=.* run|ExecStart=/usr/bin/listener run|' "$unit"
    done
}

write_control() {
    mkdir "$stage/DEBIAN"
    install --mode 755 "$root"/packaging/debian/{postinst,prerm,postrm} "$stage/DEBIAN/"
    echo /etc/listener/config.toml >"$stage/DEBIAN/conffiles"
    cat >"$stage/DEBIAN/control" <<EOF
Package: listener
Version: $version
Architecture: $(dpkg --print-architecture)
Maintainer: $maintainer
Installed-Size: $(du -sk "$stage" | cut -f1)
Depends: python3 (>= $(installed 0)), python3 (<< $(installed 1)), libportaudio2, passwd, libc6 (>= 2.28), libstdc++6
Section: sound
Priority: optional
Description: real-time sound events from a microphone
 Names the sounds that a microphone hears: dog bark, smoke alarm, baby cry,
 siren and more. Runs as a background service and hands each sound to scripts,
 MQTT, webhooks or a history. Nothing leaves the machine but what it is told
 to send. It is no safety device.
EOF
}

main
