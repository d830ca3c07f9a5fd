//! What Linux tells of a process.

#![allow(dead_code, unreachable_pub, reason = "each of several benchmarks uses what it needs of this")]

use std::fs;

/// User and system time of a process so far, in seconds.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    // Fields 14 and 15 of proc(5), counted behind the name; a tick is 10 ms on Linux.
    (ticks(11) + ticks(12)) / 100.0
}

/// The time that the threads of a process which live now have run, in seconds, to a nanosecond.
pub fn run_seconds(pid: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() / 1e9
}

/// The memory that a process holds now, in MiB.
pub fn resident_mib(pid: u32) -> f64 {
    field_mib(pid, "VmRSS:")
}

/// The most memory that a process held, in MiB.
pub fn peak_mib(pid: u32) -> f64 {
    field_mib(pid, "VmHWM:")
}

fn field_mib(pid: u32, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
