//! Addresses and names that mean nothing outside this machine or network (RFC 6761, RFC 6890).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether this is such a name. Wider on purpose than what counts as this machine where plain http is concerned: this
/// one refuses.
pub(crate) fn is_special_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether this is such an address, in whatever form of IPv6 an IPv4 address is wrapped.
pub(crate) fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_special_v4(v4),
        IpAddr::V6(v6) => is_special_v6(v6),
    }
}

fn is_special_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    v4.is_loopback()
        || v4.is_private()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_documentation()
        || a == 0
        || (a == 100 && (64..128).contains(&b)) // shared by a carrier's customers, RFC 6598
        || (a, b, c) == (192, 0, 0) // protocol assignments, RFC 6890 §2.1
        || (a == 198 && (18..20).contains(&b)) // benchmarks, RFC 2544
        || a >= 240
}

fn is_special_v6(v6: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let wrapped = |high: u16, low: u16| is_special_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match (a, b, c, d, e, f) {
        // Unspecified, loopback, and the wrapping that RFC 4291 §2.5.5.1 gave up.
        (0, 0, 0, 0, 0, 0) => true,
        // Mapped (RFC 4291 §2.5.5.2), and translated by the well-known prefix (RFC 6052 §2.1).
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => wrapped(g, h),
        // 6to4 (RFC 3056).
        (0x2002, ..) => wrapped(b, c),
        // Translated by a prefix of the network's own (RFC 8215), Teredo (RFC 4380), documentation, discarded (RFC 6666).
        (0x64, 0xff9b, 1, ..) | (0x2001, 0 | 0xdb8, ..) | (0x100, 0, 0, 0, ..) => true,
        _ => {
            v6.is_multicast() || v6.is_unique_local() || v6.is_unicast_link_local() || a & 0xffc0 == 0xfec0 // site-local, RFC 3879
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8414_a6_addresses_of_special_use_are_known_however_they_are_wrapped() {
        let special = [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        let public = [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.169.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2001:1::1",
            "2002:101:101::1",
            "2606:4700::1",
            "2a00::1",
        ];
        let judged = |addresses: &[&str]| -> Vec<_> {
            addresses.iter().map(|text| is_special(text.parse().expect(text))).collect()
        };
        assert_eq!(judged(&special), vec![true; special.len()]);
        assert_eq!(judged(&public), vec![false; public.len()]);
    }

    #[test]
    fn rfc8414_a6_names_of_special_use_are_known_in_every_spelling() {
        for (name, special) in
            [("localhost", true), ("localhost.", true), ("a.localhost", true), ("localhost.example", false)]
        {
            assert_eq!(is_special_name(name), special, "{name}");
        }
    }
}
