//! One reverse DNS question and its answer (RFC 1035), just enough for a container engine's resolver.

use std::fmt::Write as _;
use std::net::IpAddr;

const TYPE_PTR: u16 = 12;
const CLASS_IN: u16 = 1;
/// Compression pointers followed before an answer is taken for a loop.
const MAX_JUMPS: usize = 16;

/// The question for the name of `address`.
pub(super) fn query(id: u16, address: IpAddr) -> Vec<u8> {
    let mut packet = Vec::with_capacity(64);
    packet.extend(id.to_be_bytes());
    // Recursion desired; one question, nothing else.
    packet.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in reverse_name(address).split('.') {
        packet.push(u8::try_from(label.len()).unwrap_or(0));
        packet.extend(label.as_bytes());
    }
    packet.push(0);
    packet.extend(TYPE_PTR.to_be_bytes());
    packet.extend(CLASS_IN.to_be_bytes());
    packet
}

fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let mut name = String::with_capacity(72);
            for byte in address.octets().iter().rev() {
                let _ = write!(name, "{:x}.{:x}.", byte & 15, byte >> 4);
            }
            name + "ip6.arpa"
        }
    }
}

/// The name in the reply to question `id`; `None` for another reply, an error, or a broken packet.
pub(super) fn answer(id: u16, packet: &[u8]) -> Option<String> {
    let word = |at: usize| Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]));
    let is_reply = word(2)? & 0x8000 != 0 && word(2)?.trailing_zeros() >= 4;
    if word(0)? != id || !is_reply {
        return None;
    }
    let (questions, answers) = (word(4)?, word(6)?);
    let mut at = 12;
    for _ in 0..questions {
        at = name(packet, at)?.1 + 4;
    }
    for _ in 0..answers {
        at = name(packet, at)?.1;
        let (kind, length) = (word(at)?, usize::from(word(at + 8)?));
        at += 10;
        if kind == TYPE_PTR {
            return name(packet, at).map(|(name, _)| name).filter(|name| !name.is_empty());
        }
        at += length;
    }
    None
}

/// The name at an offset, and the offset behind it.
fn name(packet: &[u8], mut at: usize) -> Option<(String, usize)> {
    let (mut name, mut behind, mut jumps) = (String::new(), None, 0);
    loop {
        let length = usize::from(*packet.get(at)?);
        match length >> 6 {
            0 if length == 0 => return Some((name, behind.unwrap_or(at + 1))),
            0 => {
                let label = packet.get(at + 1..at + 1 + length)?;
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(std::str::from_utf8(label).ok()?);
                at += 1 + length;
            }
            3 => {
                jumps += 1;
                if jumps > MAX_JUMPS {
                    return None;
                }
                behind.get_or_insert(at + 2);
                at = (length & 0x3f) << 8 | usize::from(*packet.get(at + 1)?);
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reply(id: u16) -> Vec<u8> {
        let mut packet = query(id, [172, 18, 0, 5].into());
        packet[2] = 0x81;
        packet[3] = 0x80;
        packet[7] = 1;
        packet.extend([0xc0, 12]);
        packet.extend([0, 12, 0, 1, 0, 0, 2, 88]);
        let mut data = vec![22];
        data.extend(b"catga_cluster-node-1_1");
        data.push(11);
        data.extend(b"catga_redis");
        data.push(0);
        packet.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
        packet.extend(data);
        packet
    }

    #[test]
    fn questions_name_the_address_backwards() {
        assert_eq!(reverse_name([172, 18, 0, 5].into()), "5.0.18.172.in-addr.arpa");
        let six = reverse_name("fd00::1".parse().expect("address"));
        assert!(six.starts_with("1.0.0.0.") && six.ends_with(".0.0.d.f.ip6.arpa"), "{six}");
    }

    #[test]
    fn answers_are_read_and_others_refused() {
        assert_eq!(answer(7, &reply(7)).as_deref(), Some("catga_cluster-node-1_1.catga_redis"));
        assert_eq!(answer(8, &reply(7)), None, "another question's reply");
        let mut refused = reply(7);
        refused[3] |= 3;
        assert_eq!(answer(7, &refused), None, "no such name");
        let mut looped = reply(7);
        let end = looped.len();
        looped.truncate(end - 36);
        looped.extend([0xc0, u8::try_from(looped.len()).expect("short")]);
        assert_eq!(answer(7, &looped), None);
    }

    proptest! {
        #[test]
        fn broken_replies_never_panic(cut in 0_usize..100, at in 0_usize..100, byte: u8) {
            let mut packet = reply(7);
            if let Some(place) = packet.get_mut(at) {
                *place = byte;
            }
            packet.truncate(cut);
            let _ = answer(7, &packet);
        }
    }
}
