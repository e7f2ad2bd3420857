//! What the figures were measured on.

use std::{fs, thread};

/// Prints the machine in one line.
pub(crate) fn print() {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let (cpu, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown", |model| model.1);
    let memory_kib: u64 =
        memory.split_whitespace().nth(1).and_then(|amount| amount.parse().ok()).unwrap_or_default();
    let load = read("/proc/loadavg");
    let cores = thread::available_parallelism().map_or(0, usize::from);
    println!(
        "Machine: {cores} × {model}, {} MiB, Linux {}; load average before the first measurement {}.",
        memory_kib / 1024,
        kernel.trim(),
        load.split_whitespace().next().unwrap_or("unknown"),
    );
}
