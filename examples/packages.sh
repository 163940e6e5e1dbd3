#!/bin/sh
# packages.sh NAME...: makes sure that these Debian packages are installed.
# As root it installs what is missing; otherwise it names it and stops.
set -eu
missing=
for name in "$@"; do
	status=$(dpkg-query -W -f '${Status}' "$name" 2>/dev/null || true)
	[ "$status" = "install ok installed" ] || missing="$missing $name"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "missing packages:$missing" >&2
	echo "install them with: sudo apt-get install$missing" >&2
	exit 1
fi
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # one word a package
apt-get install -y -q --no-install-recommends $missing >/dev/null 2>&1 || {
	apt-get update -q >/dev/null
	apt-get install -y -q --no-install-recommends $missing >/dev/null
}
