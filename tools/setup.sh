#!/bin/sh
# Make the environment that `make` works in: find a Python, make .venv, install. Quick when nothing has changed.
#
#   sh tools/setup.sh            what the dashboard needs (requirements.txt)
#   sh tools/setup.sh dev        and what tests and checks need (requirements-dev.txt)
#   sh tools/setup.sh lowest     the same as dev, but all at the lowest versions allowed
#   sh tools/setup.sh python     only say which Python would be used
#
# PYTHON    the Python to use, instead of the newest suitable one
# VENV      the folder to install into, instead of .venv
# NEED_GB   free disk to ask for, instead of what torch's usual build takes here
set -u
cd "$(dirname "$0")/.." || exit 1
kind=${1:-run}
venv=${VENV:-.venv}
unset PYTHONHOME PYTHONPATH

say() { printf '%s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

case $kind in
    run) files=requirements.txt ;;
    dev | lowest) files='requirements.txt requirements-dev.txt' ;;
    python) files= ;;
    *) fail "setup.sh knows run, dev, lowest and python, not '$kind'." ;;
esac

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

suits() {
    case $(version_of "$1") in 3.11 | 3.12 | 3.13) return 0 ;; *) return 1 ;; esac
}

has_venv() { "$1" -c 'import venv, ensurepip' 2>/dev/null; }

# Each candidate is run, because a version manager may leave a python3.12 in the PATH that only prints an error.
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        found=$(version_of "$PYTHON") || fail "PYTHON is '$PYTHON', but that does not run. Give the name or path of a Python 3.11, 3.12 or 3.13."
        suits "$PYTHON" || fail "PYTHON is '$PYTHON', which is Python $found. CNN Lab needs 3.11, 3.12 or 3.13."
        has_venv "$PYTHON" || fail "$(without_venv "$PYTHON")"
        python=$PYTHON
        return
    fi
    seen= incomplete=
    for candidate in python3.13 python3.12 python3.11 python3 python; do
        found=$(version_of "$candidate") || continue
        seen="$seen $candidate is $found,"
        suits "$candidate" || continue
        if has_venv "$candidate"; then
            python=$candidate
            return
        fi
        incomplete=${incomplete:-$candidate}
    done
    [ -z "$incomplete" ] || fail "$(without_venv "$incomplete")"
    [ -n "$seen" ] && seen=" (here$seen which does not suit)"
    fail "CNN Lab needs Python 3.11, 3.12 or 3.13, and none is in the PATH$seen. Install one, for example with" \
        "'sudo apt install python3 python3-venv' on Debian or Ubuntu, or from python.org; or name one: make run PYTHON=/path/to/python3.12"
}

without_venv() {
    echo "$1 is Python $(version_of "$1") without its venv module, which makes the environment. Install it first;" \
        "on Debian or Ubuntu: sudo apt install python$(version_of "$1")-venv"
}

python=
if [ "$kind" = python ]; then
    find_python
    echo "$python"
    exit 0
fi

# What a complete environment was made from; compared with what is asked for now.
wanted() {
    echo "kind: $1"
    # shellcheck disable=SC2086
    cat $files
}
stamp=$venv/installed-$kind
is_current() {
    suits "$venv/bin/python" || return 1
    [ -z "${PYTHON:-}" ] || [ "$(version_of "$PYTHON")" = "$(version_of "$venv/bin/python")" ] || return 1
    [ ! -e "$venv/incomplete" ] && [ "$(wanted "$kind")" = "$(cat "$stamp" 2>/dev/null)" ]
}
is_current && exit 0
find_python

# Only one installation at a time; the lock of one that was killed counts for nothing.
lock=$venv.lock
waited=
until mkdir "$lock" 2>/dev/null; do
    [ -w . ] || fail "This folder ($(pwd)) is read-only, so $venv cannot be made in it. Copy it to where you may write."
    owner=$(cat "$lock/pid" 2>/dev/null)
    if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then
        rm -rf "$lock"
        continue
    fi
    [ -n "$waited" ] || say "Another installation into $venv is running (process ${owner:-unknown}; if there is none, remove $lock). Waiting for it ..."
    waited=yes
    sleep 1
done
echo $$ >"$lock/pid"
trap 'rm -rf "$lock"' EXIT
trap 'say "Interrupted. The same command starts again."; exit 130' INT TERM HUP
is_current && exit 0

# torch's usual build for Linux holds the CUDA libraries; elsewhere it is small. Measured: 3 GB of downloads beside 6.5 GB
# installed, and the downloads once more for pip's cache, which is left out where that would not fit.
need=${NEED_GB:-}
if [ -z "$need" ]; then
    case $(uname -s) in Linux) need=10 ;; *) need=3 ;; esac
    # shellcheck disable=SC2144
    [ -d "$(echo "$venv"/lib/python3*/site-packages/torch)" ] && need=1
fi
free=$(df -Pk . | awk 'NR == 2 {print int($4 / 1048576)}')
[ "${free:-0}" -ge "$need" ] || fail "Installing needs about $need GB of free disk, and $(pwd) has $free GB." \
    "Make room (most of it is torch with its GPU libraries), or set NEED_GB if you know that less will do."
cache=
[ "${free:-0}" -ge $((need + 4)) ] || cache=--no-cache-dir

version=$(version_of "$python")
if [ -e "$venv/incomplete" ]; then
    say "The last installation into $venv was interrupted; starting it afresh."
    rm -rf "$venv"
elif [ -e "$venv" ] && [ "$(version_of "$venv/bin/python")" != "$version" ]; then
    if [ -n "${PYTHON:-}" ] || ! suits "$venv/bin/python"; then
        say "$venv does not hold Python $version; making it anew."
        rm -rf "$venv"
    fi
fi
if [ ! -e "$venv" ]; then
    say "Making $venv with Python $version ($python) ..."
    "$python" -m venv "$venv" || { rm -rf "$venv"; fail "$python could not make $venv; its message is above."; }
fi

rm -f "$venv"/installed-*
touch "$venv/incomplete"
if [ "$kind" = lowest ]; then
    # "name>=1.2,<2" becomes "name==1.2"
    sed -n 's/^\([a-z0-9-]*\)>=\([^,]*\),.*/\1==\2/p' requirements.txt requirements-dev.txt >"$venv/lowest.txt"
    set -- -c "$venv/lowest.txt" -r requirements-dev.txt
elif [ "$kind" = dev ]; then
    set -- -r requirements-dev.txt
else
    set -- -r requirements.txt
fi
bar=off
[ -t 2 ] && bar=on
say "Installing $files into $venv. The first time this downloads about 3 GB and takes some minutes ..."
"$venv/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar "$bar" ${cache:+"$cache"} "$@" >&2
status=$?
rm -f "$venv/incomplete"
[ $status -eq 0 ] || fail "Installing failed (pip's message is above). Check the network and the disk ($(df -Ph . | awk 'NR == 2 {print $4}') free), then give the same command again."

wanted "$kind" >"$venv/installed-$kind.new" && mv "$venv/installed-$kind.new" "$venv/installed-$kind"
# what dev installs holds what run needs
if [ "$kind" = dev ]; then
    (kind=run files=requirements.txt; wanted run >"$venv/installed-run")
fi
say "Installed."
