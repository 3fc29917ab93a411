//! Which process of this machine listens on a port, read from `/proc`; there is no other way without privileges or tools.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// The kernel's number for a listening socket.
const LISTEN: &str = "0A";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) id: u32,
    pub(super) name: String,
}

/// `None` if nobody listens, or the process belongs to somebody whose files we may not read.
pub(super) fn of_port(port: u16) -> Option<Process> {
    let sockets: HashSet<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| sockets_on(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if sockets.is_empty() {
        return None;
    }
    fs::read_dir("/proc").ok()?.filter_map(Result::ok).find_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let holds = holds_any(&entry.path(), &sockets);
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        holds.then(|| Process { id, name: name.trim().to_owned() })
    })
}

/// Inodes of the sockets that listen on the port, from one of the kernel's tables.
fn sockets_on(table: &str, port: u16) -> Vec<String> {
    let port = format!("{port:04X}");
    let rows = table.lines().skip(1).filter_map(|row| {
        let fields: Vec<&str> = row.split_whitespace().collect();
        let (address, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let (_, local_port) = address.rsplit_once(':')?;
        (local_port == port && *state == LISTEN).then(|| (*inode).to_owned())
    });
    rows.collect()
}

fn holds_any(process: &Path, sockets: &HashSet<String>) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else {
        return false;
    };
    files
        .filter_map(Result::ok)
        .filter_map(|file| fs::read_link(file.path()).ok())
        .any(|target| target.to_str().is_some_and(|target| sockets.contains(target)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listening_sockets_of_the_port_are_found() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0000 100 0 0 10 0\n   \
            1: 0100007F:1F91 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0000 100 0 0 10 0\n   \
            2: 00000000:1F92 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0000 100 0 0 10 0\n";
        assert_eq!(sockets_on(table, 8081), ["111"]);
        assert_eq!(sockets_on(table, 8082), ["333"]);
        assert!(sockets_on(table, 8083).is_empty());
    }
}
