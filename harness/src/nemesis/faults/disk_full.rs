//! Disk full: the data volume of NATS or Redis is filled to the last byte. Healed by removing what fills it.
//!
//! The volumes have a fixed size for it (`deploy/small-disks.yml`), and the keeper that has them mounted fills them. Redis
//! ends itself when it cannot sync its append-only file, and NATS turns its storage off until it is started anew: healing
//! starts what is down.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::process;
use crate::cluster::KEEPER;
use crate::engine::Status;
use crate::http;
use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::site::Site;

const FILE: &str = "catga-fills-the-disk";
/// Memory is filled at a gigabyte a second and more.
const FILL: Duration = Duration::from_secs(60);
const ASK: Duration = Duration::from_secs(5);
const NATS_ANSWERS: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct DiskFull;

/// As `df` says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Disk {
    /// The kind of file system, where it has no device: `tmpfs`.
    on: String,
    size_kib: u64,
    free_kib: u64,
}

#[async_trait]
impl Fault for DiskFull {
    async fn before(&self, site: &Site, target: &Target) -> Result<Before, FaultError> {
        let disk = disk(site, target).await?;
        // Never the machine's own disk.
        if disk.on != "tmpfs" {
            let why = format!("the data volume of {} is on {}, and has no size of its own", target.service, disk.on);
            return Err(FaultError::Other(why));
        }
        Before::of(&disk)
    }

    async fn inject(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        // It ends with an error in any case: the disk is full.
        let to = format!("of={}", file(target));
        site.engine.exec(&site.target(KEEPER)?.container, &["dd", "if=/dev/zero", &to, "bs=64k"], FILL).await?;
        Ok(())
    }

    async fn effect(&self, site: &Site, target: &Target, _: &Before) -> Result<Seen, FaultError> {
        let disk = disk(site, target).await?;
        Ok(Seen::when(disk.free_kib == 0, disk.words()))
    }

    async fn heal(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        run(site, &["rm", "-f", &file(target)]).await?;
        if target.service == "nats" && site.inspect(target).await?.status == Status::Running && !has_jetstream(site).await {
            return Ok(site.engine.restart(&target.container, process::GRACE).await?);
        }
        process::start(site, target).await
    }

    async fn healed(&self, site: &Site, target: &Target, _: &Before) -> Result<Seen, FaultError> {
        let left = run(site, &["ls", "-A", &folder(target)]).await?;
        let disk = disk(site, target).await?;
        if left.lines().any(|name| name == FILE) || disk.free_kib == 0 {
            return Ok(Seen::NotYet(disk.words()));
        }
        Ok(match process::healed(site, target).await? {
            Seen::Yes(seen) => Seen::Yes(format!("{}; {seen}", disk.words())),
            Seen::NotYet(seen) => Seen::NotYet(format!("{}; {seen}", disk.words())),
        })
    }

    fn works_on(&self) -> bool {
        false
    }

    fn by_hand(&self, target: &Target) -> String {
        format!("docker exec PROJECT_{KEEPER}_1 rm -f {}; docker restart {}", file(target), target.container)
    }
}

impl Disk {
    fn words(&self) -> String {
        format!("{} of {} KiB free", self.free_kib, self.size_kib)
    }
}

/// Where the keeper has the target's volume.
fn folder(target: &Target) -> String {
    format!("/{}", target.service)
}

fn file(target: &Target) -> String {
    format!("{}/{FILE}", folder(target))
}

async fn disk(site: &Site, target: &Target) -> Result<Disk, FaultError> {
    let said = run(site, &["df", "-P", "-k", &folder(target)]).await?;
    read(&said).ok_or_else(|| FaultError::Other(format!("what df says of {} cannot be read: {said:?}", folder(target))))
}

/// POSIX: one line of titles, then device, size, used, free, share and place.
fn read(said: &str) -> Option<Disk> {
    let mut words = said.lines().nth(1)?.split_whitespace();
    let on = words.next()?.to_owned();
    let size_kib = words.next()?.parse().ok()?;
    let free_kib = words.nth(1)?.parse().ok()?;
    Some(Disk { on, size_kib, free_kib })
}

async fn run(site: &Site, words: &[&str]) -> Result<String, FaultError> {
    let ran = site.engine.exec(&site.target(KEEPER)?.container, words, ASK).await?;
    if ran.code == 0 {
        return Ok(ran.output);
    }
    Err(FaultError::Other(format!("`{}` in {KEEPER} ended with {}: {}", words.join(" "), ran.code, ran.output.trim())))
}

async fn has_jetstream(site: &Site) -> bool {
    let url = format!("{}/healthz?js-enabled-only=true", site.cluster.nats_monitor);
    http::get(&http::client(NATS_ANSWERS), &url).await.is_ok_and(|reply| reply.status == 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_read_from_what_df_says() {
        let said = "Filesystem     1024-blocks  Used Available Capacity Mounted on\ntmpfs               262144 12345    249799       5% /redis\n";
        let expected = Disk { on: "tmpfs".into(), size_kib: 262_144, free_kib: 249_799 };
        assert_eq!(read(said), Some(expected));
        assert_eq!(read("df: /redis: no such file\n"), None);
    }
}
