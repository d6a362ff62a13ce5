#!/bin/sh
# Installs the programs that the tests need and this machine lacks.
#
# Debian and Ubuntu only, as root or with sudo. Anywhere else it prints what is
# missing and fails. A machine that has everything is left alone: nothing is
# updated, and no right is asked for.
set -eu

# A program, and the packages that bring it, per line. A program is found in
# PATH or in the folders where Debian keeps PostgreSQL's servers. The C compiler
# links the race detector into the tests.
needed='
gcc gcc libc6-dev
initdb postgresql
chromium chromium
'

found() {
	command -v "$1" >/dev/null 2>&1 && return 0
	for candidate in /usr/lib/postgresql/*/bin/"$1"; do
		[ -x "$candidate" ] && return 0
	done
	return 1
}

missing=
while read -r program packages; do
	if [ -n "$program" ] && ! found "$program"; then
		missing="$missing $packages"
	fi
done <<EOF
$needed
EOF

[ -n "$missing" ] || exit 0
missing=${missing# }

if ! command -v apt-get >/dev/null 2>&1; then
	echo "The tests need these Debian packages or their like: $missing" >&2
	exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
	sudo=
elif command -v sudo >/dev/null 2>&1 && sudo -v; then
	sudo=sudo
else
	echo "The tests need packages that only root may install:" >&2
	echo "  apt-get install $missing" >&2
	exit 1
fi

echo "Installing what the tests need: $missing"
export DEBIAN_FRONTEND=noninteractive
# $sudo is empty or one word, and $missing is a list of words.
# shellcheck disable=SC2086
{
	$sudo apt-get update -qq
	$sudo apt-get install -y -qq --no-install-recommends $missing
}
