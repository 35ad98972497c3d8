//! Why connections were refused, as it is counted.

use std::{collections::BTreeMap, time::Duration};

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tower_identity_inbound::ClientCertificate;
use tower_identity_testkit::TestAuthority;

use crate::support::{House, nobody, told};

#[test]
fn tls_a8_connections_that_are_refused_are_counted_by_why() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let counted = || {
        let counters = snapshotter.snapshot().into_vec().into_iter().map(|(key, _, _, value)| {
            let key = key.key();
            assert_eq!(key.name(), "tower_identity_tls_refused_total");
            let reason: Vec<_> = key.labels().map(|label| (label.key(), label.value().to_owned())).collect();
            let [("reason", reason)] = &reason[..] else { panic!("{reason:?}") };
            let DebugValue::Counter(count) = value else { panic!("a counter") };
            (reason.clone(), count)
        });
        counters.filter(|(_, count)| *count > 0).collect::<BTreeMap<_, _>>()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let one = |reason: &str| BTreeMap::from([(reason.to_owned(), 1)]);
            let house = House::new();
            let served = house.serve(house.asking(ClientCertificate::Required)).await;
            let good = house.client();
            assert_eq!((served.ask(Some(&good)).await, counted()), (told(&good), BTreeMap::new()), "the control");

            // By TLS 1.2, where the client learns of it within the handshake: what was counted is counted by then.
            assert!(served.connect(served.config_of(None, &[&TLS12])).await.is_none());
            settle().await;
            assert_eq!(counted(), one("no_certificate"));
            let stranger = TestAuthority::new(&house.time.clock()).certificate().dns("orders").build();
            assert!(served.connect(served.config_of(Some(&stranger), &[&TLS12])).await.is_none());
            settle().await;
            assert_eq!(counted(), one("bad_certificate"));

            let mut others = house.serve(house.builder()).await;
            others.roots = house.clients.pem();
            assert!(others.connect(others.config_of(None, &[&TLS13])).await.is_none());
            settle().await;
            assert_eq!(counted(), one("refused_by_peer"));

            let mut plain = TcpStream::connect(served.addr).await.expect("listening");
            plain.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("sent");
            settle().await;
            assert_eq!(counted(), one("no_tls"));
            drop(TcpStream::connect(served.addr).await.expect("listening"));
            settle().await;
            assert_eq!(counted(), one("closed"));

            let late = house.serve(house.builder().handshake(Duration::from_secs(5))).await;
            let silent = TcpStream::connect(late.addr).await.expect("listening");
            settle().await;
            house.time.advance(Duration::from_secs(5));
            settle().await;
            assert_eq!((counted(), late.ask(None).await), (one("took_too_long"), nobody()));
            drop(silent);
        });
    });
}

/// Lets the other end see what came.
async fn settle() {
    for _ in 0..2_000 {
        tokio::task::yield_now().await;
    }
}
