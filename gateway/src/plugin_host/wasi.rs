//! A stub of WASI 0.2 for guests whose language needs it to start.
//!
//! Every function answers the plainest value of its type. The clock starts above zero and moves only when it is read or waited for, random
//! numbers come from a fixed seed, there are no files, arguments, variables or networks, and what is printed goes to the log. So a guest
//! stays a function of what it is given. A plugin that imports nothing of WASI is linked with nothing of this.

use wasmtime::{
    Engine, StoreContextMut,
    component::{
        Component, Linker, Resource, ResourceType, Val,
        types::{ComponentItem, Type},
    },
};

use super::state::{Fault, State};

/// How far the clock moves when it is read, in nanoseconds.
const TICK_NANOSECONDS: u64 = 1_000;
/// The most random bytes of one call.
const RANDOM_BYTES_MAX: u64 = 64 << 10;
/// How many bytes an output stream says that it takes.
const WRITE_BYTES: u64 = 1 << 20;
/// Packages of which every fallible function fails: what they reach does not exist.
const UNREACHABLE: [&str; 3] = ["wasi:filesystem/", "wasi:sockets/", "wasi:http/"];

/// What the stub remembers during one call.
pub(super) struct Wasi {
    nanoseconds: u64,
    seed: u64,
}

impl Default for Wasi {
    fn default() -> Self {
        // At zero, the runtime of Go traps while it starts.
        Self {
            nanoseconds: 1_000_000_000,
            seed: 0x9E37_79B9_7F4A_7C15,
        }
    }
}

impl Wasi {
    fn now(&mut self) -> u64 {
        self.nanoseconds = self.nanoseconds.saturating_add(TICK_NANOSECONDS);
        self.nanoseconds
    }

    /// Moves the clock to where a guest waits for.
    fn wait(&mut self, function: &str, argument: Option<&Val>) {
        match (function, argument) {
            ("subscribe-duration", Some(Val::U64(duration))) => self.nanoseconds = self.nanoseconds.saturating_add(*duration),
            ("subscribe-instant", Some(Val::U64(instant))) => self.nanoseconds = self.nanoseconds.max(*instant),
            _ => {}
        }
    }

    /// Returns the next number of a xorshift generator.
    fn random(&mut self) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed
    }
}

/// What every resource of WASI is to this stub.
struct Stub;

/// One function of WASI.
struct Function {
    name: String,
    /// Whether what it reaches does not exist.
    unreachable: bool,
}

