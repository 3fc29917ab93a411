//! What Redis tells of itself: `CLIENT LIST` and `INFO`.

use super::WireError;

/// The name under which the harness's connections stand in `CLIENT LIST`.
pub const OURS: &str = "catga-harness";

/// One line of `CLIENT LIST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Given once and never again while this Redis runs.
    pub id: u64,
    /// `address:port` of its end of the connection.
    pub address: String,
    pub name: String,
    /// One letter each: `N` nothing special, `M` and `S` another server, `P` subscribed, ...
    pub flags: String,
}

impl Client {
    /// Neither the harness nor another server.
    #[must_use]
    pub fn is_of_others(&self) -> bool {
        self.name != OURS && !self.flags.contains(['M', 'S'])
    }
}

/// Reads `CLIENT LIST`.
///
/// # Errors
/// A line has no id or no flags.
pub fn clients(list: &str) -> Result<Vec<Client>, WireError> {
    let lines = list.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let field = |name: &str| line.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
            let read = || {
                Some(Client {
                    id: field("id")?.parse().ok()?,
                    address: field("addr").unwrap_or_default().to_owned(),
                    name: field("name").unwrap_or_default().to_owned(),
                    flags: field("flags")?.to_owned(),
                })
            };
            read().ok_or_else(|| WireError::shape("a client", "it has no id or no flags", line.as_bytes()))
        })
        .collect()
}

/// One number of a line such as `cmdstat_eval:calls=2,usec=511834` of `INFO`; `None` where there is no such line.
#[must_use]
pub fn counter(info: &str, field: &str, name: &str) -> Option<u64> {
    let line = info.lines().find_map(|line| line.trim_end().strip_prefix(field)?.strip_prefix(':'))?;
    line.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "id=16 addr=172.18.0.4:58030 laddr=172.18.0.2:6379 fd=12 name= age=0 flags=N db=0 user=default\n\
        id=17 addr=172.18.0.1:4 name=catga-harness flags=N\nid=18 addr=172.18.0.9:4 name= flags=S\n\n";

    #[test]
    fn clients_are_told_from_us_and_from_other_servers() {
        let list = clients(LIST).expect("a list");
        assert_eq!(list.iter().map(|client| client.id).collect::<Vec<_>>(), [16, 17, 18]);
        assert_eq!(list[0].address, "172.18.0.4:58030");
        let others: Vec<u64> = list.iter().filter(|client| client.is_of_others()).map(|client| client.id).collect();
        assert_eq!(others, [16]);
        assert!(clients("addr=1 flags=N\n").is_err(), "a client without an id cannot be told from others");
    }

    #[test]
    fn a_counter_is_read_from_its_own_line() {
        let info =
            "# Commandstats\r\ncmdstat_evalsha:calls=9,usec=1\r\ncmdstat_eval:calls=2,usec=511834,usec_per_call=255917.00\r\n";
        assert_eq!(counter(info, "cmdstat_eval", "calls"), Some(2));
        assert_eq!(counter(info, "cmdstat_eval", "usec"), Some(511_834));
        assert_eq!(counter(info, "cmdstat_get", "calls"), None);
    }
}
