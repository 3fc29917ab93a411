//! What each service takes: CPU time and memory, by the engine's count or, where there is none, by the kernel's of this process.

use std::future::Future;
use std::time::Duration;

use judge::history::Sample;

use super::{Post, stopped};
use crate::engine::Engine;

/// The engine takes up to a second for an answer, so each container is watched by itself.
const PERIOD: Duration = Duration::from_secs(1);
/// The service that stands for nodes, store, stream and load, which share one process.
const EMBEDDED: &str = "embedded";

/// CPU time since the process was started, and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Taken {
    cpu: Duration,
    memory_bytes: u64,
}

/// Looks once a second. A container that stands still has nothing to tell: its samples are missing.
pub(super) async fn observe_container(engine: Engine, service: String, container: String, post: Post) {
    let measure = async || {
        let usage = engine.usage(&container).await.ok()?;
        Some(Taken { cpu: usage.cpu, memory_bytes: usage.memory_bytes })
    };
    observe(measure, &service, post).await;
}

async fn observe<F>(measure: impl Fn() -> F, service: &str, post: Post)
where
    F: Future<Output = Option<Taken>>,
{
    let (mut ticks, mut stop, recorder, mut meter) =
        (post.ticks(PERIOD), post.stop.clone(), post.recorder.clone(), Meter::default());
    while ticks.next().await {
        // An engine that hangs keeps nobody waiting at the end: no verdict rests on this.
        let taken = tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            taken = measure() => taken,
        };
        if let Some(taken) = taken.filter(|taken| taken.cpu > Duration::ZERO) {
            recorder.sample(&meter.read(service, recorder.now_us(), taken));
        }
    }
}

/// The same for this process.
pub(super) async fn observe_process(post: Post) {
    let mut meter = Meter::default();
    let (mut ticks, recorder) = (post.ticks(PERIOD), post.recorder.clone());
    while ticks.next().await {
        let files = (std::fs::read_to_string("/proc/self/stat"), std::fs::read_to_string("/proc/self/status"));
        if let (Ok(stat), Ok(status)) = files
            && let Some(taken) = of_process(&stat, &status)
        {
            recorder.sample(&meter.read(EMBEDDED, recorder.now_us(), taken));
        }
    }
}

/// What was read last.
#[derive(Debug, Default)]
struct Meter(Option<(u64, Duration)>);

impl Meter {
    fn read(&mut self, service: &str, t_us: u64, taken: Taken) -> Sample {
        let before = self.0.replace((t_us, taken.cpu));
        let percent = |(before_us, before): (u64, Duration)| {
            let passed = Duration::from_micros(t_us.saturating_sub(before_us));
            // A process that began anew counts from 0 again.
            let used = taken.cpu.checked_sub(before).unwrap_or(taken.cpu);
            if passed.is_zero() { 0.0 } else { used.as_secs_f64() / passed.as_secs_f64() * 100.0 }
        };
        Sample::Container {
            t_us,
            service: service.to_owned(),
            cpu_percent: (before.map_or(0.0, percent) * 100.0).round() / 100.0,
            memory_bytes: taken.memory_bytes,
            cpu_us: u64::try_from(taken.cpu.as_micros()).ok(),
        }
    }
}

/// From `/proc/PID/stat` and `/proc/PID/status`, see proc(5).
fn of_process(stat: &str, status: &str) -> Option<Taken> {
    /// The kernel shows times in these ticks, whatever its own are.
    const TICKS_PER_S: u64 = 100;
    // The name in parentheses may hold anything, so fields count from behind it: utime is the 12th, stime the 13th.
    let (_, fields) = stat.rsplit_once(')')?;
    let field = |number: usize| fields.split_whitespace().nth(number)?.parse::<u64>().ok();
    let ticks = field(11)? + field(12)?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = resident.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(Taken { cpu: Duration::from_millis(ticks * 1_000 / TICKS_PER_S), memory_bytes: kib * 1_024 })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use judge::history::Header;
    use tokio::sync::watch;

    use super::*;
    use crate::recorder::{Recorder, SAMPLES};

    #[tokio::test]
    async fn the_end_waits_for_no_answer_and_what_was_answered_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let recorder = Recorder::create(folder.path(), &Header::default()).expect("a recorder");
        let (stop, stopped) = watch::channel(false);
        let post = Post { recorder: recorder.clone(), nonce: String::new(), stop: stopped };
        // It answers once, and then not any more.
        let begun = Instant::now();
        let measure = || async move {
            let answers = begun.elapsed() < PERIOD / 2;
            tokio::time::sleep(if answers { PERIOD / 2 } else { Duration::from_secs(60) }).await;
            Some(Taken { cpu: PERIOD, memory_bytes: 1 })
        };
        let ends = async {
            tokio::time::sleep(PERIOD * 3 / 2).await;
            stop.send(true).expect("somebody listens");
        };
        tokio::join!(observe(measure, "nats", post), ends);
        assert!(begun.elapsed() < PERIOD * 4, "{:?}", begun.elapsed());
        recorder.finish().expect("written");
        let samples = std::fs::read_to_string(folder.path().join(SAMPLES)).expect("samples");
        assert_eq!(samples.matches("\"service\":\"nats\"").count(), 1, "{samples}");
    }

    #[test]
    fn processes_are_read_from_what_the_kernel_shows() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 8 0 1 2 3";
        let taken = of_process(stat, "Name:\tx\nVmRSS:\t  2048 kB\n");
        assert_eq!(taken, Some(Taken { cpu: Duration::from_secs(3), memory_bytes: 2 << 20 }));
        assert_eq!(of_process("42 (a", "VmRSS: 1 kB"), None);
        let own = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}")).expect("Linux has it");
        let own = of_process(&own("stat"), &own("status")).expect("it can be read");
        assert!(own.memory_bytes > 1 << 20, "{own:?}");
    }

    #[test]
    fn percent_is_of_the_time_since_the_sample_before_and_survives_a_restart() {
        let mut meter = Meter::default();
        let mut read = |t_s: u64, cpu_ms: u64| {
            let taken = Taken { cpu: Duration::from_millis(cpu_ms), memory_bytes: 1 };
            match meter.read("a", t_s * 1_000_000, taken) {
                Sample::Container { cpu_percent, cpu_us, .. } => (cpu_percent, cpu_us),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(read(1, 5_000), (0.0, Some(5_000_000)));
        assert_eq!(read(3, 6_000), (50.0, Some(6_000_000)));
        assert_eq!(read(4, 200), (20.0, Some(200_000)), "it began anew");
    }
}