/// Links everything of WASI that a component imports.
pub(super) fn link(linker: &mut Linker<State>, engine: &Engine, component: &Component) -> wasmtime::Result<()> {
    for (name, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(interface) = import.ty else {
            continue;
        };
        if !name.starts_with("wasi:") {
            continue;
        }
        let unreachable = UNREACHABLE.iter().any(|package| name.starts_with(package));
        let mut linked = linker.instance(name)?;
        for (item, export) in interface.exports(engine) {
            match export.ty {
                ComponentItem::Resource(_) => linked.resource(item, ResourceType::host::<Stub>(), |_, _| Ok(()))?,
                ComponentItem::ComponentFunc(_) => {
                    let function = Function {
                        name: item.to_owned(),
                        unreachable,
                    };
                    linked.func_new(item, move |store, signature, arguments, results| {
                        call(store, &function, signature.results(), arguments, results)
                    })?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn call(
    mut store: StoreContextMut<'_, State>,
    function: &Function,
    types: impl Iterator<Item = Type>,
    arguments: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    store.data().clock.check()?;
    if matches!(function.name.as_str(), "exit" | "exit-with-code") {
        return Err(Fault::Exit.into());
    }
    store.data_mut().wasi.wait(&function.name, arguments.first());
    if is_write(&function.name)
        && let Some(Val::List(bytes)) = arguments.get(1)
    {
        let bytes: Vec<u8> = bytes
            .iter()
            .filter_map(|byte| if let Val::U8(byte) = byte { Some(*byte) } else { None })
            .collect();
        store.data_mut().log.print(&bytes);
    }
    for (result, kind) in results.iter_mut().zip(types) {
        *result = function.answer(&mut store, "", &kind, arguments)?;
    }
    // Functions with dynamic types have to drop the handles that were passed to them.
    arguments.iter().try_for_each(|argument| release(&mut store, argument))
}

fn is_write(function: &str) -> bool {
    function.ends_with("output-stream.write") || function.ends_with("output-stream.blocking-write-and-flush")
}

fn release(store: &mut StoreContextMut<'_, State>, argument: &Val) -> wasmtime::Result<()> {
    match argument {
        Val::Resource(resource) => resource.resource_drop(store),
        Val::List(list) => list.iter().try_for_each(|item| release(store, item)),
        Val::Option(Some(inner)) => release(store, inner),
        _ => Ok(()),
    }
}

impl Function {
    /// Returns the plainest value of a type; `field` is the name of the field that it is for.
    fn answer(
        &self,
        store: &mut StoreContextMut<'_, State>,
        field: &str,
        kind: &Type,
        arguments: &[Val],
    ) -> wasmtime::Result<Val> {
        Ok(match kind {
            Type::Bool => Val::Bool(self.name.ends_with("pollable.ready")),
            Type::U8 => Val::U8(0),
            Type::S8 => Val::S8(0),
            Type::U16 => Val::U16(0),
            Type::S16 => Val::S16(0),
            Type::U32 => Val::U32(0),
            Type::S32 => Val::S32(0),
            Type::S64 => Val::S64(0),
            Type::Float32 => Val::Float32(0.0),
            Type::Float64 => Val::Float64(0.0),
            Type::Char => Val::Char(' '),
            Type::U64 => Val::U64(self.number(&mut store.data_mut().wasi, field)),
            Type::String => Val::String(String::new()),
            Type::List(_) => Val::List(self.list(&mut store.data_mut().wasi, arguments)?),
            Type::Option(_) => Val::Option(None),
            Type::Record(record) => {
                let fields: Vec<_> = record.fields().map(|field| (field.name.to_owned(), field.ty)).collect();
                let answer = |(name, kind): (String, Type)| Ok((name.clone(), self.answer(store, &name, &kind, arguments)?));
                Val::Record(fields.into_iter().map(answer).collect::<wasmtime::Result<_>>()?)
            }
            Type::Tuple(tuple) => {
                let answers = tuple.types().map(|kind| self.answer(store, "", &kind, arguments));
                Val::Tuple(answers.collect::<wasmtime::Result<_>>()?)
            }
            Type::Flags(_) => Val::Flags(Vec::new()),
            Type::Enum(cases) => Val::Enum(cases.names().next().unwrap_or_default().to_owned()),
            Type::Variant(variant) => self.variant(store, variant, arguments)?,
            Type::Result(result) => self.result(store, result, arguments)?,
            Type::Own(_) => Val::Resource(Resource::<Stub>::new_own(0).try_into_resource_any(store)?),
            other => {
                return Err(wasmtime::format_err!(
                    "the stub of WASI cannot answer {}: it returns {other:?}",
                    self.name
                ));
            }
        })
    }

    fn number(&self, wasi: &mut Wasi, field: &str) -> u64 {
        match self.name.as_str() {
            "now" if field == "seconds" => wasi.now() / 1_000_000_000,
            "now" => wasi.now(),
            "resolution" => TICK_NANOSECONDS,
            "get-random-u64" | "get-insecure-random-u64" | "insecure-seed" => wasi.random(),
            name if name.ends_with("check-write") => WRITE_BYTES,
            _ => 0,
        }
    }

    fn list(&self, wasi: &mut Wasi, arguments: &[Val]) -> Result<Vec<Val>, Fault> {
        match (self.name.as_str(), arguments.first()) {
            ("get-random-bytes" | "get-insecure-random-bytes", Some(Val::U64(count))) if *count > RANDOM_BYTES_MAX => {
                Err(Fault::Limit(format!(
                    "it asked for {count} random bytes at once; at most {RANDOM_BYTES_MAX} are given"
                )))
            }
            ("get-random-bytes" | "get-insecure-random-bytes", Some(Val::U64(count))) => {
                Ok((0..*count).map(|_| Val::U8(wasi.random().to_le_bytes()[0])).collect())
            }
            // Whatever is waited for is ready: nothing else happens in here.
            ("poll", Some(Val::List(pollables))) => Ok((0..).map(Val::U32).take(pollables.len()).collect()),
            _ => Ok(Vec::new()),
        }
    }

    fn result(
        &self,
        store: &mut StoreContextMut<'_, State>,
        result: &wasmtime::component::types::ResultType,
        arguments: &[Val],
    ) -> wasmtime::Result<Val> {
        // An input stream has ended before it began.
        let fails = self.unreachable || self.name.contains("input-stream.");
        let kind = if fails { result.err() } else { result.ok() };
        let value = kind
            .map(|kind| self.answer(store, "", &kind, arguments))
            .transpose()?
            .map(Box::new);
        Ok(Val::Result(if fails { Err(value) } else { Ok(value) }))
    }

    /// Returns the first case that carries nothing: of a stream's errors, that it is closed.
    fn variant(
        &self,
        store: &mut StoreContextMut<'_, State>,
        variant: &wasmtime::component::types::Variant,
        arguments: &[Val],
    ) -> wasmtime::Result<Val> {
        let mut cases = variant.cases();
        let first = cases.next().map(|case| (case.name.to_owned(), case.ty));
        let plain = variant
            .cases()
            .find(|case| case.ty.is_none())
            .map(|case| (case.name.to_owned(), None));
        let Some((name, kind)) = plain.or(first) else {
            return Ok(Val::Variant(String::new(), None));
        };
        let value = kind.map(|kind| self.answer(store, "", &kind, arguments)).transpose()?;
        Ok(Val::Variant(name, value.map(Box::new)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_moves_when_it_is_read_or_waited_for() {
        let mut wasi = Wasi::default();
        let first = wasi.now();
        assert!(first > 0 && wasi.now() > first);
        wasi.wait("subscribe-duration", Some(&Val::U64(5_000_000_000)));
        assert!(wasi.now() > first + 5_000_000_000);
        wasi.wait("subscribe-instant", Some(&Val::U64(1)));
        assert!(wasi.now() > first);
    }

    #[test]
    fn random_numbers_are_the_same_every_time() {
        let (mut one, mut other) = (Wasi::default(), Wasi::default());
        assert_eq!([one.random(), one.random()], [other.random(), other.random()]);
    }
}
