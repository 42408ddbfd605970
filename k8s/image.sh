#!/usr/bin/env bash
# Builds the one static binary on the host and the image around it, then lets a scheduler and two workers from the
# image correct a small job and compares the export with that of the binary alone. `./dev image` runs it.
#
# EMEND_PROFILE      cargo's profile (release); `perf` is the same code without the wait for the linker
# EMEND_BINARY       a static binary built before, instead of building one
# EMEND_IMAGE        the image's name (localhost/emend:VERSION)
# EMEND_PODMAN       podman and its own flags; found out unless given
# EMEND_PODMAN_RUN   flags for every `podman run`; found out unless given
set -euo pipefail
cd "$(dirname "$0")/.."

profile=${EMEND_PROFILE:-release}
target=$(uname -m)-unknown-linux-gnu
records=20000
seed=7

say() { echo "image: $*" >&2; }

compile() {
    RUSTFLAGS="-C target-feature=+crt-static" \
        cargo build --profile "$profile" --target "$target" --package emend --locked
    local folder=$profile
    [ "$profile" = dev ] && folder=debug
    binary=${CARGO_TARGET_DIR:-target}/$target/$folder/emend
}

build() {
    binary=${EMEND_BINARY:-}
    [ -n "$binary" ] || compile
    local needed
    needed=$(readelf --dynamic "$binary" | grep NEEDED || true)
    [ -z "$needed" ] || { say "the binary is not static: $needed"; exit 1; }
    version=$("$binary" --version | cut -d' ' -f2)
    image=${EMEND_IMAGE:-localhost/emend:$version}
}

authorities() {
    local file
    for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
        [ -s "$file" ] && { echo "$file"; return; }
    done
    say "no bundle of authorities here: install ca-certificates"
    exit 1
}

pack() {
    local context revision
    context=$scratch/context
    mkdir "$context"
    cp "$binary" "$context/emend"
    # The symbols stay on the host.
    strip "$context/emend"
    cp "$(authorities)" "$context/ca-certificates.crt"
    revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
    $podman build --quiet --file Containerfile --tag "$image" \
        --build-arg VERSION="$version" --build-arg REVISION="$revision" "$context" >/dev/null
    say "built $image, $(du --human-readable --apparent-size "$context/emend" | cut -f1) of binary"
}

# Some machines have no crun that works, or may not raise limits as far as podman would: take the first way that runs.
ways=("" "--runtime runc" "--runtime runc|--ulimit nofile=1024:1024 --ulimit nproc=1024:1024")

find_way() {
    podman=${EMEND_PODMAN:-podman}
    run_flags=${EMEND_PODMAN_RUN:-}
    [ -z "${EMEND_PODMAN:-}${EMEND_PODMAN_RUN:-}" ] || return 0
    local way
    for way in "${ways[@]}"; do
        podman="podman ${way%%|*}"
        run_flags=""
        [[ $way != *"|"* ]] || run_flags=${way#*|}
        if $podman run --rm $run_flags "$image" --version >/dev/null 2>"$scratch/why"; then
            say "containers run by: $podman run $run_flags"
            return 0
        fi
    done
    say "no container runs; set EMEND_PODMAN and EMEND_PODMAN_RUN. The last try said:"
    cat "$scratch/why" >&2
    exit 1
}

# As the manifests run it: nobody's user, nothing to write to but what is mounted, no capabilities.
container() {
    $podman run $run_flags --network "$network" --read-only --cap-drop all --security-opt no-new-privileges \
        --label "emend.try=$network" "$@"
}

client() {
    container --rm --volume "$scratch/data:/data" --env EMEND_SCHEDULER=http://scheduler:7070 "$image" "$@"
}

clean() {
    local left
    left=$(podman ps --all --quiet --filter "label=emend.try=$network")
    [ -z "$left" ] || podman rm --force --time 0 $left >/dev/null 2>&1 || true
    podman network rm --force "$network" >/dev/null 2>&1 || true
    rm -rf "$scratch"
}

# wait_for WHAT COMMAND...: tries for a minute.
wait_for() {
    local what=$1 tries
    shift
    for tries in $(seq 60); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 1
    done
    say "$what: not within a minute, $tries tries"
    $podman logs "$network-scheduler" >&2 || true
    exit 1
}

try() {
    $podman network create "$network" >/dev/null
    mkdir -m 0777 "$scratch/data" "$scratch/store"
    # The containers find each other by name: the static binary resolves it by the network's own DNS.
    container --detach --name "$network-scheduler" --network-alias scheduler --volume "$scratch/store:/store" \
        "$image" scheduler --store sqlite:///store/emend.db --listen 0.0.0.0:7070 --insecure >/dev/null
    wait_for "the scheduler" client status --json
    local worker
    for worker in 1 2; do
        container --detach --name "$network-worker-$worker" --env EMEND_SCHEDULER=http://scheduler:7070 \
            "$image" worker --slots 1 --json >/dev/null
    done
    client generate --records "$records" --seed "$seed" --out /data >/dev/null
    client import /data/records.csv --job try --as-of 2021-09-20 --unit-size 50 >/dev/null
    client wait try --until reviewing
    client export try --out /data/export.csv >/dev/null
    for worker in 1 2; do
        $podman stop --time 40 "$network-worker-$worker" >/dev/null
    done
    $podman stop --time 45 "$network-scheduler" >/dev/null
    check
}

# Everybody ended well, both workers worked, and the export is the one that the binary makes by itself.
check() {
    local part code units
    for part in scheduler worker-1 worker-2; do
        code=$($podman inspect --format '{{.State.ExitCode}}' "$network-$part")
        [ "$code" = 0 ] || { say "$part ended with $code"; $podman logs "$network-$part" >&2; exit 1; }
    done
    for part in worker-1 worker-2; do
        units=$($podman logs "$network-$part" 2>/dev/null | grep -o '"units": *[0-9]*' | grep -o '[0-9]*$')
        [ "${units:-0}" -gt 0 ] || { say "$part had no unit"; exit 1; }
        say "$part settled $units units and stopped when asked"
    done
    "$binary" demo --records "$records" --seed "$seed" --workers 1 --out "$scratch/alone" --json >/dev/null
    cmp "$scratch/alone/corrected.csv" "$scratch/data/export.csv"
    say "the export of $records records is byte for byte that of the binary alone"
}

scratch=$(mktemp -d)
network=emend-try-$$
trap clean EXIT
build
podman=${EMEND_PODMAN:-podman}
pack
find_way
try
say "done: $image"
