//! A listener with TLS that says who is at the other end, and follows its files.
//!
//! ```text
//! files ──▶ ServerTls ──▶ handshake, within its time ──▶ Connection, in every request of it ──▶ AuthLayer
//!   ▲           │         no TLS, no certificate where one is required, or a bad one: closed
//!   └─ watched: another certificate, other roots or revocation lists count from the next handshake on
//! ```
//!
//! A connection that is not accepted here reaches no service. One that is says by
//! [`Connection`](tower_identity_inbound::Connection) which certificate its peer has proven; whom that names, and whether it
//! counts, is decided by the verifier of the [`AuthLayer`](tower_identity_inbound::AuthLayer), by roots of its own.
//!
//! ```
//! use axum::Router;
//! use tokio::net::TcpListener;
//! use tower_identity_inbound::ClientCertificate;
//! use tower_identity_tls::{EachConnection, ServerTls, TlsListener};
//!
//! async fn serve(app: Router) -> Result<(), Box<dyn std::error::Error>> {
//!     let tls =
//!         ServerTls::builder("server.pem", "server.key").clients(ClientCertificate::Required, "clients.pem").build()?;
//!     let listener = TlsListener::new(TcpListener::bind("[::]:8443").await?, tls);
//!     axum::serve(listener, EachConnection::new(app)).await?;
//!     Ok(())
//! }
//! # let _ = serve;
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | `settings` | [`TlsSettings`] and [`ServerTlsBuilder`]: which files, and what of clients |
//! | `anyone` | clients of any authority |
//! | `client` | [`ClientTls`]: the other side, by the same files |
//! | `connector` | [`Connector`]: connections by it, for tonic |
//! | `files`, `client_files` | the files of either side, and what rustls makes of them |
//! | `text` | one of them, as it is read |
//! | `followed` | what they say together, kept up to date |
//! | `server` | [`ServerTls`]: what is at work, kept up to date; one handshake |
//! | `listener` | [`TlsListener`], for `axum::serve`: many handshakes at one time |
//! | `handshake_error` | [`HandshakeError`]: why a connection was closed before any request |
//! | `telemetry` | what the operator is told |
//! | `connected` | [`EachConnection`]: what is known of a connection, in every request of it |

mod anyone;
mod client;
mod client_files;
mod connected;
mod connector;
mod files;
mod followed;
mod handshake_error;
mod listener;
mod server;
mod settings;
mod telemetry;
mod text;

pub use self::{
    client::{ClientTls, ClientTlsBuilder},
    connected::{Connected, EachConnection},
    connector::Connector,
    handshake_error::HandshakeError,
    listener::TlsListener,
    server::ServerTls,
    settings::{ServerTlsBuilder, TlsSettings},
};
