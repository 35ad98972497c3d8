//! What is connected to, for a name that leads inside.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use tower_identity_refresh::system_clock;

use super::super::Clients;
use super::*;
use crate::{Endpoint, FetchError, Http};

/// A server inside: it counts who connects, and hangs up.
struct Inside {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

static INSIDE: LazyLock<Inside> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("bound");
    let connections = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&connections);
    std::thread::spawn(move || listener.incoming().for_each(|_| _ = counted.fetch_add(1, Ordering::SeqCst)));
    Inside { address, connections }
});

/// Every name leads inside, as when it was rebound after whoever looked first.
fn rebound(_: &str) -> io::Result<Vec<SocketAddr>> {
    Ok(vec![INSIDE.address, SocketAddr::from(([169, 254, 169, 254], 0))])
}

fn mixed(_: &str) -> io::Result<Vec<SocketAddr>> {
    Ok(vec![INSIDE.address, SocketAddr::from(([93, 184, 216, 34], 0))])
}

fn nowhere(_: &str) -> io::Result<Vec<SocketAddr>> {
    Ok(Vec::new())
}

async fn resolved(lookup: Lookup) -> Result<Vec<SocketAddr>, String> {
    let found = PublicNames(lookup).resolve("keys.example".parse().expect("a name")).await;
    found.map(Iterator::collect).map_err(|error| error.to_string())
}

#[tokio::test]
async fn rfc8414_a6_only_public_addresses_of_a_name_are_left() {
    assert_eq!(resolved(mixed).await, Ok(vec![SocketAddr::from(([93, 184, 216, 34], 0))]));
    assert_eq!(resolved(rebound).await, Err("the name leads to private addresses only".to_owned()));
    assert_eq!(resolved(nowhere).await, Ok(Vec::new()), "that is no address inside");
}

#[tokio::test]
async fn rfc8414_a6_nobody_connects_inside_by_a_name_that_metadata_chose() {
    let at = Endpoint::parse(&format!("https://keys.example:{}/jwks", INSIDE.address.port())).expect("https");
    let connections = || INSIDE.connections.load(Ordering::SeqCst);

    let public = Http::new(system_clock()).and_then(|http| http.public_names(rebound)).expect("TLS can be set up");
    let refused = public.get_json_bytes(&at).await.expect_err("refused");
    assert!(matches!(refused, FetchError::Private), "{refused:?}");
    assert!(!refused.is_transient());
    assert_eq!(connections(), 0);

    let looks_nowhere = || super::super::builder(&super::super::Tls::System).resolve("keys.example", INSIDE.address);
    let any = Http { clients: Clients::new(looks_nowhere).expect("TLS can be set up"), ..public };
    let control = any.get_json_bytes(&at).await.expect_err("it hangs up");
    assert!(matches!(control, FetchError::Unreachable(_)), "{control:?}");
    assert!(connections() > 0, "a client that does not look connects");
}
