//! Names that metadata chose, and that must not lead inside.

use std::{io, net::SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tower_identity_refresh::blocking;

use crate::special_use::is_special;

/// Looks names up, and leaves out the addresses that mean nothing outside this machine or network.
///
/// The judgement is made on the addresses that are then connected to, so that a name which leads elsewhere at the next
/// look, as in DNS rebinding, gains nothing. A URL that has an address in place of a name is judged before.
#[derive(Debug, Clone, Copy)]
pub(super) struct PublicNames(pub(super) Lookup);

/// A way to look a name up; it may block.
pub(super) type Lookup = fn(&str) -> io::Result<Vec<SocketAddr>>;

/// As the system does it: the hosts file, DNS, and whatever else it is configured for.
pub(super) fn by_the_system(name: &str) -> io::Result<Vec<SocketAddr>> {
    // The port is the URL's; zero leaves it to the connector.
    std::net::ToSocketAddrs::to_socket_addrs(&(name, 0)).map(Iterator::collect)
}

/// All addresses of the name are of special use.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to private addresses only")]
pub(super) struct LeadsInside;

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = self.0;
        let looking = blocking(move || lookup(name.as_str()));
        Box::pin(async move {
            let found = looking.await.ok_or("looking the name up was cut short")??;
            let public: Vec<_> = found.iter().copied().filter(|address| !is_special(address.ip())).collect();
            if public.is_empty() && !found.is_empty() {
                return Err(LeadsInside.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
