//! Which addresses are public, from the registries of special-purpose addresses for IPv4 and IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reachable by anybody on the internet. Addresses that carry an IPv4 address count as what they carry.
pub(super) fn is_public(address: IpAddr) -> bool {
    match unwrapped(address) {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Of this machine or of a network that its owner numbers himself. Link-local addresses are not among them.
pub(super) fn is_private(address: IpAddr) -> bool {
    match unwrapped(address) {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            address.is_loopback() || address.is_private() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    }
}

/// The IPv4 address inside an IPv4-mapped, IPv4-compatible, 6to4 or NAT64 address.
fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => inner(high, low),
        _ => address,
    }
}

#[expect(clippy::unnested_or_patterns, reason = "one pattern for each network")]
fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        // This network, private networks, shared addresses of carriers, loopback, link-local.
        [0 | 10 | 127, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] | [169, 254, ..]
        // Protocol assignments, documentation, 6to4 relays, benchmarks.
        | [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] | [198, 18 | 19, ..]
        // Multicast, reserved, broadcast.
        | [224..=255, ..]
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // Protocol assignments, Teredo among them, and documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // All that is assigned to the public so far.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("93.184.216.34", true, false)]
    #[case("127.0.0.1", false, true)]
    #[case("10.1.2.3", false, true)]
    #[case("172.16.0.1", false, true)]
    #[case("172.32.0.1", true, false)]
    #[case("192.168.1.1", false, true)]
    #[case("100.64.0.1", false, true)]
    #[case("100.128.0.1", true, false)]
    #[case("169.254.169.254", false, false)]
    #[case("0.0.0.0", false, false)]
    #[case("224.0.0.1", false, false)]
    #[case("255.255.255.255", false, false)]
    #[case("198.18.0.1", false, false)]
    #[case("2606:4700::1", true, false)]
    #[case("::", false, false)]
    #[case("::1", false, true)]
    #[case("fc00::1", false, true)]
    #[case("fe80::1", false, false)]
    #[case("fec0::1", false, false)]
    #[case("ff02::1", false, false)]
    #[case("2001:db8::1", false, false)]
    #[case("2001::1", false, false)]
    #[case("::ffff:127.0.0.1", false, true)]
    #[case("::ffff:169.254.169.254", false, false)]
    #[case("::ffff:93.184.216.34", true, false)]
    #[case("::7f00:1", false, true)]
    #[case("64:ff9b::a9fe:a9fe", false, false)]
    #[case("2002:7f00:1::", false, true)]
    fn classes(#[case] address: &str, #[case] public: bool, #[case] private: bool) {
        let address = address.parse().unwrap();
        assert_eq!((is_public(address), is_private(address)), (public, private));
    }
}
