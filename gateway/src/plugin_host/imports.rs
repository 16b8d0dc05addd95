//! What a guest may call: the gateway's side of every interface that a plugin can import.
//!
//! A function that can fail for a reason of the guest's returns that as a value. An error of the function itself is a [`Fault`]: it ends
//! the call.
//!
//! [`Fault`]: super::state::Fault

mod artifacts;
mod catalog;
mod http;
mod request;
mod small;

use wasmtime::{
    Engine,
    component::{HasSelf, Linker},
};

use super::{
    bindings::portolan::plugin::{self as interfaces, types},
    state::State,
};

/// What most imports return: an answer, or an error value for the guest.
type Answered<T> = wasmtime::Result<Result<T, types::Error>>;

/// Links everything but WASI.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    let state: fn(&mut State) -> &mut State = |state| state;
    types::add_to_linker::<_, HasSelf<State>>(&mut linker, state)?;
    interfaces::artifacts::add_to_linker::<_, HasSelf<State>>(&mut linker, state)?;
    interfaces::catalog::add_to_linker::<_, HasSelf<State>>(&mut linker, state)?;
    interfaces::contexts::add_to_linker::<_, HasSelf<State>>(&mut linker, state)?;
    interfaces::http::add_to_linker::<_, HasSelf<State>>(&mut linker, state)?;
    interfaces::log::add_to_linker::<_, HasSelf<State>>(&mut linker, state)?;
    interfaces::pushes::add_to_linker::<_, HasSelf<State>>(&mut linker, state)?;
    Ok(linker)
}

/// Words an error value for the guest.
fn error(code: &str, message: impl Into<String>) -> types::Error {
    types::Error {
        code: code.into(),
        message: message.into(),
        properties: String::new(),
    }
}

/// Shows at most the beginning of what a guest passed.
fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(80).collect::<String>())
}
