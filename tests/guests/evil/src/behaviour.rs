//! Attacks by what the guest does.

use std::hint::black_box;

use portolan_plugin_sdk::{Artifact, log};

/// Misbehaves by name. A name that is not known is no attack.
#[expect(clippy::panic, reason = "a panic is one of the attacks")]
pub(crate) fn strike(name: &str, amount: usize, artifact: Option<&Artifact>) {
    match name {
        "loop" => endless(),
        "panic" => panic!("evil says hello"),
        "trap" => std::process::abort(),
        "recursion" => {
            black_box(deeper(1));
        }
        "memory" => all_memory(),
        "log-flood" => (0..amount.min(1_000_000)).for_each(|line| log::info(&format!("line {line} {}", "x".repeat(10_000)))),
        "log-control" => log::warn("red\u{1b}[31m\r\nforged line\0\u{7f}end"),
        "host-calls" => artifact.map_or_else(endless, host_calls),
        "host-bytes" => artifact.map_or_else(endless, host_bytes),
        "handles" => artifact.map_or_else(endless, |artifact| handles(artifact, amount)),
        "forged-handle" => forged_handle(),
        _ => {}
    }
}

fn endless() {
    loop {
        black_box(());
    }
}

#[expect(unconditional_recursion, reason = "that is the attack")]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    frame.iter().sum::<u64>() + deeper(black_box(depth + 1))
}

/// Takes memory until there is none, which ends the guest.
fn all_memory() {
    let mut taken = Vec::new();
    loop {
        taken.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Calls the host for ever, in calls that are quick.
fn host_calls(artifact: &Artifact) {
    loop {
        black_box(artifact.digest());
    }
}

/// Has the host copy bytes for ever.
fn host_bytes(artifact: &Artifact) {
    loop {
        black_box(artifact.manifest_bytes());
        for blob in artifact.config().into_iter().chain(artifact.layers()) {
            if let Ok(blob) = artifact.open(&blob.digest) {
                black_box(blob.read(0, u32::MAX));
            }
        }
    }
}

/// Opens blobs and forgets to close them.
fn handles(artifact: &Artifact, amount: usize) {
    let Some(config) = artifact.config() else { return };
    for _ in 0..amount {
        match artifact.open(&config.digest) {
            Ok(blob) => std::mem::forget(blob),
            Err(error) => return log::info(&format!("opening ended with {}", error.code)),
        }
    }
}

/// Uses a handle that the host never gave.
#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "the bindings give no way to make up a handle")]
fn forged_handle() {
    #[link(wasm_import_module = "portolan:plugin/artifacts@0.1.0")]
    unsafe extern "C" {
        #[link_name = "[method]blob.size"]
        fn size(handle: i32) -> i64;
    }
    // SAFETY: the signature is that of the contract; that the handle is wrong is for the host to find out.
    black_box(unsafe { size(7_654_321) });
}

#[cfg(not(target_arch = "wasm32"))]
fn forged_handle() {}
