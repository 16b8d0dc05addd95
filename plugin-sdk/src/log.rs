//! Notes for the operator, written to the log of the gateway with the plugin's name.
//!
//! The gateway cuts a message at 4 000 bytes and counts, but does not write, what goes beyond 100 lines a call. Outside of the
//! gateway, as in tests of a plugin, lines go to the standard error.

/// Writes a line about something that failed.
pub fn error(message: &str) {
    write("error", message);
}

/// Writes a line about something that deserves attention.
pub fn warn(message: &str) {
    write("warn", message);
}

/// Writes a line about something worth knowing.
pub fn info(message: &str) {
    write("info", message);
}

/// Writes a line for whoever looks for a fault.
pub fn debug(message: &str) {
    write("debug", message);
}

#[cfg(target_arch = "wasm32")]
fn write(level: &str, message: &str) {
    crate::bindings::log::log(level, message);
}

#[cfg(not(target_arch = "wasm32"))]
fn write(level: &str, message: &str) {
    eprintln!("{level}: {message}");
}
