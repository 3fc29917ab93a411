//! What only a helper beside a node can tell: packet filters and queues of ours in its network, and how many files its process
//! may open. Asked where a fault of the plan needs helpers, by helpers that are gone afterwards.

use futures_util::future::try_join_all;

use super::Fact;
use crate::nemesis::fault::{FaultError, Target};
use crate::nemesis::helper::{self, Beside};
use crate::nemesis::site::Site;

/// Filters, queues, and the limits of the first process.
const LOOK: &str = "set -e; iptables -w 5 -S; echo --; tc qdisc show; echo --; cat /proc/1/limits";
/// What the chains of ours begin with, and what a queue of ours is.
const FILTERS: &str = "CATGA_";
const QUEUES: &str = "netem";
const FILES: &str = "Max open files";

pub(super) async fn facts(site: &Site) -> Result<Vec<Fact>, FaultError> {
    if site.cluster.helper.is_none() {
        return Ok(Vec::new());
    }
    let nodes = site.cluster.nodes.iter().map(|node| async {
        let found = beside(site, &site.target(&node.name)?).await?;
        let facts = found.into_iter().map(|(what, value)| (node.name.clone(), what.to_owned(), value));
        Ok::<Vec<Fact>, FaultError>(facts.collect())
    });
    Ok(try_join_all(nodes).await?.concat())
}

async fn beside(site: &Site, target: &Target) -> Result<Vec<(&'static str, String)>, FaultError> {
    let state = match site.inspect(target).await {
        // That it is gone is told elsewhere.
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        state => state?,
    };
    if !helper::has_namespaces(&state) {
        return Ok(vec![("what is beside it", format!("nothing, it is {}", state.summary()))]);
    }
    let helper = site.helper(target, Beside::Everything).await?;
    let said = helper.run(&["sh", "-c", LOOK]).await;
    helper.remove().await?;
    let said = said?;
    read(&said).ok_or_else(|| FaultError::Other(format!("what is seen beside {} cannot be read: {said:?}", target.service)))
}

fn read(said: &str) -> Option<Vec<(&'static str, String)>> {
    let mut parts = said.split("--\n");
    let (filters, queues, limits) = (parts.next()?, parts.next()?, parts.next()?);
    let files = limits.lines().find_map(|line| line.strip_prefix(FILES))?.split_whitespace().next()?;
    Some(vec![
        ("packet filters", ours(filters, FILTERS)),
        ("queues", ours(queues, QUEUES)),
        ("open files", format!("at most {files}")),
    ])
}

fn ours(lines: &str, mark: &str) -> String {
    let ours: Vec<&str> = lines.lines().map(str::trim).filter(|line| line.contains(mark)).collect();
    if ours.is_empty() { "none of ours".to_owned() } else { ours.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
                          Max cpu time              unlimited            unlimited            seconds   \n\
                          Max open files            1024                 524288               files     \n";

    #[test]
    fn only_filters_and_queues_of_ours_are_told_and_the_soft_limit() {
        let told = |filters: &str, queues: &str| {
            vec![("packet filters", filters.to_owned()), ("queues", queues.to_owned()), ("open files", "at most 1024".to_owned())]
        };
        let clean = format!("-P INPUT ACCEPT\n--\nqdisc noqueue 0: dev lo root refcnt 2\n--\n{LIMITS}");
        assert_eq!(read(&clean), Some(told("none of ours", "none of ours")));
        let filters = "-P INPUT ACCEPT\n-N CATGA_CUT_IN\n-A INPUT -j CATGA_CUT_IN\n";
        let queue = "qdisc netem 8001: dev eth1 root refcnt 2 limit 100000 delay 50ms";
        let broken = format!("{filters}--\n{queue}\n--\n{LIMITS}");
        assert_eq!(read(&broken), Some(told("-N CATGA_CUT_IN; -A INPUT -j CATGA_CUT_IN", queue)));
        assert_eq!(read("-P INPUT ACCEPT\n--\n"), None);
    }
}
