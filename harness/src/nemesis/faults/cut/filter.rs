//! A cut by packet filters in the node's network namespace, set from a helper beside it. They stand in chains of our own,
//! so that healing takes away exactly them; a restart of the node makes them vanish, which ends the fault early.
//!
//! It is proven by connections that fail and by the filters' own counters, which say that it was they.

use judge::plan::{Direction, Link, Peer};

use super::probe::{self, Route};
use crate::nemesis::fault::{Before, FaultError, Seen, Target};
use crate::nemesis::helper::{self, Beside, Helper};
use crate::nemesis::site::Site;

/// What comes in, and what goes out.
const CHAINS: [(&str, &str); 2] = [("INPUT", "CATGA_CUT_IN"), ("OUTPUT", "CATGA_CUT_OUT")];
/// Where a node listens inside its container.
const NODE_PORT: &str = "8080";

#[derive(Debug, Clone)]
pub(super) struct Filter {
    pub(super) from: Peer,
    pub(super) direction: Direction,
}

impl Filter {
    pub(super) async fn before(&self, site: &Site, target: &Target) -> Result<Before, FaultError> {
        let helper = site.helper(target, Beside::Network).await?;
        let chains = ours(&helper).await?;
        if !chains.is_empty() {
            let why = format!("{} has filters of an earlier cut already: {}", target.service, chains.join("; "));
            return Err(FaultError::Other(why));
        }
        // A probe that fails before the cut proves nothing afterwards.
        match self.passage(site, target, &helper, Passes::Expected).await? {
            None => Ok(Before::default()),
            Some(missing) => Err(FaultError::Other(format!("{} has {missing} even before the cut", target.service))),
        }
    }

    pub(super) async fn inject(&self, site: &Site, target: &Target) -> Result<(), FaultError> {
        let helper = site.helper(target, Beside::Network).await?;
        // All of it comes into force at once, or none.
        let script = format!("iptables-restore --noflush <<'RULES'\n{}RULES\n", self.rules(Route::of(site)));
        helper.run(&["sh", "-c", &script]).await.map(drop)
    }

    pub(super) async fn effect(&self, site: &Site, target: &Target) -> Result<Seen, FaultError> {
        let helper = site.helper(target, Beside::Network).await?;
        if let Some(through) = self.passage(site, target, &helper, Passes::Unexpected).await? {
            return Ok(Seen::NotYet(through));
        }
        let saved = helper.run(&["iptables-save", "-c", "-t", "filter"]).await?;
        let mut packets = 0;
        for (hook, chain) in self.chains() {
            match dropped(&saved, hook, chain) {
                Some(dropped) => packets += dropped,
                None => return Ok(Seen::NotYet(format!("the filter {chain} is not in force"))),
            }
        }
        // Where nothing comes in, there may be no answer to drop: one of them is enough.
        let words = format!("no connection with {}, {packets} packets dropped", self.peers());
        Ok(Seen::when(packets > 0, words))
    }

    pub(super) async fn heal(&self, site: &Site, target: &Target) -> Result<(), FaultError> {
        if !helper::has_namespaces(&site.inspect(target).await?) {
            return Ok(());
        }
        let helper = site.helper(target, Beside::Network).await?;
        let off = CHAINS.map(|(hook, chain)| {
            format!(
                "while iptables -w 5 -C {hook} -j {chain} 2>/dev/null; do iptables -w 5 -D {hook} -j {chain}; done\n\
                 if iptables -w 5 -S {chain} >/dev/null 2>&1; then iptables -w 5 -F {chain}; iptables -w 5 -X {chain}; fi\n"
            )
        });
        let script = format!("set -e\n{}", off.concat());
        helper.run(&["sh", "-c", &script]).await.map(drop)
    }

    pub(super) async fn healed(&self, site: &Site, target: &Target) -> Result<Seen, FaultError> {
        let state = site.inspect(target).await?;
        if !helper::has_namespaces(&state) {
            return Ok(Seen::Yes(format!("{}: its filters went with it", state.summary())));
        }
        let helper = site.helper(target, Beside::Network).await?;
        let chains = ours(&helper).await?;
        if !chains.is_empty() {
            return Ok(Seen::NotYet(format!("filters of ours are left: {}", chains.join("; "))));
        }
        if let Some(through) = self.passage(site, target, &helper, Passes::Expected).await? {
            return Ok(Seen::NotYet(through));
        }
        Ok(Seen::Yes(format!("no filter of ours, connections with {}", self.peers())))
    }

    /// The first peer with which it is otherwise than it should be, in words.
    async fn passage(&self, site: &Site, target: &Target, helper: &Helper, should: Passes) -> Result<Option<String>, FaultError> {
        let concerns = |peer| self.from == peer || self.from == Peer::All;
        let route = Route::of(site);
        let (nats, redis, clients) = tokio::try_join!(
            only_if(concerns(Peer::Nats), probe::connects(helper, probe::peer(Link::Nats, route))),
            only_if(concerns(Peer::Redis), probe::connects(helper, probe::peer(Link::Redis, route))),
            only_if(concerns(Peer::Clients), probe::answers(site, target)),
        )?;
        let passes = [("nats", nats), ("redis", redis), ("clients", clients)];
        let (wrong, words) = match should {
            Passes::Expected => (Some(false), "no connection with"),
            Passes::Unexpected => (Some(true), "a connection with"),
        };
        Ok(passes.iter().find(|(_, passes)| *passes == wrong).map(|(peer, _)| format!("{words} {peer}")))
    }

