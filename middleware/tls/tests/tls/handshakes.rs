//! Many handshakes at one time, and slow ones.

use std::{future::poll_fn, task::Poll, time::Duration};

use tokio::{io::AsyncReadExt, net::TcpStream};
use tower_identity_tls::HandshakeError;

use crate::support::{House, nobody};

/// Whether the other end closes a connection over which nothing is said.
async fn is_closed(mut silent: TcpStream) -> bool {
    matches!(silent.read(&mut [0; 16]).await, Ok(0) | Err(_))
}

#[tokio::test]
async fn tls_a5_a_slow_handshake_keeps_nobody_waiting_and_ends_in_time() {
    let house = House::new();
    let served = house.serve(house.builder().handshake(Duration::from_secs(5))).await;
    let silent = TcpStream::connect(served.addr).await.expect("listening");
    // Of the handshake; each of the two files has one of its own.
    house.time.sleepers(1).await;
    assert_eq!(served.ask(None).await, nobody(), "beside it");
    let mut closed = tokio::spawn(is_closed(silent));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!closed.is_finished());
    house.time.advance(Duration::from_secs(5));
    assert!((&mut closed).await.expect("no panic"));
    assert_eq!(served.ask(None).await, nobody());
}

/// Whoever comes when so many are under way waits for one of them to end.
#[tokio::test]
async fn tls_a5_handshakes_are_bounded() {
    let house = House::new();
    let served = house.serve_by(house.builder(), |listener| listener.handshakes(2)).await;
    let [first, second] = [TcpStream::connect(served.addr).await, TcpStream::connect(served.addr).await];
    let (first, _second) = (first.expect("listening"), second.expect("listening"));
    house.time.sleepers(2).await;
    let mut third = Box::pin(served.ask(None));
    for _ in 0..20_000 {
        let waits = poll_fn(|cx| Poll::Ready(third.as_mut().poll(cx).is_pending())).await;
        assert!(waits, "two are under way");
        tokio::task::yield_now().await;
    }
    drop(first);
    assert_eq!(third.await, nobody());
}

#[tokio::test]
async fn tls_a5_what_is_accepted_by_hand_has_its_time_too() {
    let house = House::new();
    let tls = house.builder().build().expect("in order");
    let (_peer, silent) = tokio::io::duplex(64);
    let accepting = tokio::spawn(async move { tls.accept(silent, None).await.map(drop) });
    house.time.sleepers(1).await;
    house.time.advance(Duration::from_secs(10));
    assert!(matches!(accepting.await.expect("no panic"), Err(HandshakeError::TookTooLong)));
    let tls = house.builder().build().expect("in order");
    let (peer, closed) = tokio::io::duplex(64);
    drop(peer);
    assert!(matches!(tls.accept(closed, None).await, Err(HandshakeError::Failed(_))));
}
