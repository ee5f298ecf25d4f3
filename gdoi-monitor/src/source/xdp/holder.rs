//! The program that is attached at XDP of an interface.

use std::fmt;

use aya::programs::loaded_programs;

use super::error::XdpError;
use super::interface::Interface;
use super::netlink;

/// A program that is attached at XDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number in the kernel.
    pub id: Option<u32>,
    /// Its name, if we may read it: that needs `CAP_SYS_ADMIN`.
    pub name: Option<String>,
}

impl Holder {
    /// The program at `interface`, if there is one.
    pub(super) fn of(interface: &Interface) -> Result<Option<Self>, XdpError> {
        let links = netlink::links().map_err(XdpError::Interfaces)?;
        Ok(links
            .into_iter()
            .find(|link| link.index == interface.index)
            .and_then(|link| link.xdp_program)
            .map(Self::new))
    }

    /// The program with this number.
    pub fn new(id: u32) -> Self {
        let name = loaded_programs()
            .map_while(Result::ok)
            .find(|program| program.id() == id)
            .and_then(|program| program.name_as_str().map(str::to_owned))
            .filter(|name| !name.is_empty());
        Self { id: Some(id), name }
    }

    /// A program about which nothing else is known.
    pub(super) const fn unknown() -> Self {
        Self { id: None, name: None }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, name } = self;
        match (id, name) {
            (Some(id), Some(name)) => write!(f, "another program, {name} (id {id}),"),
            (Some(id), None) => write!(f, "another program, id {id},"),
            (None, _) => write!(f, "another program"),
        }
    }
}
