# Sourced by scripts that build for machines whose standard library no rustup component brought: it comes from source, with
# the compiler that it belongs to. Functions:
#
#     unpack_compiler [PACKAGE]...   installs these packages too, then sets $compiler
#     with_compiler COMMAND...       runs a command with the unpacked compiler; CARGO_ENCODED_RUSTFLAGS is the caller's
#
# shellcheck shell=bash

# Debian's compiler packages, because they come with exactly matching library sources, which a rustup toolchain may lack.
# The archive offers one version at a time: whatever is the candidate now is taken.
candidate() { apt-cache policy "$1" | sed -n 's/^ *Candidate: *//p' | grep -v '(none)' || true; }

# The name of the first dependency of package $1 that begins with $2.
dependency() { apt-cache depends "$1" | sed -n "s/^ *Depends: *\($2[^ ]*\).*/\1/p" | head -n 1; }

installed() { dpkg-query -W -f '${Status}\n' "$1" 2>/dev/null | grep -q '^install ok installed$'; }

# Brings the packages named, and a list of the archive as it is now where something has to be downloaded: an old one names
# files that are gone.
prepare_packages() {
    local missing=() version
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    version=$(candidate rustc-web)
    if [ ${#missing[@]} -gt 0 ] || [ -z "$version" ] || ! [ -d "$compilers/$version" ]; then
        apt-get -qq update
    fi
    if [ ${#missing[@]} -gt 0 ]; then
        DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null
    fi
}

# Unpacks compiler, library sources and LLVM into a folder named after their version. They are never installed: they would
# replace the system's rustup.
unpack_compiler() {
    local compilers=${XDG_CACHE_HOME:-$HOME/.cache}/honeyguide/compiler version std llvm
    prepare_packages "$@"
    version=$(candidate rustc-web)
    [ -n "$version" ] || { echo "the package archive offers no rustc-web" >&2; return 1; }
    compiler=$compilers/$version
    [ ! -d "$compiler" ] || return 0
    std=$(dependency libstd-rust-web-dev libstd-rust-web-)
    llvm=$(dependency "$std" libllvm)
    if [ -z "$std" ] || [ -z "$llvm" ]; then
        echo "cannot tell which library and which LLVM belong to rustc-web $version" >&2
        return 1
    fi
    echo "unpacking compiler $version"
    mkdir -p "$compilers"
    unpack_packages "rustc-web=$version" "rust-web-src=$version" "libstd-rust-web-dev=$version" "$std=$version" "$llvm"
}

# Unpacks these packages into $compiler, which appears by a rename at the end: one cut short is not taken for whole. It is a
# shell of its own: however that ends (but for a KILL), the folder it worked in goes, and the caller's trap stays.
unpack_packages() (
    work=$(mktemp -d "$compilers/unpacking.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir "$work/packages" "$work/root"
    # The downloading user of apt is not ours.
    chmod 777 "$work" "$work/packages"
    (cd "$work/packages" && apt-get -qq download "$@" 2>&1) || { echo "the compiler could not be downloaded" >&2; exit 1; }
    for package in "$work"/packages/*.deb; do
        dpkg-deb --extract "$package" "$work/root"
    done
    # The packaged link to the sources is meant for the root of a system.
    sources=$(basename "$(echo "$work"/root/usr/src/rustc-*)")
    ln -sfn "../../../src/$sources" "$work/root/usr/lib/rustlib/src/rust"
    # Another run may have been faster: what it left is whole, and as good.
    [ -d "$compiler" ] || mv -T "$work/root" "$compiler" || [ -d "$compiler" ]
)

# The encoded form of the flags outranks a RUSTFLAGS of the surroundings, which would drop the linker.
with_compiler() {
    local libraries
    libraries=$(find "$compiler/usr/lib" \( -name 'librustc_driver-*.so' -o -name 'libLLVM*.so*' \) -printf '%h\n' |
        sort -u | paste -sd :)
    (
        export LD_LIBRARY_PATH=$libraries RUSTC=$compiler/usr/bin/rustc RUSTC_BOOTSTRAP=1
        unset RUSTC_WRAPPER RUSTUP_TOOLCHAIN
        "$@" </dev/null
    )
}
