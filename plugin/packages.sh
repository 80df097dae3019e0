# shellcheck shell=bash
# The Debian packages that building, running and testing need, and how to get them. Sourced by
# plugin/run and tests/run.

# shellcheck disable=SC2034 # used by the scripts that source this file
{
	PACKAGES_BUILD=(cmake gcc libc6-dev libjansson-dev libmicrohttpd-dev libmosquitto-dev
		libsqlite3-dev libssl-dev make mosquitto-dev pkg-config)
	PACKAGES_BROKER=(mosquitto mosquitto-clients procps sqlite3)
	PACKAGES_DEMO=(curl jq sigrok-firmware-fx2lafw)
	PACKAGES_TEST=(bats cppcheck curl faketime jq libcmocka-dev nginx-light ninja-build openssl
		procps python3-paho-mqtt shellcheck wget)
	PACKAGES_RELEASE=(dpkg-dev file git gnupg)
	# a headless browser for tests/integration/page; large, so tests/run installs it with --long alone
	PACKAGES_PAGE=(chromium chromium-driver npm)
	PACKAGES_ANALYSIS=(clang clang-format clang-tidy)
}

missing_packages() { # PACKAGE...: prints those that are not installed
	local package installed
	installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null) || true
	for package; do
		[[ $'\n'$installed$'\n' == *$'\n'"$package installed"$'\n'* ]] || printf '%s\n' "$package"
	done
}

# PACKAGE...: installs what is missing, as root or with sudo. Says what it does, and nothing when
# there is nothing to do. Debian's mosquitto package starts a broker on port 1883 when it is
# installed, and nginx a server on port 80: these are not wanted here, and are kept from starting.
# What was installed before is left alone.
install_packages() {
	local missing as_root=() log policy=/usr/sbin/policy-rc.d
	if ! { command -v dpkg-query && command -v apt-get; } >/dev/null; then
		echo "This is not Debian: see to it that these packages' contents are there: $*" >&2
		return 0
	fi
	mapfile -t missing < <(missing_packages "$@" | sort -u)
	((${#missing[@]})) || return 0
	if ((EUID != 0)); then
		if ! command -v sudo >/dev/null; then
			echo "Missing packages. Run this as root, or once as root: apt-get install ${missing[*]}" >&2
			return 1
		fi
		as_root=(sudo)
	fi
	echo "Installing with apt-get: ${missing[*]}"
	log=$(mktemp)
	if (
		if [[ ! -e $policy && " ${missing[*]} " == *" "@(mosquitto|nginx-light)" "* ]]; then
			echo "(Debian's own services of mosquitto and nginx are not started; should they not start at the next boot either: systemctl disable mosquitto nginx)"
			trap '"${as_root[@]}" rm -f "$policy"' EXIT
			# shellcheck disable=SC2016 # $1 is the policy's
			printf '#!/bin/sh\ncase $1 in mosquitto* | nginx*) exit 101 ;; esac\n' |
				"${as_root[@]}" tee "$policy" >/dev/null
			"${as_root[@]}" chmod 755 "$policy"
		fi
		"${as_root[@]}" apt-get -q update ||
			echo "apt-get update failed; trying with the lists that are there"
		"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 \
			install --no-install-recommends "${missing[@]}"
	) >"$log" 2>&1 </dev/null; then
		grep '^(Debian' "$log" || true
		rm -f "$log"
		return 0
	fi
	cat "$log" >&2
	rm -f "$log"
	echo "apt-get could not install: ${missing[*]}" >&2
	return 1
}