    /// Those that this cut fills.
    fn chains(&self) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        let direction = self.direction;
        CHAINS.into_iter().filter(move |(hook, _)| match direction {
            Direction::Both => true,
            Direction::In => *hook == "INPUT",
            Direction::Out => *hook == "OUTPUT",
        })
    }

    /// For `iptables-restore`.
    fn rules(&self, route: Route) -> String {
        let chains = self.chains().map(|(hook, chain)| {
            // A node calls itself over the loopback for its health check, and its resolver answers there.
            let way = if hook == "INPUT" { "-i" } else { "-o" };
            let matching = self.matching(hook, route);
            format!(":{chain} - [0:0]\n-A {chain} ! {way} lo {matching}-j DROP\n-I {hook} -j {chain}\n")
        });
        format!("*filter\n{}COMMIT\n", chains.collect::<String>())
    }

    /// Peers are told by their ports: their addresses change whenever they come back to a network.
    fn matching(&self, hook: &str, route: Route) -> String {
        let (theirs, own) = if hook == "INPUT" { ("--sport", "--dport") } else { ("--dport", "--sport") };
        match self.from {
            Peer::Nats => format!("-p tcp {theirs} {} ", probe::peer(Link::Nats, route).ports),
            Peer::Redis => format!("-p tcp {theirs} {} ", probe::peer(Link::Redis, route).ports),
            Peer::Clients => format!("-p tcp {own} {NODE_PORT} "),
            Peer::All => String::new(),
        }
    }

    fn peers(&self) -> &'static str {
        match self.from {
            Peer::Nats => "nats",
            Peer::Redis => "redis",
            Peer::Clients => "clients",
            Peer::All => "nats, redis and clients",
        }
    }
}

/// Whether connections with the peers of the cut should come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passes {
    Expected,
    Unexpected,
}

async fn only_if(asked: bool, probe: impl Future<Output = Result<bool, FaultError>>) -> Result<Option<bool>, FaultError> {
    if asked { probe.await.map(Some) } else { Ok(None) }
}

/// Rules that name a chain of ours, as the helper sees them.
async fn ours(helper: &Helper) -> Result<Vec<String>, FaultError> {
    let all = helper.run(&["iptables", "-w", "5", "-S"]).await?;
    let is_ours = |line: &&str| CHAINS.iter().any(|(_, chain)| line.split_whitespace().any(|word| word == *chain));
    Ok(all.lines().filter(is_ours).map(str::to_owned).collect())
}

/// How many packets a chain of ours has dropped, by what `iptables-save -c` writes: `[12:720] -A CHAIN ... -j DROP`;
/// `None` if the chain is not in force.
fn dropped(saved: &str, hook: &str, chain: &str) -> Option<u64> {
    let jump = format!("-A {hook} -j {chain}");
    saved.lines().find(|line| line.ends_with(&jump))?;
    let rule = format!("] -A {chain} ");
    let counts = saved.lines().filter(|line| line.contains(&rule) && line.ends_with("-j DROP"));
    counts.map(|line| line.strip_prefix('[')?.split_once(':')?.0.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_name_their_peer_and_direction() {
        let table = [
            (
                Peer::Nats,
                Direction::In,
                "*filter\n:CATGA_CUT_IN - [0:0]\n-A CATGA_CUT_IN ! -i lo -p tcp --sport 4222 -j DROP\n-I INPUT -j CATGA_CUT_IN\nCOMMIT\n",
            ),
            (
                Peer::Redis,
                Direction::Out,
                "*filter\n:CATGA_CUT_OUT - [0:0]\n-A CATGA_CUT_OUT ! -o lo -p tcp --dport 6379 -j DROP\n-I OUTPUT -j CATGA_CUT_OUT\nCOMMIT\n",
            ),
            (
                Peer::Clients,
                Direction::In,
                "*filter\n:CATGA_CUT_IN - [0:0]\n-A CATGA_CUT_IN ! -i lo -p tcp --dport 8080 -j DROP\n-I INPUT -j CATGA_CUT_IN\nCOMMIT\n",
            ),
            (
                Peer::All,
                Direction::Both,
                "*filter\n:CATGA_CUT_IN - [0:0]\n-A CATGA_CUT_IN ! -i lo -j DROP\n-I INPUT -j CATGA_CUT_IN\n:CATGA_CUT_OUT - [0:0]\n-A CATGA_CUT_OUT ! -o lo -j DROP\n-I OUTPUT -j CATGA_CUT_OUT\nCOMMIT\n",
            ),
        ];
        for (from, direction, expected) in table {
            assert_eq!(Filter { from, direction }.rules(Route::Direct), expected, "{from:?} {direction:?}");
        }
    }

    #[test]
    fn nodes_behind_the_fault_proxy_are_cut_from_its_ports() {
        let rules = Filter { from: Peer::Redis, direction: Direction::In }.rules(Route::Proxy);
        assert!(rules.contains("--sport 16370:16373 -j DROP"), "{rules}");
        let compose = include_str!("../../../../../deploy/links.yml");
        for route in ["- 14220=nats:", "- 14223=nats:", "- 16370=redis:", "- 16373=redis:", "[links-nats]", "[links-redis]"] {
            assert!(compose.contains(route), "{route}");
        }
    }

    #[test]
    fn counters_are_read_only_of_a_chain_in_force() {
        let saved = "*filter\n[9:1] -A INPUT -j CATGA_CUT_IN\n[7:420] -A CATGA_CUT_IN ! -i lo -p tcp -m tcp --sport 4222 -j DROP\nCOMMIT\n";
        assert_eq!(dropped(saved, "INPUT", "CATGA_CUT_IN"), Some(7));
        assert_eq!(dropped(saved, "OUTPUT", "CATGA_CUT_OUT"), None);
        assert_eq!(dropped(&saved.replace("[9:1] -A INPUT -j CATGA_CUT_IN\n", ""), "INPUT", "CATGA_CUT_IN"), None);
    }
}
