//! The settings under which guests are compiled and run. The child that compiles and the gateway that runs use the same.

use std::hash::{DefaultHasher, Hash, Hasher};

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::Limits;

/// How much of a guest's memory and tables stays in place for the next one. Giving memory back to the kernel and faulting it in again costs more
/// than the guest's own work; wiping up to so much is cheaper.
const KEEP_RESIDENT_BYTES: usize = 4 << 20;
/// The most core instances, memories and tables of one component. Adapted guests have three or four of each.
const PARTS_MAX: u32 = 24;
/// The stack of a guest in bytes; the threads that run guests have more.
pub(super) const GUEST_STACK_BYTES: usize = 512 << 10;

/// Returns what decides how code is compiled.
fn settings() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.max_wasm_stack(GUEST_STACK_BYTES);
    // Nobody is shown addresses inside of guests, and the tables for them are a third of the machine code.
    config.generate_address_map(false);
    config
}

/// Returns an engine that compiles.
pub(super) fn compiling() -> wasmtime::Result<Engine> {
    Engine::new(&settings())
}

/// Returns an engine that runs guests on so many threads, in a pool of memory where the machine allows.
pub(super) fn running(threads: usize, limits: &Limits) -> wasmtime::Result<Engine> {
    let mut config = settings();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(threads, limits)));
    Engine::new(&config).or_else(|error| {
        tracing::warn!(%error, "this machine does not let plugins have a pool of memory; each call allocates its own, which is slower");
        Engine::new(&settings())
    })
}

fn pool(threads: usize, limits: &Limits) -> PoolingAllocationConfig {
    let stores = u32::try_from(threads).unwrap_or(u32::MAX).saturating_add(1);
    let parts = stores.saturating_mul(PARTS_MAX);
    let bytes = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(stores)
        .max_core_instances_per_component(PARTS_MAX)
        .max_memories_per_component(PARTS_MAX)
        .max_tables_per_component(PARTS_MAX)
        .total_core_instances(parts)
        .total_memories(stores.saturating_mul(4))
        .total_tables(parts)
        .max_memory_size(bytes(limits.memory_bytes_max))
        .table_elements(bytes(limits.table_elements_max))
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES)
        .max_unused_warm_slots(stores);
    pool
}

/// Returns a word that differs between engines whose code is not interchangeable.
pub(super) fn key(engine: &Engine) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_the_compiling_engine_suits_the_running_one() {
        let running = running(1, &Limits::default()).unwrap();
        assert_eq!(key(&running), key(&compiling().unwrap()));
    }
}
