//! The account.

use super::page::Page;
use super::units;
use crate::api::{Account, Api};

pub(crate) fn info(account: &Account, api: &Api) -> String {
    let server = api.server();
    let of = |used: String, limit: String| format!("{used} of {limit}");
    let limits = &account.limits;
    Page::new("Account")
        .section("Connection")
        .line("Server", server.server_name)
        .line("Version", server.version)
        .line("Address", format!("{}:{}", server.host, server.port))
        .line("Client", format!("{} from {}", server.client_id, server.client_ip))
        .line("Maximum payload", units::bytes(u64::try_from(server.max_payload).unwrap_or_default()))
        .section("JetStream")
        .line("Memory", of(units::bytes(account.memory), units::limit(limits.memory, units::bytes)))
        .line("Storage", of(units::bytes(account.storage), units::limit(limits.storage, units::bytes)))
        .line("Streams", of(units::plain(account.streams), units::limit(limits.streams, units::plain)))
        .line("Consumers", of(units::plain(account.consumers), units::limit(limits.consumers, units::plain)))
        .line("API calls", format!("{}, {} of them refused", account.api.total, account.api.errors))
        .end()
}
