#!/bin/sh
# Puts xrx-stt on a Linux machine with systemd: sudo sh install.sh [FOLDER OR ADDRESS OF A RELEASE]
# The default is the folder in which this file lies. Nothing is installed whose checksum is not the one in SHA256SUMS beside it;
# that list is as trustworthy as the place it comes from. Run it again to upgrade: settings stay, and the server is restarted by
# draining it, so that every utterance in work is answered. DESTDIR puts everything below another root and starts nothing.
set -eu

from=${1:-$(dirname "$0")}
root=${DESTDIR:-}

say() { printf '%s\n' "$*"; }
die() { printf 'install: %s\n' "$*" >&2; exit 1; }

case "$(uname -s) $(uname -m)" in
  "Linux x86_64") name=xrx-stt-linux-x64 ;;
  "Linux aarch64") name=xrx-stt-linux-arm64 ;;
  *) die "no release for $(uname -s) on $(uname -m)" ;;
esac
if ldd --version 2>&1 | grep -qi musl; then die "this system has musl, and xrx-stt needs glibc 2.28 or newer"; fi
[ -n "$root" ] || [ "$(id -u)" = 0 ] || die "run it as root, as in: sudo sh $0"

work=$(mktemp -d)
draft=
trap 'rm -rf "$work" "$draft"' EXIT
trap 'exit 1' HUP INT TERM

fetch() {
  case $from in
    https://*) curl --fail --silent --show-error --location --proto '=https' --output "$work/$1" "$from/$1" ;;
    http://*) die "$from: only https:// is safe enough to install from" ;;
    *) cp "$from/$1" "$work/$1" ;;
  esac
}

fetch SHA256SUMS
fetch "$name"
(cd "$work" && grep "  $name\$" SHA256SUMS >wanted && sha256sum --check --status --strict wanted) || die "$name: its checksum is not the one in SHA256SUMS; nothing was changed"

# Beside its place and then moved there: a server that runs keeps the file it was started from.
mkdir -p "$root/usr/local/bin" "$root/etc/systemd/system"
draft="$root/usr/local/bin/.xrx-stt.$$"
cp "$work/$name" "$draft"
chmod 0755 "$draft"
"$draft" --version >/dev/null || die "$name: does not run here; nothing was changed"
mv "$draft" "$root/usr/local/bin/xrx-stt"
say "installed xrx-stt $("$root/usr/local/bin/xrx-stt" --version) in $root/usr/local/bin"

if [ ! -e "$root/etc/xrx-stt.env" ]; then
  (umask 077 && printf '# Settings of xrx-stt, one NAME=value a line; see: xrx-stt settings\n' >"$root/etc/xrx-stt.env")
fi
"$root/usr/local/bin/xrx-stt" ops systemd >"$root/etc/systemd/system/xrx-stt.service"
[ -z "$root" ] || exit 0
[ -d /run/systemd/system ] || die "installed, but systemd does not run here: start it yourself"

# The user is made by systemd itself while the service runs (DynamicUser), and owns nothing else.
systemctl daemon-reload
systemctl enable --quiet xrx-stt
systemctl restart xrx-stt
say "started: journalctl -u xrx-stt -f"
