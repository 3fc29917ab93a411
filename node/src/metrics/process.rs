//! What the kernel says of this process, under the names that Prometheus clients give it. Where there is no `/proc`,
//! the samples are missing and nothing else is.

use std::fmt::Write as _;
use std::fs::{read_dir, read_to_string};

/// The unit of times in `/proc`, which the kernel fixes for all programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// One metric: name, kind, help, and its value where it can be read.
type Reading = (&'static str, &'static str, &'static str, Option<f64>);

/// Writes all of them.
pub(super) fn write(text: &mut String) {
    for (name, kind, help, value) in readings() {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        if let Some(value) = value {
            let _ = writeln!(text, "{name} {value}");
        }
    }
}

fn readings() -> [Reading; 7] {
    let stat = Stat::read();
    let status = read_to_string("/proc/self/status").ok();
    let limits = read_to_string("/proc/self/limits").ok();
    let kilobytes = |field: &str| number_after(status.as_deref()?, field).map(|kilobytes| kilobytes * 1024.0);
    let started = || Some(number_after(&read_to_string("/proc/stat").ok()?, "btime")? + stat.as_ref()?.started);
    [
        ("process_cpu_seconds_total", "counter", "Processor time used, user and system", stat.as_ref().map(|stat| stat.cpu)),
        ("process_start_time_seconds", "gauge", "Start of the process since the Unix epoch", started()),
        ("process_resident_memory_bytes", "gauge", "Resident memory", kilobytes("VmRSS:")),
        ("process_virtual_memory_bytes", "gauge", "Virtual memory", kilobytes("VmSize:")),
        ("process_threads", "gauge", "Threads of the process", status.as_deref().and_then(|text| number_after(text, "Threads:"))),
        ("process_open_fds", "gauge", "Open file descriptors", read_dir("/proc/self/fd").ok().map(|all| all.count() as f64)),
        (
            "process_max_fds",
            "gauge",
            "File descriptors that may be open",
            limits.as_deref().and_then(|text| number_after(text, "Max open files")),
        ),
    ]
}

/// The first number behind `field` in a text of lines.
fn number_after(text: &str, field: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(field))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

/// Times of this process in seconds.
struct Stat {
    cpu: f64,
    /// Since boot.
    started: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        Self::parse(&read_to_string("/proc/self/stat").ok()?)
    }

    /// The second field is the program's name in parentheses, and may hold anything.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let field = |number: usize| rest.split_ascii_whitespace().nth(number - 3)?.parse::<f64>().ok();
        Some(Self { cpu: (field(14)? + field(15)?) / TICKS_PER_SECOND, started: field(22)? / TICKS_PER_SECOND })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_a_name_that_holds_anything() {
        let text = "7 (a b) c) S 1 7 7 0 -1 4194304 91 0 0 0 150 50 0 0 20 0 1 0 12345 1 1";
        let stat = Stat::parse(text).expect("read");
        assert!((stat.cpu - 2.0).abs() < 1e-9 && (stat.started - 123.45).abs() < 1e-9, "{} {}", stat.cpu, stat.started);
    }

    #[test]
    fn this_process_has_memory_files_and_a_start() {
        let values: Vec<_> = readings().into_iter().map(|(name, _, _, value)| (name, value)).collect();
        assert!(values.iter().all(|(_, value)| value.is_some_and(|value| value >= 0.0)), "{values:?}");
        let of = |name: &str| values.iter().find(|(found, _)| *found == name).and_then(|(_, value)| *value).expect("read");
        assert!(of("process_resident_memory_bytes") > 1e6 && of("process_open_fds") >= 3.0, "{values:?}");
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs_f64();
        assert!((0.0..86_400.0 * 30.0).contains(&(now - of("process_start_time_seconds"))), "{values:?}");
    }
}
