#!/bin/sh
# Makes recordings.wasm anew from the sources beside it. The module is kept in the repository, so that nobody needs Rust to
# build xrx-stt. Debian 12: apt-get install rustc-web cargo-web rust-web-src libstd-rust-web-dev lld (Rust 1.96.0, LLD 14).
set -eu
cd "$(dirname "$0")"
target=$(mktemp -d)
# No path of this machine in the file: the same sources give the same bytes.
export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld
export RUSTFLAGS="-C link-arg=--max-memory=268435456 -C target-feature=+simd128,+bulk-memory \
  --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo --remap-path-prefix=/usr/src=rust --remap-path-prefix=$PWD=recordings"
/usr/bin/cargo build --locked --release --target wasm32-unknown-unknown -Zbuild-std=std,panic_abort --target-dir "$target"
cp "$target/wasm32-unknown-unknown/release/recordings.wasm" .
rm -r "$target"
