//! An authorization server that does nothing but answer, as fast or as slowly as it is told; and what memory is taken.
#![expect(clippy::disallowed_methods, reason = "what is measured is real time")]

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::header::CONTENT_TYPE, routing::post};
use tokio::net::TcpListener;

/// The length of what it issues, in bytes, with what goes before it in the header.
pub(crate) const TOKEN: usize = 256;

/// A token endpoint.
pub(crate) struct Authority {
    pub(crate) issuer: String,
    asked: Arc<AtomicUsize>,
    millis: Arc<AtomicU64>,
}

impl Authority {
    /// One that issues tokens of this life, and answers at once.
    pub(crate) async fn start(life: Duration) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback");
        let issuer = format!("http://{}", listener.local_addr().expect("address"));
        let (asked, millis) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
        let (count, takes, life) = (asked.clone(), millis.clone(), life.as_secs());
        let token = move || {
            let number = count.fetch_add(1, Ordering::Relaxed);
            let takes = Duration::from_millis(takes.load(Ordering::Relaxed));
            async move {
                if !takes.is_zero() {
                    tokio::time::sleep(takes).await;
                }
                let token = format!("{number:0width$}", width = TOKEN - "Bearer ".len());
                let body = format!(
                    r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{life},
                    "issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}}"#
                );
                ([(CONTENT_TYPE, "application/json")], body)
            }
        };
        let app = Router::new().route("/token", post(token));
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { issuer, asked, millis }
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// How long it takes for each answer from now on.
    pub(crate) fn takes(&self, time: Duration) {
        self.millis.store(u64::try_from(time.as_millis()).expect("short"), Ordering::Relaxed);
    }
}

/// The memory of this process, in bytes; 0 where that cannot be told.
pub(crate) fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}
