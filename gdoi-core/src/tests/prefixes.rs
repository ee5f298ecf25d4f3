//! Which addresses a prefix has.

use super::script::address;
use crate::config::Prefix;

#[test]
fn a_prefix_has_the_addresses_that_begin_as_it_does() {
    for (prefix, length, inside, outside) in [
        ("10.1.2.3", 32, "10.1.2.3", "10.1.2.2"),
        ("10.1.2.0", 24, "10.1.2.255", "10.1.3.0"),
        ("10.1.2.0", 23, "10.1.3.0", "10.1.4.0"),
        ("10.0.0.0", 8, "10.255.0.1", "11.0.0.0"),
        ("128.0.0.0", 1, "255.0.0.0", "127.0.0.0"),
        ("0.0.0.0", 0, "255.1.2.3", "2001:db8::1"),
        ("2001:db8::1", 128, "2001:db8::1", "2001:db8::"),
        ("2001:db8:1::", 48, "2001:db8:1:ffff::", "2001:db8:2::"),
        ("2001:db8:2::", 47, "2001:db8:3::1", "2001:db8:1::"),
        ("8000::", 1, "ffff::", "7fff::"),
        ("::", 0, "ffff::1", "10.0.0.1"),
    ] {
        let prefix = Prefix::new(address(prefix), length).unwrap();
        assert!(prefix.contains(address(inside)), "{prefix:?} {inside}");
        assert!(!prefix.contains(address(outside)), "{prefix:?} {outside}");
    }
    assert_eq!(Prefix::new(address("10.0.0.0"), 33), None);
    assert_eq!(Prefix::new(address("::"), 129), None);
    let host = Prefix::host(address("2001:db8::7"));
    assert_eq!((host.address(), host.length()), (address("2001:db8::7"), 128));
}
